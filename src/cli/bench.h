// bench.h: what `facet bench` and the measurements below it share.
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/cli.h"
#include "eval/bench.h"
#include "facet/status.h"

namespace facet::cli {

using Rows = std::vector<nlohmann::ordered_json>;  // one object per measurement, all with the same keys

std::string cpu_name();
std::string utc_now();  // "2026-11-26T18:30:00Z"

// Processor time of this thread so far: what work on one core takes, however busy the machine is.
double thread_cpu_seconds();

// -o: how format_rows() prints; lists are left out of csv.
CLI::Option* output_option(CLI::App* verb, std::string& output);
std::string format_rows(const std::string& how, const Rows& rows, std::string (*markdown)(const Rows&));

// Medians tell what a thing takes; least and most how far to trust that.
struct Spread {
  double median = 0, least = 0, most = 0;
};
Spread spread(std::vector<double> samples);  // at least one

struct BenchFlags {
  std::string model, prompts = "512", generated = "128", depths = "0", threads, output = "md";
  SessionFlags session;
  std::vector<std::string> both;  // "PP,TG"
  int repetitions = 5;
  bool no_warm_up = false;
  std::uint64_t seed = 1;
  // With a drafter; n_max may be a list.
  DraftFlags drafting;
  std::string prompt_file;
  std::vector<double> acceptance;
};

// "1,2,8" or "512-2048+512", mixed.
Result<std::vector<int>> parse_numbers(const std::string& flag, const std::string& text, int least, int most);

// What stays the same in all rows of one run.
struct BenchSetting {
  std::string model_filename, model_type, cpu, isa, time, type_k, type_v;
  std::uint64_t model_size = 0, n_params = 0;
  int n_batch = 0, n_ubatch = 0, n_threads = 0, n_threads_batch = 0;
  double streaming = 0;  // bytes per second
  double load_seconds = 0;
};
// session: as it was settled.
BenchSetting setting_of(const BenchFlags& flags, const std::string& path, const Model& model,
                        const SessionOptions& session, double streaming, double load_seconds);
// The fields of llama-bench, then those of memory and bandwidth.  bytes_per_token: 0 = not known.
nlohmann::ordered_json to_json(const BenchSetting& setting, const BenchCase& what, const std::vector<double>& seconds,
                               std::uint64_t bytes_per_token);

// `facet bench` with a drafter: writing with and without it.
Status run_bench_drafts(const BenchFlags& flags);

// Each adds its subcommand to `facet bench`.
void add_bench_load(CLI::App& bench, Status& status);
void add_bench_tokenize(CLI::App& bench, Status& status);

}  // namespace facet::cli
