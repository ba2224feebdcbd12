// facet bench: speed and memory of a model on this machine, with llama-bench's names.
#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>

#include "cli/bench.h"
#include "cli/progress.h"

namespace facet::cli {

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

namespace {

using Json = nlohmann::ordered_json;

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
  if (!flags.prompt_file.empty() || !flags.acceptance.empty() || flags.drafting.dense_head)
    return invalid_argument("-f, --acceptance and --dense-head are for a drafter; name one with -md");
  FACET_ASSIGN(std::vector<BenchCase> cases, parse_cases(flags));
  FACET_ASSIGN(std::vector<int> threads, parse_numbers("-t", flags.threads, 1, 1024));
  FACET_ASSIGN(std::string path, model_path_or_builtin(flags.model));
  Rows rows;
  Progress progress;
  for (int n_threads : threads) {
    progress.show("measuring the streaming bandwidth");
    FACET_ASSIGN(const double streaming, streaming_bandwidth(n_threads));
    const auto start = std::chrono::steady_clock::now();
    FACET_ASSIGN(Model model, Model::load(path));
    FACET_ASSIGN(const SessionOptions session, session_options(flags.session, n_threads, model));
    ThreadPool pool(std::max(session.threads, session.batch_threads));
    const double load_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
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
    const BenchSetting setting = setting_of(flags, path, model, report.session, streaming, load_seconds);
    for (const BenchResult& r : report.results) {
      Json row = to_json(setting, r.what, r.seconds, r.bytes_per_token);
      row["ttft_ms"] = (load_seconds + report.first_token_seconds) * 1e3;
      row["logits_hash"] = fmt::format("{:016x}", r.logits_hash);
      row["seed"] = flags.seed;
      rows.push_back(std::move(row));
    }
  }
  return write_output("", format_rows(flags.output, rows, markdown));
}

}  // namespace

void add_bench(CLI::App& app, Status& status) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* verb =
      app.add_subcommand("bench", "measure speed and memory (or: bench load, bench tokenize, bench train)");
  option(verb, "-m,--model", flags->model, "model folder or .gguf file (default: the built-in model)");
  const CLI::Option* prompts =
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
  drafting_flags(verb, flags->drafting);
  option(verb, "-f,--file", flags->prompt_file, "with -md: the text that fills -d positions (0: all of it)");
  verb->add_option("--acceptance", flags->acceptance,
                   "with -md: make draft 1, 2, ... right with these chances, as 0.7,0.6,0.5: what a drafter would gain")
      ->delimiter(',')
      ->check(CLI::Range(0.0, 1.0));
  verb->add_flag("--dense-head", flags->drafting.dense_head, "with -md: ignore the drafter's clusters");
  verb->require_subcommand(0, 1);
  add_bench_load(*verb, status);
  add_bench_tokenize(*verb, status);
  forward_to_train(*verb, {"bench", "train"}, "the speed of training, with and without fake quantization", status);
  verb->callback([flags, verb, prompts, &status] {
    if (!verb->get_subcommands().empty()) return;
    if (flags->drafting.drafter.empty()) {
      status = run_bench(*flags);
    } else if ((prompts->count() > 0 && flags->prompts != "0") || !flags->both.empty()) {
      status = invalid_argument("-md measures how text is written: say -n and -d, not -p or -pg");
    } else {
      status = run_bench_drafts(*flags);
    }
  });
}

}  // namespace facet::cli
