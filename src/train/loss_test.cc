#include "train/loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace facet::train {
namespace {

using torch::Tensor;

constexpr int kTokens = 13, kVocabulary = 37, kWidth = 10;
constexpr double kSoftcap = 5.0;

struct Case {
  Tensor hidden, head, labels, weights, teacher_hidden, teacher_head;
};

Case make_case(torch::Dtype type) {
  torch::manual_seed(3);
  Case c;
  c.hidden = torch::randn({kTokens, kWidth}, torch::kFloat64).to(type).set_requires_grad(true);
  c.head = torch::randn({kVocabulary, kWidth}, torch::kFloat64).to(type).set_requires_grad(true);
  c.labels = torch::randint(kVocabulary, {kTokens}, torch::kInt64);
  c.labels[2] = c.labels[9] = kNoLabel;
  c.weights = torch::rand({kTokens});
  c.weights[5] = 0.0;
  c.teacher_hidden = torch::randn({kTokens, 7}, torch::kFloat64).to(type);
  c.teacher_head = torch::randn({kVocabulary, 7}, torch::kFloat64).to(type);
  return c;
}

Tensor capped(const Tensor& z) { return kSoftcap * torch::tanh(z / kSoftcap); }

// The whole loss at once, by autograd: what chunked_loss claims to be.
Tensor plain_loss(const Case& c, const LossOptions& options) {
  Tensor log_q = torch::log_softmax(capped(torch::matmul(c.hidden, c.head.t())), -1);
  Tensor log_p = torch::log_softmax(capped(torch::matmul(c.teacher_hidden, c.teacher_head.t())), -1);
  Tensor counted = (c.labels != kNoLabel).to(c.hidden.scalar_type());
  Tensor ce = -log_q.gather(-1, c.labels.clamp_min(0).unsqueeze(-1)).squeeze(-1);
  Tensor kl = (log_p.exp() * (log_p - log_q)).sum(-1);
  Tensor miss = torch::zeros_like(ce);
  if (options.overlap == Overlap::kShared) miss = 1 - torch::minimum(log_p.exp(), log_q.exp()).sum(-1);
  if (options.overlap == Overlap::kBest)
    miss = 1 - log_q.exp().gather(-1, log_p.argmax(-1, /*keepdim=*/true)).squeeze(-1);
  return ((options.ce_weight * ce + options.kl_weight * kl + options.miss_weight * miss) * counted * c.weights).sum();
}

Teacher teacher_of(const Case& c) { return {c.teacher_hidden, c.teacher_head, kSoftcap, {}}; }

double error(const Tensor& got, const Tensor& want) {
  return ((got.to(torch::kFloat64) - want.to(torch::kFloat64)).abs().max() / want.abs().max()).item<double>();
}

LossOptions options_of(double ce, double kl, std::int64_t chunk) {
  return {.ce_weight = ce, .kl_weight = kl, .softcap = kSoftcap, .chunk_tokens = chunk};
}

TEST(Loss, IsTheFormulaAtEveryChunkSize) {
  for (auto [ce, kl] : {std::pair{1.0, 0.0}, {0.0, 1.0}, {0.3, 0.7}})
    for (std::int64_t chunk : {1, 7, 13, 0})
      for (torch::Dtype type : {torch::kFloat32, torch::kFloat64}) {
        Case c = make_case(type), exact = make_case(torch::kFloat64);
        LossOptions options = options_of(ce, kl, chunk);
        Tensor plain = plain_loss(exact, options);
        plain.backward();
        Teacher teacher = teacher_of(c);
        LossResult r = chunked_loss(c.hidden, c.head, c.labels, options, &teacher, c.weights);
        r.loss.backward();
        double tolerance = type == torch::kFloat64 ? 1e-12 : 3e-6;
        EXPECT_LT(error(r.loss.detach(), plain.detach()), tolerance);
        EXPECT_NEAR(r.total, plain.item<double>(), 1e-5 * std::abs(plain.item<double>()));
        EXPECT_LT(error(c.hidden.grad(), exact.hidden.grad()), tolerance);
        EXPECT_LT(error(c.head.grad(), exact.head.grad()), tolerance);
      }
}

TEST(Loss, GradientsMatchFiniteDifferences) {
  for (auto [ce, kl] : {std::pair{1.0, 0.0}, {0.0, 1.0}, {0.5, 0.5}}) {
    Case c = make_case(torch::kFloat64);
    LossOptions options = options_of(ce, kl, 7);
    Teacher teacher = teacher_of(c);
    auto value = [&](const Tensor& hidden, const Tensor& head) {
      torch::NoGradGuard no_grad;
      return chunked_loss(hidden, head, c.labels, options, &teacher, c.weights).total;
    };
    chunked_loss(c.hidden, c.head, c.labels, options, &teacher, c.weights).loss.backward();
    Tensor dh = torch::randn_like(c.hidden.detach()), de = torch::randn_like(c.head.detach());
    constexpr double kStep = 1e-6;
    Tensor h = c.hidden.detach(), e = c.head.detach();
    double along_h = (value(h + kStep * dh, e) - value(h - kStep * dh, e)) / (2 * kStep);
    double along_e = (value(h, e + kStep * de) - value(h, e - kStep * de)) / (2 * kStep);
    EXPECT_NEAR(along_h, (c.hidden.grad() * dh).sum().item<double>(), 1e-6);
    EXPECT_NEAR(along_e, (c.head.grad() * de).sum().item<double>(), 1e-6);
  }
}

TEST(Loss, WhatTheOverlapMisses) {
  for (Overlap overlap : {Overlap::kShared, Overlap::kBest})
    for (std::int64_t chunk : {5, 0}) {
      Case c = make_case(torch::kFloat32), exact = make_case(torch::kFloat64);
      LossOptions options = options_of(0.2, 0.3, chunk);
      options.miss_weight = 0.7;
      options.overlap = overlap;
      Tensor plain = plain_loss(exact, options);
      plain.backward();
      Teacher teacher = teacher_of(c);
      LossResult r = chunked_loss(c.hidden, c.head, c.labels, options, &teacher, c.weights);
      r.loss.backward();
      EXPECT_LT(error(r.loss.detach(), plain.detach()), 3e-6);
      EXPECT_LT(error(c.hidden.grad(), exact.hidden.grad()), 3e-6);
      EXPECT_LT(error(c.head.grad(), exact.head.grad()), 3e-6);
      ASSERT_EQ(r.overlap.numel(), kTokens);
      EXPECT_EQ(r.overlap[2].item<float>(), 0.0f) << "no label";
      EXPECT_GT(r.overlap[3].item<float>(), 0.0f);
      EXPECT_LT(r.overlap[3].item<float>(), 1.0f);
    }
}

TEST(Loss, CountsAndMetrics) {
  Case c = make_case(torch::kFloat32);
  Teacher teacher = teacher_of(c);
  LossResult r = chunked_loss(c.hidden, c.head, c.labels, options_of(1, 0, 4), &teacher, c.weights);
  Tensor counted = c.labels != kNoLabel;
  Tensor z = torch::matmul(c.hidden, c.head.t()), zt = torch::matmul(c.teacher_hidden, c.teacher_head.t());
  EXPECT_EQ(r.n_tokens, kTokens - 2);
  EXPECT_NEAR(r.weight_sum, (c.weights * counted).sum().item<double>(), 1e-5);
  EXPECT_EQ(r.n_correct, ((z.argmax(-1) == c.labels) & counted).sum().item<std::int64_t>());
  EXPECT_EQ(r.n_agree, ((z.argmax(-1) == zt.argmax(-1)) & counted).sum().item<std::int64_t>());
  // Sums in nats weigh every counted token alike, that of weight 0 included.
  Tensor ce = -torch::log_softmax(capped(z), -1).gather(-1, c.labels.clamp_min(0).unsqueeze(-1)).squeeze(-1);
  EXPECT_NEAR(r.ce_sum, (ce * counted).sum().item<double>(), 1e-4);
}

TEST(Loss, EqualDistributionsHaveNoDivergence) {
  Case c = make_case(torch::kFloat32);
  Teacher teacher{c.hidden.detach(), c.head.detach(), kSoftcap, {}};
  LossResult r = chunked_loss(c.hidden, c.head, c.labels, options_of(0, 1, 5), &teacher);
  r.loss.backward();
  EXPECT_EQ(r.total, 0.0);
  EXPECT_EQ(r.n_agree, r.n_tokens);
  EXPECT_EQ(c.hidden.grad().abs().max().item<float>(), 0.0f);
}

TEST(Loss, TeacherMayMakeItsLogitsItself) {
  Case c = make_case(torch::kFloat32);
  Teacher by_hidden = teacher_of(c), by_call;
  by_call.logits = [&](std::int64_t first, std::int64_t count) {
    return capped(torch::matmul(c.teacher_hidden.slice(0, first, first + count), c.teacher_head.t()));
  };
  LossOptions options = options_of(0, 1, 4);
  LossResult a = chunked_loss(c.hidden, c.head, c.labels, options, &by_hidden);
  LossResult b = chunked_loss(c.hidden, c.head, c.labels, options, &by_call);
  EXPECT_NEAR(a.total, b.total, 1e-5 * a.total);
  EXPECT_EQ(a.n_agree, b.n_agree);
}

TEST(Loss, KnownValues) {
  // Two tokens of a vocabulary of 4 with all logits equal: CE = ln 4, and no gradient for the head's direction of no
  // use.
  Tensor hidden = torch::zeros({2, 3}).set_requires_grad(true), head = torch::ones({4, 3}).set_requires_grad(true);
  LossResult r = chunked_loss(hidden, head, torch::tensor({0, 3}, torch::kInt64), {});
  EXPECT_NEAR(r.total, 2 * std::log(4.0), 1e-6);
  EXPECT_EQ(r.n_correct, 1);  // the first of equals is the best: token 0
}

TEST(Loss, NothingCountedIsZeroWithZeroGradients) {
  Tensor hidden = torch::randn({3, 4}).set_requires_grad(true), head = torch::randn({5, 4}).set_requires_grad(true);
  LossResult r = chunked_loss(hidden, head, torch::full({3}, kNoLabel, torch::kInt64), {});
  r.loss.backward();
  EXPECT_EQ(r.total, 0.0);
  EXPECT_EQ(r.n_tokens, 0);
  EXPECT_EQ(hidden.grad().abs().sum().item<float>() + head.grad().abs().sum().item<float>(), 0.0f);
}

TEST(Loss, NanReachesTheLoss) {
  Tensor hidden = torch::randn({3, 4}), head = torch::randn({50, 4});
  hidden[1][2] = NAN;
  EXPECT_TRUE(std::isnan(chunked_loss(hidden, head, torch::zeros({3}, torch::kInt64), {.softcap = 30.0f}).total));
}

TEST(Loss, LargeLogitsStayFinite) {
  Tensor hidden = torch::full({2, 8}, 100.0).set_requires_grad(true);
  Tensor head = torch::randn({300, 8}).set_requires_grad(true);
  for (float cap : {0.0f, 30.0f}) {
    LossResult r = chunked_loss(hidden, head, torch::tensor({1, 299}, torch::kInt64), {.softcap = cap});
    r.loss.backward();
    EXPECT_TRUE(std::isfinite(r.total));
    EXPECT_TRUE(torch::isfinite(hidden.grad()).all().item<bool>());
  }
}

TEST(Loss, DoesNotDependOnThreads) {
  std::vector<Tensor> grads;
  std::vector<double> totals;
  for (int threads : {1, 3}) {
    at::set_num_threads(threads);
    torch::manual_seed(5);
    Tensor hidden = torch::randn({70, 16}).set_requires_grad(true),
           head = torch::randn({600, 16}).set_requires_grad(true);
    LossResult r = chunked_loss(hidden, head, torch::randint(600, {70}, torch::kInt64), {.softcap = 30.0f});
    r.loss.backward();
    totals.push_back(r.total);
    grads.push_back(head.grad());
  }
  at::set_num_threads(1);
  EXPECT_EQ(totals[0], totals[1]);
  EXPECT_TRUE(torch::equal(grads[0], grads[1]));
}

TEST(Loss, BatchShapesAndScaledBackward) {
  Tensor hidden = torch::randn({2, 3, 4}).set_requires_grad(true), head = torch::randn({6, 4}).set_requires_grad(true);
  Tensor labels = torch::randint(6, {2, 3}, torch::kInt64);
  (chunked_loss(hidden, head, labels, {}).loss / 6).backward();
  Tensor scaled = hidden.grad().clone();
  hidden.mutable_grad() = Tensor();
  chunked_loss(hidden, head, labels, {}).loss.backward();
  EXPECT_EQ(scaled.sizes(), hidden.sizes());
  EXPECT_LT(error(scaled * 6, hidden.grad()), 1e-6);
}

}  // namespace
}  // namespace facet::train
