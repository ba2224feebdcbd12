// facet bench -md: how fast text is written with a drafter, beside the same text without.
#include <fmt/format.h>

#include <chrono>

#include "base/mapped_file.h"
#include "base/rng.h"
#include "cli/bench.h"
#include "cli/progress.h"
#include "engine/plan.h"
#include "eval/draft_bench.h"

namespace facet::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxFile = std::size_t{1} << 28;

std::string name_of(const DraftCount& count) {
  if (count.n_max == 0) return "none";
  return count.adapts ? "auto" : std::to_string(count.n_max);
}

std::string markdown(const Rows& rows) {
  std::string out =
      "| model | backend | threads | test | drafts | t/s | speedup | drafted | accepted | tokens per round | ms per "
      "draft | same text |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n";
  for (const Json& r : rows) {
    const bool drafts = r["n_draft_max"].get<int>() > 0;
    auto drafted = [&](const char* key, const char* pattern) {
      return drafts ? fmt::format(fmt::runtime(pattern), r[key].get<double>()) : std::string();
    };
    out += fmt::format("| {} | {} | {} | {} | {} | {:.2f} ({:.2f} to {:.2f}) | {} | {} | {} | {} | {} | {} |\n",
                       r["model_type"].get<std::string>(), r["backend"].get<std::string>(), r["n_threads"].get<int>(),
                       facet::name_of(BenchCase{0, r["n_gen"], r["n_depth"]}), r["draft_length"].get<std::string>(),
                       r["median_ts"].get<double>(), r["min_ts"].get<double>(), r["max_ts"].get<double>(),
                       drafted("speedup", "{:.3f}"), drafted("draft_n", "{:.0f}"), drafted("draft_accepted", "{:.0f}"),
                       drafted("mean_accepted_length", "{:.2f}"), drafted("draft_ms", "{:.3f}"),
                       r["same_text"].get<bool>() ? "yes" : "NO");
  }
  const Json& last = rows.back();
  out += fmt::format(
      "\nmedians; speedup: median over {} repetitions of the plain run's time over that of the run beside it; {}; "
      "drafter {}, {}; peak memory {:.1f} MB (VmHWM)\n",
      last["samples_ts"].size(), last["cpu_info"].get<std::string>(), last["draft_filename"].get<std::string>(),
      last["draft_head"].get<std::string>(), last["peak_rss_bytes"].get<double>() / 1e6);
  for (const Json& r : rows)
    if (const std::string& chosen = r["draft_chosen"].get_ref<const std::string&>(); !chosen.empty())
      out += fmt::format("{}, auto: {}\n", facet::name_of(BenchCase{0, r["n_gen"], r["n_depth"]}), chosen);
  return out;
}

// What is written behind: a text's first tokens, or random ones.  depth 0: all of the text, or <bos> alone.
Result<std::vector<int>> prompt_of(const std::vector<int>& text, int depth, const BenchFlags& flags,
                                   const GemmaConfig& config) {
  if (!flags.prompt_file.empty()) {
    if (std::ssize(text) < depth)
      return invalid_argument(
          fmt::format("-d {}: {} has {} tokens, <bos> included", depth, flags.prompt_file, text.size()));
    if (depth == 0 && std::ssize(text) > config.max_positions)
      return invalid_argument(
          fmt::format("{} has {} tokens, the model knows {} positions: -d N begins with the first N", flags.prompt_file,
                      text.size(), config.max_positions));
    return std::vector<int>(text.begin(), depth > 0 ? text.begin() + depth : text.end());
  }
  Rng rng(flags.seed, 2);
  std::vector<int> out{config.bos_token};
  while (std::ssize(out) < depth)
    out.push_back(static_cast<int>(rng.below(static_cast<std::uint32_t>(config.vocab_size))));
  return out;
}

Json to_json(const BenchSetting& setting, const BenchFlags& flags, const BenchCase& what, const DraftBenchResult& r,
             const DraftBenchResult& plain, std::uint64_t bytes_per_token, const Checkpoint& drafter) {
  Json row = to_json(setting, what, r.seconds, r.count.n_max == 0 ? bytes_per_token : 0);
  const Spread seconds = spread(r.seconds);
  const std::string head =
      drafter.config.n_clusters > 0
          ? fmt::format("{} of {} clusters", drafter.config.n_clusters_used, drafter.config.n_clusters)
          : "dense";
  row.update({{"median_ts", what.n_generate / seconds.median},
              {"min_ts", what.n_generate / seconds.most},
              {"max_ts", what.n_generate / seconds.least},
              {"prompt_filename", flags.prompt_file},
              {"draft_filename", flags.drafting.drafter},
              {"draft_size", drafter.byte_size()},
              {"draft_head", head},
              {"draft_length", name_of(r.count)},
              {"n_draft_max", r.count.n_max},
              {"acceptance", flags.acceptance},
              {"speedup", spread(r.speedups).median},
              {"speedup_of_medians", spread(plain.seconds).median / seconds.median},
              {"samples_speedup", r.speedups},
              {"draft_rounds", r.rounds},
              {"draft_n", r.n_drafted},
              {"draft_accepted", r.n_accepted},
              {"mean_accepted_length", r.tokens_per_round()},
              {"draft_ms", r.seconds_per_draft() * 1e3},
              {"draft_chosen", r.chosen},
              {"same_text", r.same_text},
              {"text_hash", fmt::format("{:016x}", r.text_hash)},
              {"seed", flags.seed}});
  return row;
}

