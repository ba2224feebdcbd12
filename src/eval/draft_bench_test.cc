#include "eval/draft_bench.h"

#include <gtest/gtest.h>

#include <memory>

#include "engine/drafter.h"
#include "engine/generate.h"
#include "model/tiny_configs.h"

namespace facet {
namespace {

constexpr int kTokens = 60;

struct Pair {
  Model model = bind(tiny_e(8), 3), drafter = bind(tiny_drafter(tiny_e(8), 16, 8), 4);
  ThreadPool pool{2};
  std::vector<std::unique_ptr<Session>> sessions;
  std::vector<std::unique_ptr<Drafter>> sources;

  std::unique_ptr<Session> session() {
    return std::make_unique<Session>(
        *Session::create(model, pool, {.context = 100, .max_batch = 16, .max_rollback = 100}));
  }
  // Plain, then each of the counts.
  std::vector<DraftBenchKind> kinds(std::vector<DraftCount> counts) {
    sessions.push_back(session());
    std::vector<DraftBenchKind> out{{sessions.back().get(), nullptr, {}}};
    for (const DraftCount& count : counts) {
      sessions.push_back(session());
      sources.push_back(std::make_unique<Drafter>(*Drafter::create(drafter, *sessions.back())));
      out.push_back({sessions.back().get(), sources.back().get(), count});
    }
    return out;
  }

  static Model bind(const GemmaConfig& config, std::uint64_t seed) {
    auto model = Model::bind(calm_random_checkpoint(config, seed));
    EXPECT_TRUE(model.ok()) << model.status().message();
    return std::move(*model);
  }
};

DraftBenchOptions options_of(std::vector<double> acceptance = {}) {
  DraftBenchOptions out;
  out.prompt = {2, 17, 5, 300, 41, 6, 7, 8, 9, 10};
  out.n_generate = kTokens;
  out.repetitions = 2;
  out.turn_seconds = 0;
  out.acceptance = std::move(acceptance);
  return out;
}

TEST(DraftBench, EveryKindWritesTheTextOfGenerate) {
  Pair p;
  const auto results = bench_drafts(p.kinds({{1}, {4}, {7, true}}), options_of());
  ASSERT_TRUE(results.ok()) << results.status().message();
  ASSERT_EQ(results->size(), 4u);
  EXPECT_EQ(results->front().count.n_max, 0);
  EXPECT_EQ(results->front().n_drafted, 0);
  EXPECT_EQ(results->front().speedups, (std::vector<double>{1, 1}));
  for (const DraftBenchResult& r : *results) {
    EXPECT_TRUE(r.same_text);
    EXPECT_EQ(r.text_hash, results->front().text_hash);
    ASSERT_EQ(r.seconds.size(), 2u);
    EXPECT_GT(r.seconds[0], 0);
    EXPECT_EQ(r.speedups[1], results->front().seconds[1] / r.seconds[1]);
    if (r.count.n_max == 0) continue;
    EXPECT_GT(r.n_drafted, 0);
    EXPECT_GT(r.seconds_per_draft(), 0);
    EXPECT_EQ(r.chosen.empty(), !r.count.adapts);
  }
  EXPECT_LE((*results)[1].n_drafted, 2 * kTokens);
}

// What was asked is what is measured: the tokens that n fixed drafts give a round are 1 + A_1 + ... + A_n.
TEST(DraftBench, RiggedDraftsAreRightAsOftenAsAsked) {
  Pair p;
  for (double chance : {0.0, 1.0}) {
    const auto results = bench_drafts(p.kinds({{3}}), options_of({chance}));
    ASSERT_TRUE(results.ok()) << results.status().message();
    const DraftBenchResult& r = results->back();
    EXPECT_TRUE(r.same_text);
    EXPECT_EQ(r.n_accepted, chance == 1 ? r.n_drafted : 0);
    EXPECT_DOUBLE_EQ(r.tokens_per_round(), chance == 1 ? 4 : 1);
    EXPECT_EQ(r.rounds, 2 * (chance == 1 ? kTokens / 4 : kTokens - 1));  // the last token is wanted alone
  }
  double tokens = 0, rounds = 0;
  const std::vector<DraftBenchKind> kinds = p.kinds({{3}});
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    DraftBenchOptions options = options_of({0.7, 0.5});
    options.seed = seed;
    options.repetitions = 1;
    const auto results = bench_drafts(kinds, options);
    ASSERT_TRUE(results.ok()) << results.status().message();
    EXPECT_TRUE(results->back().same_text);
    tokens += results->back().n_accepted + results->back().rounds;
    rounds += results->back().rounds;
    EXPECT_EQ(bench_drafts(kinds, options)->back().n_accepted, results->back().n_accepted) << "luck";
  }
  EXPECT_NEAR(tokens / rounds, 1 + 0.7 + 0.7 * 0.5 + 0.7 * 0.5 * 0.5, 0.12);
}

// A session that is not what it was: texts that differ are seen.
class Meddler : public DraftSource {
 public:
  explicit Meddler(Session& session) : session_(session) {}
  Status propose(std::span<const int>, std::span<const float>, int, std::vector<int>& drafts) override {
    const std::vector<int> other{1, 2, 3};
    FACET_TRY(session_.rollback(3));
    FACET_TRY(session_.evaluate(other, Session::Logits::kNone, {}));
    drafts.assign(1, 0);
    return {};
  }

 private:
  Session& session_;
};

TEST(DraftBench, AnotherTextIsSeen) {
  Pair p;
  std::vector<DraftBenchKind> kinds = p.kinds({{2}});
  Meddler meddler(*kinds[1].session);
  kinds[1].source = &meddler;
  DraftBenchOptions options = options_of();
  options.warm_up = false;
  options.repetitions = 1;
  const auto results = bench_drafts(kinds, options);
  ASSERT_TRUE(results.ok()) << results.status().message();
  EXPECT_TRUE(results->front().same_text);
  EXPECT_FALSE(results->back().same_text);
}

TEST(DraftBench, RefusesWhatDoesNotFitAndStopsWhenAsked) {
  Pair p;
  const std::vector<DraftBenchKind> kinds = p.kinds({{2}, {3}});
  auto code = [&](const DraftBenchOptions& options) { return bench_drafts(kinds, options).status().code(); };
  DraftBenchOptions options = options_of();
  options.prompt.clear();
  EXPECT_EQ(code(options), Code::kInvalidArgument);
  options = options_of();
  options.n_generate = 91;
  EXPECT_EQ(code(options), Code::kInvalidArgument);
  const std::atomic<bool> cancelled{true};
  options = options_of();
  options.cancelled = &cancelled;
  EXPECT_EQ(code(options), Code::kCancelled);
  EXPECT_EQ(bench_drafts(p.kinds({{16}}), options_of()).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(bench_drafts(std::span(kinds).subspan(1), options_of()).status().code(), Code::kInvalidArgument);
  // At every word of progress, also in the middle of texts.
  for (int lines = 0;; ++lines) {
    int seen = 0;
    options = options_of();
    options.progress = [&](const std::string&) { return seen++ < lines; };
    const auto results = bench_drafts(kinds, options);
    if (results.ok()) {
      EXPECT_GT(lines, 10);
      break;
    }
    EXPECT_EQ(results.status().code(), Code::kCancelled);
    EXPECT_EQ(seen, lines + 1);
  }
}

}  // namespace
}  // namespace facet
