#include "eval/bench.h"

#include <gtest/gtest.h>

#include "model/tiny_configs.h"

namespace facet {
namespace {

Model bind(const GemmaConfig& config) {
  auto model = Model::bind(calm_random_checkpoint(config, 3));
  EXPECT_TRUE(model.ok()) << model.status().message();
  return std::move(*model);
}

TEST(Bench, TimesEveryCaseAndGivesTheSameLogitsOnAnyNumberOfThreads) {
  const Model model = bind(tiny_e(8));
  std::vector<std::uint64_t> hashes;
  for (int threads : {1, 3}) {
    ThreadPool pool(threads);
    auto report =
        bench(model, pool, {.cases = {{24, 0, 0}, {0, 6, 0}, {0, 6, 40}, {8, 4, 40}}, .repetitions = 3, .session = {}});
    ASSERT_TRUE(report.ok()) << report.status().message();
    ASSERT_EQ(report->results.size(), 4u);
    EXPECT_EQ(report->session.context, 52);
    for (const BenchResult& r : report->results) {
      EXPECT_EQ(r.seconds.size(), 3u);
      for (double rate : r.tokens_per_second()) EXPECT_GT(rate, 0);
      EXPECT_EQ(r.bytes_per_token > 0, r.what.n_prompt == 0);
      hashes.push_back(r.logits_hash);
    }
  }
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(hashes[i], hashes[i + 4]);
  EXPECT_NE(hashes[1], hashes[2]);  // the depth is seen
}

// Going back to a depth by rollback must be what filling the cache again is.
TEST(Bench, RepetitionsSeeTheSameCache) {
  const Model model = bind(tiny_e(8));
  ThreadPool pool(1);
  auto hash = [&](int repetitions) {
    auto report =
        bench(model, pool, {.cases = {{0, 9, 50}}, .repetitions = repetitions, .warm_up = false, .session = {}});
    EXPECT_TRUE(report.ok()) << report.status().message();
    return report->results[0].logits_hash;
  };
  EXPECT_EQ(hash(1), hash(4));
}

TEST(Bench, NamesCasesAsLlamaBench) {
  EXPECT_EQ(name_of(BenchCase{512, 0, 0}), "pp512");
  EXPECT_EQ(name_of(BenchCase{0, 128, 4096}), "tg128 @ d4096");
  EXPECT_EQ(name_of(BenchCase{512, 128, 0}), "pp512+tg128");
}

TEST(Bench, RefusesWhatDoesNotFitAndStopsWhenAsked) {
  const Model model = bind(tiny_e(8));
  ThreadPool pool(1);
  SessionOptions small;
  small.context = 16;
  EXPECT_EQ(bench(model, pool, {.cases = {{24, 0, 0}}, .session = small}).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(
      bench(model, pool, {.cases = {{24, 0, 0}}, .session = {}, .progress = [](const std::string&) { return false; }})
          .status()
          .code(),
      Code::kCancelled);
}

TEST(Bench, StreamingBandwidthIsThatOfMemory) {
  auto rate = streaming_bandwidth(1);
  ASSERT_TRUE(rate.ok()) << rate.status().message();
  EXPECT_GT(*rate, 1e8);
  EXPECT_LT(*rate, 1e12);
}

}  // namespace
}  // namespace facet
