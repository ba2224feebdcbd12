// facet logits: f32 logits of every position, for comparing engines.
#include <fmt/format.h>

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
  std::string model, tokens, out;
  int threads = 1;
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

// Written row by row: the full matrix of a large vocabulary need not exist as text in memory.
Status write_logits(const std::string& path, const std::vector<int>& ids, Session& session, int vocab) {
  AtomicFile out;
  FACET_TRY(out.open(path));
  std::vector<float> logits(static_cast<std::size_t>(vocab));
  FACET_TRY(out.write("[\n"));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (interrupted) return {Code::kCancelled, "interrupted"};
    FACET_TRY(session.evaluate({&ids[i], 1}, Session::Logits::kLast, logits));
    std::size_t top = 0;
    for (std::size_t v = 1; v < logits.size(); ++v)
      if (logits[v] > logits[top]) top = v;
    fmt::memory_buffer row;
    fmt::format_to(std::back_inserter(row), "{{\"token\": {}, \"top\": {}, \"logits\": [", ids[i], top);
    for (std::size_t v = 0; v < logits.size(); ++v)
      fmt::format_to(std::back_inserter(row), "{}{:.9g}", v ? "," : "", logits[v]);
    fmt::format_to(std::back_inserter(row), "]}}{}\n", i + 1 < ids.size() ? "," : "");
    FACET_TRY(out.write(std::string_view(row.data(), row.size())));
  }
  FACET_TRY(out.write("]\n"));
  return out.commit();
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
  return write_logits(flags.out, ids, session, model.config().vocab_size);
}

}  // namespace

void add_logits(CLI::App& app, Status& status) {
  auto flags = std::make_shared<LogitsFlags>();
  CLI::App* verb = app.add_subcommand("logits", "write the logits of every position of a token sequence as JSON");
  option(verb, "-m,--model", flags->model, "model folder or .gguf file (default: the built-in model)");
  option(verb, "--tokens", flags->tokens, "file of token ids, <bos> included")->required();
  option(verb, "--out", flags->out, "JSON file to write: [{token, top, logits}], one entry per position")->required();
  threads_option(verb, flags->threads);
  verb->add_flag("--float-activations", flags->float_activations, "do not quantize activations of block formats");
  verb->callback([flags, &status] { status = run_logits(*flags); });
}

}  // namespace facet::cli
