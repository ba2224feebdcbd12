// facet bench load: how long a model takes to open, with everything in the system's cache.
#include <fmt/format.h>

#include <chrono>

#include "cli/bench.h"
#include "cli/cli.h"
#include "facet/version.h"
#include "model/checkpoint.h"

namespace facet::cli {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

struct LoadFlags {
  std::string model, output = "md";
  int repetitions = 11;
};

struct Instant {
  Clock::time_point wall;
  double cpu;
};
Instant now() { return {Clock::now(), thread_cpu_seconds()}; }

struct Samples {
  std::vector<double> ms, cpu_ms;
  void add(const Instant& from, const Instant& to) {
    ms.push_back(std::chrono::duration<double, std::milli>(to.wall - from.wall).count());
    cpu_ms.push_back((to.cpu - from.cpu) * 1e3);
  }
};

std::string markdown(const Rows& rows) {
  std::string out = "| what | ms, median | least | most | of processor time |\n|---|---|---|---|---|\n";
  for (const Json& r : rows)
    out += fmt::format("| {} | {:.1f} | {:.1f} | {:.1f} | {:.1f} |\n", r["what"].get<std::string>(),
                       r["median_ms"].get<double>(), r["min_ms"].get<double>(), r["max_ms"].get<double>(),
                       r["median_cpu_ms"].get<double>());
  const Json& last = rows.back();
  return out + fmt::format("\n{}: {} tensors, {} tokens, {} merges; {}; {} times, after one untimed\n",
                           last["model_filename"].get<std::string>(), last["n_tensors"].get<std::size_t>(),
                           last["n_vocab"].get<int>(), last["n_merges"].get<std::size_t>(),
                           last["cpu_info"].get<std::string>(), last["samples_ms"].size());
}

Status run_bench_load(const LoadFlags& flags) {
  FACET_ASSIGN(std::string path, model_path_or_builtin(flags.model));
  Samples checkpoint_time, tokenizer_time, both_time;
  std::size_t n_tensors = 0, n_merges = 0;
  int n_vocab = 0;
  for (int i = 0; i <= flags.repetitions; ++i) {
    const Instant start = now();
    FACET_ASSIGN(Checkpoint checkpoint, load_checkpoint(path));
    const Instant between = now();
    FACET_ASSIGN(Tokenizer tokenizer, load_tokenizer(path));
    const Instant end = now();
    if (i == 0) continue;
    checkpoint_time.add(start, between);
    tokenizer_time.add(between, end);
    both_time.add(start, end);
    n_tensors = checkpoint.tensors.size();
    n_vocab = tokenizer.vocab_size();
    n_merges = tokenizer.vocabulary().merges.size();
  }
  Rows rows;
  auto add = [&](const char* what, const Samples& samples) {
    const Spread s = spread(samples.ms);
    rows.push_back({{"build_commit", FACET_VERSION_STRING},
                    {"cpu_info", cpu_name()},
                    {"model_filename", path},
                    {"n_tensors", n_tensors},
                    {"n_vocab", n_vocab},
                    {"n_merges", n_merges},
                    {"test_time", utc_now()},
                    {"what", what},
                    {"median_ms", s.median},
                    {"min_ms", s.least},
                    {"max_ms", s.most},
                    {"median_cpu_ms", spread(samples.cpu_ms).median},
                    {"samples_ms", samples.ms}});
  };
  add("checkpoint", checkpoint_time);
  add("tokenizer", tokenizer_time);
  add("both", both_time);
  return write_output("", format_rows(flags.output, rows, markdown));
}

}  // namespace

void add_bench_load(CLI::App& bench, Status& status) {
  auto flags = std::make_shared<LoadFlags>();
  CLI::App* verb = bench.add_subcommand("load", "how long a model takes to open: its tensors, its tokenizer");
  option(verb, "-m,--model", flags->model, "model folder or .gguf file (default: the built-in model)");
  option(verb, "-r,--repetitions", flags->repetitions, "times it is opened")->check(CLI::Range(1, 10000));
  output_option(verb, flags->output);
  verb->callback([flags, &status] { status = run_bench_load(*flags); });
}

}  // namespace facet::cli