// "1,2,auto"
Result<std::vector<DraftCount>> parse_counts(const std::string& text, const Session& session) {
  std::vector<DraftCount> out;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    FACET_ASSIGN(out.emplace_back(), parse_draft_count(text.substr(at, comma - at), session));
    at = comma + 1;
  }
  return out;
}

}  // namespace

Status run_bench_drafts(const BenchFlags& flags) {
  constexpr int kMost = 1 << 20, kRoom = 16;  // behind the text, so that drafts of any number fit
  FACET_ASSIGN(const std::vector<int> generated, parse_numbers("-n", flags.generated, 1, kMost));
  FACET_ASSIGN(const std::vector<int> depths, parse_numbers("-d", flags.depths, 0, kMost));
  FACET_ASSIGN(const std::vector<int> threads, parse_numbers("-t", flags.threads, 1, 1024));
  FACET_ASSIGN(const std::string path, model_path_or_builtin(flags.model));
  Rows rows;
  Progress progress;
  bool same_text = true;
  for (int n_threads : threads) {
    progress.show("measuring the streaming bandwidth");
    FACET_ASSIGN(const double streaming, streaming_bandwidth(n_threads));
    const auto start = std::chrono::steady_clock::now();
    FACET_ASSIGN(Model model, Model::load(path));
    FACET_ASSIGN(const SessionOptions options, session_options(flags.session, n_threads, model));
    ThreadPool pool(std::max(options.threads, options.batch_threads));
    const double load_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    std::vector<int> text;
    if (!flags.prompt_file.empty()) {
      FACET_ASSIGN(const std::string bytes, read_text_file(flags.prompt_file, kMaxFile));
      FACET_ASSIGN(const Tokenizer tokenizer, load_tokenizer(path));
      FACET_TRY(check_tokenizer(path, tokenizer, model));
      text = tokenizer.encode(bytes, {.bos = true});
    }
    for (int depth : depths)
      for (int n : generated) {
        FACET_ASSIGN(const std::vector<int> prompt, prompt_of(text, depth, flags, model.config()));
        SessionOptions sized = options;
        if (sized.context == 0) sized.context = static_cast<int>(prompt.size()) + n + kRoom;
        sized.max_rollback = std::max(sized.max_rollback, n + kRoom);
        FACET_ASSIGN(Session session, Session::create(model, pool, sized));
        FACET_ASSIGN(const std::vector<DraftCount> counts, parse_counts(flags.drafting.n_max, session));
        DraftFlags drafting = flags.drafting;
        drafting.n_max = "1";  // one who drafts for all counts
        for (const DraftCount& count : counts)
          drafting.n_max = std::to_string(std::max(count.n_max, std::stoi(drafting.n_max)));
        FACET_ASSIGN(const LoadedDrafter drafter, open_drafter(drafting, session));
        // A session of its own for each kind; the plain one has that of the drafter that was checked.
        std::vector<std::unique_ptr<Session>> sessions;
        std::vector<std::unique_ptr<Drafter>> drafters;
        std::vector<DraftBenchKind> kinds{{&session, nullptr, {}}};
        MemoryPlan plan = plan_memory(session) + plan_memory(*drafter.drafter, drafter.count.n_max);
        for (const DraftCount& count : counts) {
          FACET_ASSIGN(Session its_own, Session::create(model, pool, sized));
          sessions.push_back(std::make_unique<Session>(std::move(its_own)));
          FACET_ASSIGN(Drafter source, Drafter::create(*drafter.model, *sessions.back()));
          drafters.push_back(std::make_unique<Drafter>(std::move(source)));
          plan.cache += sessions.back()->cache_bytes();
          plan.buffers += sessions.back()->buffer_bytes() + drafters.back()->buffer_bytes();
          FACET_TRY(check_memory(plan, sized.memory_limit));
          kinds.push_back({sessions.back().get(), drafters.back().get(), count});
        }
        DraftBenchOptions bench{.prompt = prompt,
                                .n_generate = n,
                                .repetitions = flags.repetitions,
                                .warm_up = !flags.no_warm_up,
                                .acceptance = flags.acceptance,
                                .seed = flags.seed,
                                .progress = {},
                                .cancelled = &interrupted};
        const BenchCase what{0, n, static_cast<int>(prompt.size()) == 1 ? 0 : static_cast<int>(prompt.size())};
        bench.progress = [&](const std::string& line) {
          progress.show(facet::name_of(what) + ", " + line);
          return !interrupted;
        };
        FACET_ASSIGN(const std::vector<DraftBenchResult> results, bench_drafts(kinds, bench));
        const BenchSetting setting = setting_of(flags, path, model, session.options(), streaming, load_seconds);
        const std::uint64_t bytes =
            weight_bytes_per_token(model) + cache_bytes_per_token(model, session.options(), what.depth + n / 2);
        for (const DraftBenchResult& r : results) {
          rows.push_back(to_json(setting, flags, what, r, results[0], bytes, drafter.model->checkpoint()));
          same_text = same_text && r.same_text;
        }
      }
  }
  progress.finish();
  FACET_TRY(write_output("", format_rows(flags.output, rows, markdown)));
  if (same_text) return {};
  return {Code::kGateFailed, "a text with drafts is not the plain one (same_text says which)"};
}

}  // namespace facet::cli
