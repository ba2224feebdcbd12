#include "engine/continuation.h"

#include <gtest/gtest.h>

#include "engine/engine_testing.h"
#include "engine/generate.h"

namespace facet {
namespace {

using namespace facet::engine_test;

class Continuation : public ::testing::Test {
 protected:
  Session session(int rollback) {
    return *Session::create(model_, pool_, {.context = 96, .max_batch = 8, .max_rollback = rollback});
  }
  // What follows `prompt`, greedily; `held` are the tokens in the session's cache, before and after.
  std::vector<int> answer(Session& s, std::vector<int>& held, std::span<const int> prompt, int& kept) {
    kept = *keep_prefix(s, held, prompt);
    GenerateOptions o{.max_tokens = 10,
                      .sampling = {.temperature = 0, .repeat_penalty = 1.3f},
                      .stop_tokens = {},
                      .ignore_stop = true};
    const Generation g = *generate(s, prompt.subspan(kept), o, {}, nullptr, prompt.first(kept));
    held.assign(prompt.begin(), prompt.end());
    held.insert(held.end(), g.tokens.begin(), g.tokens.end());
    held.resize(s.position());
    return g.tokens;
  }

  const Model model_ = *Model::bind(calm_random_checkpoint(tiny_e(), 21));
  ThreadPool pool_{1};
};

// A conversation that goes on, is taken back, and starts over: each answer is that of a session that knows nothing.
TEST_F(Continuation, AnswersAsAFreshSessionWould) {
  const std::vector<int> words = random_tokens(model_.config(), 60);
  Session s = session(24);
  std::vector<int> held, said(words.begin(), words.begin() + 20);
  int kept = 0, from_scratch = 0;
  for (int turn = 0; turn < 5; ++turn) {
    const std::vector<int> tokens = answer(s, held, said, kept);
    Session fresh = session(24);
    std::vector<int> nothing;
    EXPECT_EQ(answer(fresh, nothing, said, from_scratch), tokens) << turn;
    EXPECT_EQ(from_scratch, 0);
    if (turn > 0) {
      EXPECT_GE(kept, 19) << turn;
    }
    if (turn % 2 == 0) said.insert(said.end(), tokens.begin(), tokens.end() - 3);  // goes on, without its last words
    said.push_back(words[30 + turn]);
  }
}

TEST_F(Continuation, StartsOverWhereTheRingsForgot) {
  const std::vector<int> words = random_tokens(model_.config(), 60);
  Session s = session(4);
  std::vector<int> held;
  int kept = 0;
  answer(s, held, std::span(words).first(40), kept);
  std::vector<int> other(words.begin(), words.begin() + 30);
  other[20] = other[20] == 7 ? 8 : 7;
  const std::vector<int> tokens = answer(s, held, other, kept);
  EXPECT_EQ(kept, 0);
  Session fresh = session(4);
  std::vector<int> nothing;
  EXPECT_EQ(answer(fresh, nothing, other, kept), tokens);
}

TEST_F(Continuation, LeavesOneTokenToEvaluate) {
  const std::vector<int> words = random_tokens(model_.config(), 12);
  Session s = session(8);
  ASSERT_TRUE(s.evaluate(words, Session::Logits::kNone, {}).ok());
  EXPECT_EQ(*keep_prefix(s, words, words), 11);
  EXPECT_EQ(s.position(), 11);
  EXPECT_EQ(keep_prefix(s, words, words).status().code(), Code::kInvalidArgument);  // twelve are not held any more
  EXPECT_EQ(keep_prefix(s, std::span(words).first(11), {}).status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace facet
