// facet bench tokenize: megabytes of text that one core turns into tokens in a second of its time.
#include <fmt/format.h>

#include "base/hash.h"
#include "base/mapped_file.h"
#include "cli/bench.h"
#include "cli/cli.h"
#include "facet/version.h"
#include "model/checkpoint.h"

namespace facet::cli {
namespace {

using Json = nlohmann::ordered_json;

struct TokenizeBenchFlags {
  std::string model, text, output = "md";
  int repetitions = 5;
};

// A prompt's size: each is a call of its own, which knows nothing of the words of the others.
constexpr std::size_t kPromptBytes = 4096;

std::vector<std::string_view> cut(std::string_view text, std::size_t size) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    std::size_t end = std::min(size, text.size());
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
      ++end;  // not inside a character
    out.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return out;
}

std::string markdown(const Rows& rows) {
  std::string out =
      "| text in calls of | MB/s, median | least | most | tokens | hash of the ids |\n|---|---|---|---|---|---|\n";
  for (const Json& r : rows)
    out += fmt::format("| {} bytes | {:.1f} | {:.1f} | {:.1f} | {} | {} |\n", r["call_bytes"].get<std::size_t>(),
                       r["median_mb_per_second"].get<double>(), r["min_mb_per_second"].get<double>(),
                       r["max_mb_per_second"].get<double>(), r["n_tokens"].get<std::size_t>(),
                       r["ids_hash"].get<std::string>());
  const Json& last = rows.back();
  return out +
         fmt::format("\n{}: {} tokens; {} of {:.1f} MB; {}, one core, processor time; {} times, after one untimed\n",
                     last["model_filename"].get<std::string>(), last["n_vocab"].get<int>(),
                     last["text_filename"].get<std::string>(), last["n_bytes"].get<double>() / 1e6,
                     last["cpu_info"].get<std::string>(), last["samples_mb_per_second"].size());
}

Status run_bench_tokenize(const TokenizeBenchFlags& flags) {
  FACET_ASSIGN(std::string path, model_path_or_builtin(flags.model));
  FACET_ASSIGN(Tokenizer tokenizer, load_tokenizer(path));
  FACET_ASSIGN(std::string text, read_text_file(flags.text));
  if (text.empty()) return invalid_argument(flags.text + ": an empty text has no speed");
  Rows rows;
  for (std::size_t size : {text.size(), kPromptBytes}) {
    const std::vector<std::string_view> calls = cut(text, size);
    std::vector<double> rates;
    std::size_t n_tokens = 0;
    std::uint64_t hash = 0;
    for (int i = 0; i <= flags.repetitions; ++i) {
      std::vector<std::vector<int>> ids;
      ids.reserve(calls.size());
      const double start = thread_cpu_seconds();
      for (std::string_view call : calls) ids.push_back(tokenizer.encode(call));
      const double seconds = thread_cpu_seconds() - start;
      if (i > 0) rates.push_back(double(text.size()) / 1e6 / seconds);
      std::vector<int> all;
      for (const std::vector<int>& part : ids) all.insert(all.end(), part.begin(), part.end());
      n_tokens = all.size();
      hash = fnv1a(std::as_bytes(std::span(all)));
    }
    const Spread s = spread(rates);
    rows.push_back({{"build_commit", FACET_VERSION_STRING},
                    {"cpu_info", cpu_name()},
                    {"model_filename", path},
                    {"n_vocab", tokenizer.vocab_size()},
                    {"text_filename", flags.text},
                    {"n_bytes", text.size()},
                    {"call_bytes", size},
                    {"n_tokens", n_tokens},
                    {"ids_hash", fmt::format("{:016x}", hash)},
                    {"test_time", utc_now()},
                    {"median_mb_per_second", s.median},
                    {"min_mb_per_second", s.least},
                    {"max_mb_per_second", s.most},
                    {"samples_mb_per_second", rates}});
  }
  return write_output("", format_rows(flags.output, rows, markdown));
}

}  // namespace

void add_bench_tokenize(CLI::App& bench, Status& status) {
  auto flags = std::make_shared<TokenizeBenchFlags>();
  CLI::App* verb = bench.add_subcommand("tokenize", "the speed of turning a text into tokens");
  option(verb, "-m,--model", flags->model, "model folder or .gguf file (default: the built-in model)");
  option(verb, "-f,--text", flags->text, "file with the text")->required();
  option(verb, "-r,--repetitions", flags->repetitions, "times it is encoded")->check(CLI::Range(1, 10000));
  output_option(verb, flags->output);
  verb->callback([flags, &status] { status = run_bench_tokenize(*flags); });
}

}  // namespace facet::cli
