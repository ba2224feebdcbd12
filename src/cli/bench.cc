// facet bench: speed and memory of a model on this machine, with llama-bench's names.
#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/process.h"
#include "cli/bench.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "eval/bench.h"
#include "facet/version.h"
#include "model/checkpoint.h"

namespace facet::cli {
namespace {

using Json = nlohmann::ordered_json;

struct BenchFlags {
  std::string model, prompts = "512", generated = "128", depths = "0", threads, output = "md";
  SessionFlags session;
  std::vector<std::string> both;  // "PP,TG"
  int repetitions = 5;
  bool no_warm_up = false;
  std::uint64_t seed = 1;
};

// "1,2,8" or "512-2048+512", mixed.
Result<std::vector<int>> parse_numbers(const std::string& flag, const std::string& text, int least, int most) {
  const Status bad = invalid_argument(
      fmt::format("{} '{}': expected numbers from {} to {}, such as 1,2 or 512-2048+512", flag, text, least, most));
  auto number = [&](std::string_view word, int& out) {
    auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), out);
    return error == std::errc() && end == word.data() + word.size() && out >= least && out <= most;
  };
  std::vector<int> out;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    const std::string_view word = std::string_view(text).substr(at, comma - at);
    at = comma + 1;
    const std::size_t dash = word.find('-'), plus = word.find('+');
    int first = 0, last = 0, step = 1;
    if (dash == std::string_view::npos) {
      if (!number(word, first)) return bad;
      out.push_back(first);
      continue;
    }
    if (!number(word.substr(0, dash), first) ||
        !number(word.substr(dash + 1, plus == word.npos ? plus : plus - dash - 1), last))
      return bad;
    if (plus != word.npos && (!number(word.substr(plus + 1), step) || step < 1)) return bad;
    if (first > last || (last - first) / step > 1000) return bad;
    for (int i = first; i <= last; i += step) out.push_back(i);
  }
  return out;
}

Result<std::vector<BenchCase>> parse_cases(const BenchFlags& flags) {
  constexpr int kMost = 1 << 20;
  FACET_ASSIGN(std::vector<int> prompts, parse_numbers("-p", flags.prompts, 0, kMost));
  FACET_ASSIGN(std::vector<int> generated, parse_numbers("-n", flags.generated, 0, kMost));
  FACET_ASSIGN(std::vector<int> depths, parse_numbers("-d", flags.depths, 0, kMost));
  std::vector<BenchCase> out;
  for (int depth : depths) {
    for (int n : prompts)
      if (n > 0) out.push_back({n, 0, depth});
    for (int n : generated)
      if (n > 0) out.push_back({0, n, depth});
    for (const std::string& pair : flags.both) {
      FACET_ASSIGN(std::vector<int> two, parse_numbers("-pg", pair, 1, kMost));
      if (two.size() != 2) return invalid_argument("-pg '" + pair + "': expected PROMPT,GENERATED");
      out.push_back({two[0], two[1], depth});
    }
  }
  if (out.empty()) return invalid_argument("nothing to measure: -p, -n and -pg are all 0");
  return out;
}

double mean(const std::vector<double>& v) { return std::accumulate(v.begin(), v.end(), 0.0) / double(v.size()); }
double deviation(const std::vector<double>& v) {
  if (v.size() < 2) return 0;
  double sum = 0;
  for (double x : v) sum += (x - mean(v)) * (x - mean(v));
  return std::sqrt(sum / double(v.size() - 1));
}

// What stays the same in all rows of one run.
struct Setting {
  std::string model_filename, model_type, cpu, isa, time, type_k, type_v;
  std::uint64_t model_size = 0, n_params = 0;
  double streaming = 0;  // bytes per second
};

Json to_json(const Setting& s, const BenchFlags& flags, int threads, const BenchReport& report, const BenchResult& r,
             double load_seconds) {
  std::vector<double> rates = r.tokens_per_second(), ns;
  for (double seconds : r.seconds) ns.push_back(std::round(seconds * 1e9));
  const ResidentBytes resident = resident_bytes();
  const double bytes_per_second = double(r.bytes_per_token) * mean(rates);
  return {{"build_commit", FACET_VERSION_STRING},
          {"cpu_info", s.cpu},
          {"backend", s.isa},
          {"model_filename", s.model_filename},
          {"model_type", s.model_type},
          {"model_size", s.model_size},
          {"model_n_params", s.n_params},
          {"n_batch", flags.session.batch},
          {"n_ubatch", report.session.max_batch},
          {"n_threads", threads},
          {"n_threads_batch", report.session.batch_threads},
          {"type_k", s.type_k},
          {"type_v", s.type_v},
          {"n_prompt", r.what.n_prompt},
          {"n_gen", r.what.n_generate},
          {"n_depth", r.what.depth},
          {"test_time", s.time},
          {"avg_ns", mean(ns)},
          {"stddev_ns", deviation(ns)},
          {"avg_ts", mean(rates)},
          {"stddev_ts", deviation(rates)},
          {"samples_ns", ns},
          {"samples_ts", rates},
          {"bytes_per_token", r.bytes_per_token},
          {"gb_per_second", bytes_per_second / 1e9},
          {"streaming_gb_per_second", s.streaming / 1e9},
          {"streaming_share", s.streaming > 0 ? bytes_per_second / s.streaming : 0},
          {"peak_rss_metric", "VmHWM"},
          {"peak_rss_bytes", peak_rss_bytes()},
          {"rss_anon_bytes", resident.anonymous},
          {"rss_file_bytes", resident.file},
          {"load_ms", load_seconds * 1e3},
          {"ttft_ms", (load_seconds + report.first_token_seconds) * 1e3},
          {"logits_hash", fmt::format("{:016x}", r.logits_hash)},
          {"seed", flags.seed}};
}

