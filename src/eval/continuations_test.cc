#include "eval/continuations.h"

#include <gtest/gtest.h>

#include <numeric>

#include "model/checkpoint.h"
#include "model/tiny_configs.h"

namespace facet {
namespace {

std::vector<int> ids(int n) {
  std::vector<int> out(static_cast<std::size_t>(n));
  std::iota(out.begin(), out.end(), 10);
  return out;
}

TEST(Continuations, PromptsArePiecesOfTheTextFromEverywhere) {
  const Continuations c = *Continuations::create(ids(40), 2, {.prompt_tokens = 5, .seed = 3});
  std::vector<int> begins;
  int greedy = 0;
  for (std::uint64_t i = 0; i < 400; ++i) {
    const std::vector<int> prompt = c.prompt(i);
    ASSERT_EQ(prompt.size(), 6u);
    EXPECT_EQ(prompt[0], 2);
    for (std::size_t j = 2; j < prompt.size(); ++j) EXPECT_EQ(prompt[j], prompt[j - 1] + 1);
    begins.push_back(prompt[1]);
    greedy += c.greedy(i);
  }
  EXPECT_EQ(*std::min_element(begins.begin(), begins.end()), 10);
  EXPECT_EQ(*std::max_element(begins.begin(), begins.end()), 45);
  EXPECT_GT(greedy, 150);
  EXPECT_LT(greedy, 250);
  const Continuations other = *Continuations::create(ids(40), 2, {.prompt_tokens = 5, .seed = 4});
  EXPECT_EQ(c.prompt(7), Continuations::create(ids(40), 2, {.prompt_tokens = 5, .seed = 3})->prompt(7));
  bool differ = false;
  for (std::uint64_t i = 0; i < 20; ++i) differ = differ || c.prompt(i) != other.prompt(i);
  EXPECT_TRUE(differ);
  EXPECT_FALSE(Continuations::create(ids(4), 2, {.prompt_tokens = 5}).ok());
  EXPECT_FALSE(Continuations::create(ids(40), 2, {.prompt_tokens = 0}).ok());
  EXPECT_FALSE(Continuations::create(ids(40), 2, {.greedy_share = 1.5}).ok());
}

// Proposes what it was given, one text's tokens after another's.
class Oracle : public DraftSource {
 public:
  Oracle(std::vector<int> text, std::size_t n_prompt, int wrong_at)
      : text_(std::move(text)), n_prompt_(n_prompt), wrong_at_(wrong_at) {}
  Status propose(std::span<const int> history, std::span<const float>, int most, std::vector<int>& drafts) override {
    for (std::size_t i = history.size() - n_prompt_; static_cast<int>(drafts.size()) < most && i < text_.size(); ++i)
      drafts.push_back(static_cast<int>(drafts.size()) == wrong_at_ ? (text_[i] + 1) % 300 : text_[i]);
    return {};
  }

 private:
  std::vector<int> text_;
  std::size_t n_prompt_;
  int wrong_at_;
};

TEST(Continuations, AreTheModelsOwnAndCountDraftsByDepth) {
  const Model model = *Model::bind(random_checkpoint(tiny_e(), 5));
  ThreadPool pool(1);
  Session session = *Session::create(model, pool, {.context = 64});
  const ContinuationOptions options{.prompt_tokens = 6, .max_tokens = 41, .greedy_share = 1, .seed = 8};
  const Continuations c = *Continuations::create(ids(200), model.config().bos_token, options);
  const Generation plain = *c.write(session, 3), again = *c.write(session, 3);
  EXPECT_EQ(plain.tokens, again.tokens);
  EXPECT_NE(plain.tokens, c.write(session, 4)->tokens);
  ASSERT_EQ(plain.tokens.size(), 41u) << "this seed's text should not stop early";

  // The third of four is always wrong: rounds of three tokens, of which two were drafted.
  Oracle oracle(plain.tokens, c.prompt(3).size(), 2);
  DraftRecord record;
  const Generation drafted = *c.write(session, 3, {.source = &oracle, .n_max = 4});
  EXPECT_EQ(drafted.tokens, plain.tokens);
  record.add(drafted.stats);
  EXPECT_EQ(record.texts, 1);
  EXPECT_EQ(record.tokens, 41);
  EXPECT_EQ(record.right(0), 1.0);
  EXPECT_EQ(record.right(1), 1.0);
  EXPECT_EQ(record.right(2), 0.0);
  EXPECT_EQ(record.right(3), 0.0);
  EXPECT_EQ(record.tried_at[3], 0);
  EXPECT_EQ(record.tried_at[2], 13);
  EXPECT_NEAR(record.mean_length(), 3, 0.15);
}

}  // namespace
}  // namespace facet
