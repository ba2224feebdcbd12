// facet logits: f32 logits of every position, or of a drafter's steps, for comparing engines.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/mapped_file.h"
#include "cli/cli.h"
#include "engine/session.h"

namespace facet::cli {
namespace {

struct LogitsFlags {
  std::string model, tokens, out, drafter;
  int threads = 1, draft_steps = 4;
  bool float_activations = false;
};

Result<std::vector<int>> read_token_ids(const std::string& path) {
  FACET_ASSIGN(std::string text, read_text_file(path, std::size_t{1} << 28));
  std::vector<int> ids;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    char* end = nullptr;
    long id = std::strtol(word.c_str(), &end, 10);
    if (*end != '\0' || id < 0 || id > INT32_MAX)
      return corrupt(fmt::format("{}: '{}' is not a token id (expected ids separated by white space)", path, word));
    ids.push_back(static_cast<int>(id));
  }
  if (ids.empty()) return corrupt(path + ": no token ids");
  return ids;
}

// Rows of logits as JSON, written one by one: the full matrix of a large vocabulary need not exist as text in memory.
class LogitsFile {
 public:
  Status open(const std::string& path) {
    FACET_TRY(out_.open(path));
    return out_.write("[");
  }
  // Minus infinity, of tokens outside a drafter's clusters, is null.
  Status add(int token, std::span<const float> logits) {
    const auto top = std::max_element(logits.begin(), logits.end()) - logits.begin();
    fmt::memory_buffer row;
    auto end = std::back_inserter(row);
    fmt::format_to(end, "{}\n{{\"token\": {}, \"top\": {}, \"logits\": [", n_++ > 0 ? "," : "", token, top);
    for (std::size_t v = 0; v < logits.size(); ++v)
      if (std::isinf(logits[v]))
        fmt::format_to(end, "{}null", v ? "," : "");
      else
        fmt::format_to(end, "{}{:.9g}", v ? "," : "", logits[v]);
    fmt::format_to(end, "]}}");
    return out_.write(std::string_view(row.data(), row.size()));
  }
  Status commit() {
    FACET_TRY(out_.write("\n]\n"));
    return out_.commit();
  }

 private:
  AtomicFile out_;
  int n_ = 0;
};

Status write_logits(LogitsFile& out, const std::vector<int>& ids, Session& session) {
  std::vector<float> logits(static_cast<std::size_t>(session.model().config().vocab_size));
  for (int id : ids) {
    if (interrupted) return {Code::kCancelled, "interrupted"};
    FACET_TRY(session.evaluate({&id, 1}, Session::Logits::kLast, logits));
    FACET_TRY(out.add(id, logits));
  }
  return {};
}

// The last token is the one that the model has not seen when drafting begins; each step is fed the draft before it.
Status write_drafts(LogitsFile& out, std::vector<int> ids, Session& session, const LogitsFlags& flags) {
  if (ids.size() < 2) return invalid_argument("-md: drafting takes at least two tokens, a seen one and a new one");
  FACET_ASSIGN(const LoadedDrafter loaded, open_drafter({.drafter = flags.drafter, .n_max = "1"}, session));
  std::vector<float> logits(static_cast<std::size_t>(session.model().config().vocab_size));
  int token = ids.back();
  ids.pop_back();
  for (int id : ids) FACET_TRY(session.evaluate({&id, 1}, Session::Logits::kLast, logits));
  loaded.drafter->begin(session.hidden());
  for (int i = 0; i < flags.draft_steps; ++i) {
    const int draft = loaded.drafter->step(token);
    FACET_TRY(out.add(token, loaded.drafter->logits()));
    token = draft;
  }
  return {};
}

Status run_logits(const LogitsFlags& flags) {
  FACET_ASSIGN(std::string path, model_path_or_builtin(flags.model));
  FACET_ASSIGN(std::vector<int> ids, read_token_ids(flags.tokens));
  FACET_ASSIGN(Model model, Model::load(path));
  ThreadPool pool(flags.threads);
  SessionOptions options;
  options.context = static_cast<int>(ids.size());
  options.kv = model.checkpoint().cache_scales.empty() ? KvType::kF32 : KvType::kAuto;
  options.float_activations = flags.float_activations;
  FACET_ASSIGN(Session session, Session::create(model, pool, options));
  LogitsFile out;
  FACET_TRY(out.open(flags.out));
  FACET_TRY(flags.drafter.empty() ? write_logits(out, ids, session) : write_drafts(out, ids, session, flags));
  return out.commit();
}

}  // namespace

void add_logits(CLI::App& app, Status& status) {
  auto flags = std::make_shared<LogitsFlags>();
  CLI::App* verb = app.add_subcommand("logits", "write the logits of every position of a token sequence as JSON");
  option(verb, "-m,--model", flags->model, "model folder or .gguf file (default: the built-in model)");
  option(verb, "--tokens", flags->tokens, "file of token ids, <bos> included")->required();
  option(verb, "--out", flags->out, "JSON file to write: [{token, top, logits}], one entry per position")->required();
  option(verb, "--model-draft", flags->drafter,
         "-md: of a drafter's steps instead: all tokens but the last are the model's, the last is drafted from");
  option(verb, "--draft-steps", flags->draft_steps, "with -md: steps, each fed the draft before it")
      ->check(CLI::Range(1, 15));
  threads_option(verb, flags->threads);
  verb->add_flag("--float-activations", flags->float_activations, "do not quantize activations of block formats");
  verb->callback([flags, &status] { status = run_logits(*flags); });
}

}  // namespace facet::cli
