// cli.h: what the verbs of the `facet` binary share.
#pragma once

#include <CLI/CLI.hpp>
#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/drafter.h"
#include "engine/generate.h"
#include "engine/session.h"
#include "facet/generate_options.h"
#include "facet/status.h"
#include "model/checkpoint.h"
#include "model/scheme.h"
#include "text/tokenizer.h"

namespace facet::cli {

// Set by Ctrl-C; long work looks at it and stops at the next safe point.
extern std::atomic<bool> interrupted;

// Adds an option whose environment variable is FACET_<LONG_NAME> (flag beats environment beats default).
// names: CLI11 style, long name last or alone: "-m,--model".
template <typename T>
CLI::Option* option(CLI::App* app, const std::string& names, T& value, const std::string& help) {
  CLI::Option* o = app->add_option(names, value, help);
  if constexpr (!std::is_same_v<T, std::vector<std::string>>) o->capture_default_str();
  std::string env = "FACET_";
  for (char c : names.substr(names.rfind("--") + 2)) env += c == '-' ? '_' : static_cast<char>(std::toupper(c));
  return o->envname(env);
}

// --threads with its short name; the default is every processor this process may use.
CLI::Option* threads_option(CLI::App* app, int& threads);

// One file per verb.  Each adds its subcommand; its callback writes the verb's outcome to `status`.
void add_run(CLI::App& app, Status& status);
void add_chat(CLI::App& app, Status& status);
void add_logits(CLI::App& app, Status& status);
void add_info(CLI::App& app, Status& status);
void add_data(CLI::App& app, Status& status);
void add_tokenizer(CLI::App& app, Status& status);
void add_tokenize(CLI::App& app, Status& status);
void add_quantize(CLI::App& app, Status& status);
void add_convert(CLI::App& app, Status& status);
// `facet convert` of a drafter: to q4_0-gguf, q8_0-gguf, bf16-gguf or hf; dense_head: without its clusters.
Status convert_drafter_file(const std::string& path, const std::string& to, const std::string& out, bool dense_head,
                            int threads);
void add_inspect(CLI::App& app, Status& status);
void add_synth(CLI::App& app, Status& status);
void add_eval(CLI::App& app, Status& status);
void add_report(CLI::App& app, Status& status);
void add_train(CLI::App& app, Status& status);
void add_train_drafter(CLI::App& app, Status& status);
void add_bench(CLI::App& app, Status& status);
// The same verbs in facet-train, where their work is done.
void add_train_here(CLI::App& app, Status& status);
void add_train_drafter_here(CLI::App& app, Status& status);
void add_bench_here(CLI::App& app, Status& status);

// A verb of facet-train, which reads its flags: `verbs` are the words that name it there, the last one here.
CLI::App* forward_to_train(CLI::App& app, const std::vector<std::string>& verbs, const char* about, Status& status);

// The model that ships with Facet: $FACET_BUILTIN_MODEL, else beside the installed binary, else in the source tree.
Result<std::string> builtin_model_path();
// The drafter for it, which lies beside it.
Result<std::string> builtin_drafter_path();
// `given` or, when empty, the built-in model.
Result<std::string> model_path_or_builtin(const std::string& given);

// Whether a model of this scheme can go where --out says: mobile to a folder, blocks to a .gguf file.
Status check_out(const std::string& out, const Scheme& scheme);

// Says on stderr what becomes of vision and audio tensors when `checkpoint` is written to `out`.
void note_towers(const std::string& out, const Checkpoint& checkpoint, const Companions& beside);

// What verbs that run a model say about its session, with llama.cpp's names.
struct SessionFlags {
  int context = 0, batch = 2048, ubatch = 512, batch_threads = 0;
  std::string cache_k = "auto", cache_v = "auto", memory_limit;
};
void session_flags(CLI::App* verb, SessionFlags& flags);
// Of a model: "auto" is int8 where it carries cache scales, else f16.  threads: for one token at a time.
Result<SessionOptions> session_options(const SessionFlags& flags, int threads, const Model& model);
std::string name_of(KvType type);  // "f16"

// What verbs that write text say about drawing it.
struct DrawFlags {
  int n_predict = -1, threads = 1;
  SamplerOptions sampling;
  bool ignore_eos = false, no_timings = false;
};
void draw_flags(CLI::App* verb, DrawFlags& flags);
// Who drafts, and how many tokens at a time.
struct DraftFlags {
  std::string drafter;
  std::string n_max = "auto";  // or a number
  bool dense_head = false;     // without its clusters
};
void drafting_flags(CLI::App* verb, DraftFlags& flags);
// "auto" or a number.  kInvalidArgument: neither, or more drafts than this session can check.
Result<DraftCount> parse_draft_count(const std::string& text, const Session& session);
// The drafter that the flags name, bound to a session; keeps what it needs, and is empty where none is named.
struct LoadedDrafter {
  std::unique_ptr<Model> model;
  std::unique_ptr<Drafter> drafter;
  DraftCount count;
  std::unique_ptr<DraftLength> length;  // where the count adapts
  Speculation speculation() const { return {drafter.get(), count.n_max, length.get()}; }
};
// Also: what a count, a drafter's file or another model's drafter earns (parse_draft_count(), load_drafter(),
// check_drafter()); kCorrupt: it has a vocabulary of its own, and not `tokenizer`'s, where that is given; kNoResources:
// both do not fit in the session's memory_limit.
Result<LoadedDrafter> open_drafter(DraftFlags flags, Session& session, const Tokenizer* tokenizer = nullptr);
// One or two lines on stderr.  kept: prompt tokens that were in the cache already.
void print_timings(const GenerateStats& stats, int kept = 0);
// kCorrupt: the tokenizer has more tokens than the model.
Status check_tokenizer(const std::string& path, const Tokenizer& tokenizer, const Model& model);
// "model x.gguf, 4.50 bits per weight; context 4096, cache 12.3 MB; 2 threads" and the kernels that were chosen.
std::string describe(const std::string& path, const Session& session, int threads);

// A text's documents end to end as training lays them, <eos> after each and <bos> before all but the first, whose <bos>
// is the window's own.
std::vector<int> stream_of_documents(std::string_view text, const Tokenizer& tokenizer, int bos);

// Writes text to a file (atomically), or to stdout for "-" and "".
Status write_output(const std::string& path, const std::string& text);

}  // namespace facet::cli
