#include "eval/text_eval.h"

#include <gtest/gtest.h>

#include <cmath>

#include "model/tiny_configs.h"
#include "quant/codec.h"

namespace facet {
namespace {

Model bind(const GemmaConfig& config, std::uint64_t seed) {
  auto model = Model::bind(random_checkpoint(config, seed));
  EXPECT_TRUE(model.ok()) << model.status().message();
  return std::move(*model);
}

std::vector<int> some_tokens(int n) {
  std::vector<int> ids;
  for (int i = 0; i < n; ++i) ids.push_back(5 + (i * 7919) % 370);
  return ids;
}

TEST(TextEval, AModelAgainstItselfIsZero) {
  Model model = bind(tiny_e(8), 1);
  ThreadPool pool(1);
  const Model* references[] = {&model};
  auto e = evaluate_text(model, references, some_tokens(200), {.context = 48}, pool);
  ASSERT_TRUE(e.ok()) << e.status().message();
  EXPECT_EQ(e->windows.size(), 4u);
  EXPECT_EQ(e->tokens, 4 * 48);
  EXPECT_LT(e->against[0].kld_mean, 1e-9);
  EXPECT_EQ(e->against[0].top1, 1.0);
  EXPECT_NEAR(e->ppl, e->against[0].ppl_reference, 1e-9 * e->ppl);
}

TEST(TextEval, AgreesWithASumByHand) {
  Model model = bind(tiny_e(8), 1), reference = bind(tiny_e(8), 2);
  ThreadPool pool(2);
  std::vector<int> ids = some_tokens(33);
  const Model* references[] = {&reference};
  auto e = evaluate_text(model, references, ids, {.context = 33}, pool);
  ASSERT_TRUE(e.ok()) << e.status().message();

  int V = model.config().vocab_size;
  std::vector<int> window{model.config().bos_token};
  window.insert(window.end(), ids.begin(), ids.end() - 1);
  std::vector<float> z(std::size_t(33) * V), zr(z);
  auto run = [&](const Model& m, std::vector<float>& out) {
    auto session = Session::create(m, pool, {.context = 33});
    ASSERT_TRUE(session.ok());
    ASSERT_TRUE(session->evaluate(window, Session::Logits::kAll, out).ok());
  };
  run(model, z);
  run(reference, zr);
  double nll = 0, kl = 0;
  for (int t = 0; t < 33; ++t) {
    double sum = 0, sum_r = 0;
    for (int v = 0; v < V; ++v) {
      sum += std::exp(double(z[t * V + v]));
      sum_r += std::exp(double(zr[t * V + v]));
    }
    nll += std::log(sum) - z[t * V + ids[t]];
    for (int v = 0; v < V; ++v) {
      double p = std::exp(double(zr[t * V + v])) / sum_r, q = std::exp(double(z[t * V + v])) / sum;
      kl += p * std::log(p / q);
    }
  }
  EXPECT_NEAR(std::log(e->ppl), nll / 33, 1e-6);
  EXPECT_NEAR(e->against[0].kld_mean, kl / 33, 1e-6 * kl / 33 + 1e-9);
  EXPECT_GT(e->against[0].kld_mean, 0.01);
}

TEST(TextEval, BosIsNeverPredicted) {
  Model model = bind(tiny_e(8), 1);
  ThreadPool pool(1);
  std::vector<int> ids = some_tokens(40);
  ids[10] = ids[20] = model.config().bos_token;
  auto e = evaluate_text(model, {}, ids, {.context = 40}, pool);
  ASSERT_TRUE(e.ok());
  EXPECT_EQ(e->tokens, 38);
}

TEST(TextEval, ANaNInTheReferenceIsNoAgreement) {
  Checkpoint broken = random_checkpoint(tiny_e(8), 1);
  Tensor table = decode(broken.tensors.at("embed_tokens.weight"));
  table.floats()[0] = NAN;  // a logit of every position
  broken.set("embed_tokens.weight", std::move(table));
  Model model = bind(tiny_e(8), 1), reference = *Model::bind(broken);
  ThreadPool pool(1);
  const Model* references[] = {&reference};
  EXPECT_EQ(evaluate_text(model, references, some_tokens(64), {.context = 32}, pool).status().code(), Code::kCorrupt);
}

TEST(TextEval, RefusesWhatDoesNotCompare) {
  GemmaConfig other = tiny_e(8);
  other.vocab_size += 1;
  Model model = bind(tiny_e(8), 1), reference = bind(other, 1);
  ThreadPool pool(1);
  const Model* references[] = {&reference};
  EXPECT_EQ(evaluate_text(model, references, some_tokens(64), {.context = 32}, pool).status().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(evaluate_text(model, {}, some_tokens(31), {.context = 32}, pool).status().code(), Code::kInvalidArgument);
  std::atomic<bool> cancel = true;
  EXPECT_EQ(evaluate_text(model, {}, some_tokens(64), {.context = 32}, pool, {}, &cancel).status().code(),
            Code::kCancelled);
}

}  // namespace
}  // namespace facet
