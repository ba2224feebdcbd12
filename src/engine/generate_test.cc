#include "engine/generate.h"

#include <gtest/gtest.h>

#include "engine/engine_testing.h"

namespace facet {
namespace {

using namespace facet::engine_test;

class Generate : public ::testing::Test {
 protected:
  Session session(int context = 64, int threads = 1) {
    pools_.push_back(std::make_unique<ThreadPool>(threads));
    return *Session::create(model_, *pools_.back(), {.context = context, .max_batch = 8});
  }
  static GenerateOptions greedy(int n) {
    GenerateOptions o;
    o.max_tokens = n;
    o.sampling.temperature = 0;
    o.ignore_stop = true;
    return o;
  }

  const Model model_ = *Model::bind(calm_random_checkpoint(tiny_e(), 21));
  const std::vector<int> prompt_ = random_tokens(tiny_e(), 20);
  std::vector<std::unique_ptr<ThreadPool>> pools_;
};

TEST_F(Generate, GreedyFollowsTheReferencesArgmax) {
  Session s = session();
  const Generation g = *generate(s, prompt_, greedy(12));
  ASSERT_EQ(g.tokens.size(), 12u);
  std::vector<int> all = prompt_;
  all.insert(all.end(), g.tokens.begin(), g.tokens.end());
  const std::vector<double> logits = reference_logits(model_.checkpoint(), all);
  const int vocab = model_.config().vocab_size;
  for (std::size_t i = 0; i < g.tokens.size(); ++i) {
    const auto row = logits.begin() + (prompt_.size() - 1 + i) * vocab;
    EXPECT_EQ(std::max_element(row, row + vocab) - row, g.tokens[i]) << i;
  }
  EXPECT_EQ(g.stats.prompt_tokens, 20);
  EXPECT_EQ(g.stats.generated_tokens, 12);
  EXPECT_EQ(g.stats.stop, StopReason::kMaxTokens);
  EXPECT_EQ(s.position(), 31);  // the last token drawn was not evaluated
  EXPECT_GT(g.stats.prompt_tokens_per_second(), 0);
  EXPECT_GT(g.stats.generated_tokens_per_second(), 0);
  EXPECT_GE(g.stats.first_token_seconds, g.stats.prompt_seconds);
}

TEST_F(Generate, TheSameSeedTellsTheSameStoryOnAnyNumberOfThreads) {
  GenerateOptions o = greedy(30);
  o.sampling.temperature = 1;
  o.sampling.seed = 9;
  Session one = session(), three = session(64, 3), again = session();
  const auto tokens = generate(one, prompt_, o)->tokens;
  EXPECT_EQ(generate(three, prompt_, o)->tokens, tokens);
  o.sampling.seed = 10;
  EXPECT_NE(generate(again, prompt_, o)->tokens, tokens);
}

TEST_F(Generate, StopsForEveryReason) {
  Session s = session();
  const std::vector<int> free_run = generate(s, prompt_, greedy(12))->tokens;

  s.reset();
  GenerateOptions o = greedy(12);
  o.ignore_stop = false;
  o.stop_tokens = {free_run[5]};
  Generation g = *generate(s, prompt_, o);
  EXPECT_EQ(g.stats.stop, StopReason::kStopToken);
  const auto first = std::find(free_run.begin(), free_run.end(), free_run[5]);
  EXPECT_EQ(g.tokens, std::vector<int>(free_run.begin(), first));

  Session small = session(25);
  g = *generate(small, prompt_, greedy(-1));
  EXPECT_EQ(g.stats.stop, StopReason::kContextFull);
  EXPECT_EQ(g.tokens.size(), 6u);  // five fit in the cache, and the last one needs no place
  EXPECT_EQ(std::vector<int>(free_run.begin(), free_run.begin() + 6), g.tokens);

  s.reset();
  int calls = 0;
  g = *generate(s, prompt_, greedy(12), [&](int token) {
    EXPECT_EQ(token, free_run[calls]);
    return ++calls < 3;
  });
  EXPECT_EQ(g.stats.stop, StopReason::kCallback);
  EXPECT_EQ(g.tokens.size(), 3u);

  s.reset();
  std::atomic<bool> cancelled{false};
  g = *generate(
      s, prompt_, greedy(12), [&](int) { return cancelled = true, true; }, &cancelled);
  EXPECT_EQ(g.stats.stop, StopReason::kCancelled);
  EXPECT_EQ(g.tokens.size(), 1u);
  s.reset();
  g = *generate(s, prompt_, greedy(12), {}, &cancelled);
  EXPECT_EQ(g.stats.stop, StopReason::kCancelled);
  EXPECT_TRUE(g.tokens.empty());
  EXPECT_EQ(s.position(), 0);

  s.reset();
  g = *generate(s, prompt_, greedy(0));
  EXPECT_TRUE(g.tokens.empty());
  EXPECT_EQ(g.stats.stop, StopReason::kMaxTokens);
}

TEST_F(Generate, BadRequestsAreRefused) {
  Session s = session(19);
  EXPECT_EQ(generate(s, {}, greedy(1)).status().code(), Code::kInvalidArgument);
  const Status too_long = generate(s, prompt_, greedy(1)).status();
  EXPECT_EQ(too_long.code(), Code::kInvalidArgument);
  EXPECT_NE(too_long.message().find("20"), std::string::npos);
  EXPECT_NE(too_long.message().find("19"), std::string::npos);
  EXPECT_EQ(generate(s, {prompt_.data(), 3}, greedy(-2)).status().code(), Code::kInvalidArgument);
  GenerateOptions o = greedy(1);
  o.sampling.top_p = 7;
  EXPECT_EQ(generate(s, {prompt_.data(), 3}, o).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(s.position(), 0);
}

}  // namespace
}  // namespace facet