std::string markdown(const Rows& rows) {
  std::string out =
      "| model | size | params | backend | threads | test | t/s | GB/s | of streaming |\n"
      "|---|---|---|---|---|---|---|---|---|\n";
  for (const Json& r : rows) {
    const BenchCase c{r["n_prompt"], r["n_gen"], r["n_depth"]};
    const bool generates = r["bytes_per_token"].get<std::uint64_t>() > 0;
    out += fmt::format("| {} | {:.2f} GB | {:.2f} B | {} | {} | {} | {:.2f} ± {:.2f} | {} | {} |\n",
                       r["model_type"].get<std::string>(), r["model_size"].get<double>() / 1e9,
                       r["model_n_params"].get<double>() / 1e9, r["backend"].get<std::string>(),
                       r["n_threads"].get<int>(), name_of(c), r["avg_ts"].get<double>(), r["stddev_ts"].get<double>(),
                       generates ? fmt::format("{:.2f}", r["gb_per_second"].get<double>()) : "",
                       generates ? fmt::format("{:.1f} %", 100 * r["streaming_share"].get<double>()) : "");
  }
  const Json& last = rows.back();
  out += fmt::format(
      "\n{}; streaming {:.1f} GB/s; load {:.0f} ms, first token after {:.0f} ms; peak memory {:.1f} MB (VmHWM; now "
      "{:.1f} MB of its "
      "own, {:.1f} MB of files); last logits {}\n",
      last["cpu_info"].get<std::string>(), last["streaming_gb_per_second"].get<double>(), last["load_ms"].get<double>(),
      last["ttft_ms"].get<double>(), last["peak_rss_bytes"].get<double>() / 1e6,
      last["rss_anon_bytes"].get<double>() / 1e6, last["rss_file_bytes"].get<double>() / 1e6,
      last["logits_hash"].get<std::string>());
  return out;
}

Status run_bench(const BenchFlags& flags) {
  FACET_ASSIGN(std::vector<BenchCase> cases, parse_cases(flags));
  FACET_ASSIGN(std::vector<int> threads, parse_numbers("-t", flags.threads, 1, 1024));
  FACET_ASSIGN(std::string path, model_path_or_builtin(flags.model));
  Rows rows;
  Progress progress;
  for (int n_threads : threads) {
    Setting setting;
    progress.show("measuring the streaming bandwidth");
    FACET_ASSIGN(setting.streaming, streaming_bandwidth(n_threads));
    const auto start = std::chrono::steady_clock::now();
    FACET_ASSIGN(Model model, Model::load(path));
    FACET_ASSIGN(const SessionOptions session, session_options(flags.session, n_threads, model));
    ThreadPool pool(std::max(session.threads, session.batch_threads));
    const double load_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    FACET_ASSIGN(const kernels::Table* table, kernels::choose());
    BenchOptions options{.cases = cases,
                         .repetitions = flags.repetitions,
                         .warm_up = !flags.no_warm_up,
                         .session = session,
                         .seed = flags.seed,
                         .progress = {}};
    options.progress = [&](const std::string& line) {
      progress.show(line);
      return !interrupted;
    };
    FACET_ASSIGN(BenchReport report, bench(model, pool, options));
    progress.finish();
    const Checkpoint& c = model.checkpoint();
    setting.model_filename = path;
    setting.model_size = c.byte_size();
    for (const auto& [name, t] : c.tensors) setting.n_params += std::uint64_t(element_count(t.shape));
    setting.model_type = fmt::format("gemma4 {:.1f}B {}", double(setting.n_params) / 1e9, info(c.main_type()).name);
    setting.cpu = cpu_name();
    setting.isa = std::string("cpu ") + table->name;
    setting.type_k = name_of(report.session.kv);
    setting.type_v = name_of(report.session.value_type());
    setting.time = utc_now();
    for (const BenchResult& r : report.results)
      rows.push_back(to_json(setting, flags, n_threads, report, r, load_seconds));
  }
  return write_output("", format_rows(flags.output, rows, markdown));
}

}  // namespace

void add_bench(CLI::App& app, Status& status) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* verb =
      app.add_subcommand("bench", "measure speed and memory (or: bench load, bench tokenize, bench train)");
  option(verb, "-m,--model", flags->model, "model folder or .gguf file (default: the built-in model)");
  option(verb, "-p,--n-prompt", flags->prompts, "prompt tokens, 0 = none: 512, 128,512 or 512-2048+512");
  option(verb, "-n,--n-gen", flags->generated, "generated tokens");
  verb->add_option("--pg", flags->both, "PROMPT,GENERATED timed together; may be given more than once");
  option(verb, "-d,--n-depth", flags->depths, "positions already filled");
  flags->threads = std::to_string(available_processors());
  option(verb, "-t,--threads", flags->threads, "threads");
  option(verb, "-r,--repetitions", flags->repetitions, "times each test is run")->check(CLI::Range(1, 10000));
  session_flags(verb, flags->session);
  output_option(verb, flags->output);
  option(verb, "-s,--seed", flags->seed, "of the tokens");
  verb->add_flag("--no-warmup", flags->no_warm_up, "no untimed run first");
  verb->require_subcommand(0, 1);
  add_bench_load(*verb, status);
  add_bench_tokenize(*verb, status);
  forward_to_train(*verb, {"bench", "train"}, "the speed of training, with and without fake quantization", status);
  verb->callback([flags, verb, &status] {
    if (verb->get_subcommands().empty()) status = run_bench(*flags);
  });
}

}  // namespace facet::cli
