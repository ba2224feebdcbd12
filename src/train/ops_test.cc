#include "train/ops.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "train/ops_aten.h"

namespace facet::train {
namespace {

using torch::Tensor;
using Inputs = std::vector<Tensor>;
using Function = std::function<Tensor(const Inputs&)>;

Tensor random(at::IntArrayRef shape, double scale = 1.0) { return torch::randn(shape, torch::kFloat64) * scale; }

// Outputs and gradients (of a fixed random projection of the output) of f at inputs of one type.
std::vector<Tensor> evaluate(const Function& f, const Inputs& inputs, torch::Dtype type, const Tensor& projection) {
  Inputs leaves;
  for (const Tensor& t : inputs) leaves.push_back(t.to(type).clone().set_requires_grad(true));
  Tensor y = f(leaves);
  (y * projection.to(type)).sum().backward();
  std::vector<Tensor> all{y.detach()};
  for (const Tensor& leaf : leaves) all.push_back(leaf.grad());
  return all;
}

double relative_error(const Tensor& got, const Tensor& want) {
  Tensor w = want.to(torch::kFloat64);
  return ((got.to(torch::kFloat64) - w).abs().max() / (w.abs().max() + 0.3)).item<double>();
}

// The slow twin in f64 against central differences, then the fast path in f32 against the slow twin, then other thread
// counts against one thread, bit for bit.
void check(const std::string& what, const Function& fast, const Function& slow, const Inputs& inputs,
           double tolerance = 3e-6) {
  SCOPED_TRACE(what);
  Inputs plain;
  for (const Tensor& t : inputs) plain.push_back(t.clone());
  Tensor projection = random(slow(plain).sizes());
  std::vector<Tensor> exact = evaluate(slow, inputs, torch::kFloat64, projection);

  torch::NoGradGuard no_grad;
  auto value = [&](const Inputs& at) { return (slow(at) * projection).sum().item<double>(); };
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    Tensor direction = random(inputs[i].sizes());
    constexpr double kStep = 1e-5;
    Inputs shifted = plain;
    shifted[i] = plain[i] + kStep * direction;
    double above = value(shifted);
    shifted[i] = plain[i] - kStep * direction;
    double below = value(shifted);
    double expected = (exact[i + 1] * direction).sum().item<double>();
    double scale = (exact[i + 1] * direction).abs().sum().item<double>() + 1e-12;
    EXPECT_LT(std::abs((above - below) / (2 * kStep) - expected) / scale, 1e-6) << "input " << i;
  }

  torch::AutoGradMode grad(true);
  at::set_num_threads(1);
  std::vector<Tensor> one = evaluate(fast, inputs, torch::kFloat32, projection);
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_LT(relative_error(one[i], exact[i]), tolerance) << "result " << i;
  at::set_num_threads(3);
  std::vector<Tensor> three = evaluate(fast, inputs, torch::kFloat32, projection);
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(torch::equal(one[i], three[i])) << "result " << i;
  at::set_num_threads(1);
}

class Ops : public ::testing::Test {
 protected:
  void SetUp() override { torch::manual_seed(7); }
};

TEST_F(Ops, Linear) {
  for (auto [rows, in, out] : {std::array<int, 3>{1, 1, 1}, {5, 7, 3}, {97, 33, 130}, {300, 64, 5}, {3, 600, 70}})
    check(
        "linear", [](const Inputs& x) { return ops::linear(x[0], x[1]); },
        [](const Inputs& x) { return aten::linear(x[0], x[1], torch::kFloat64); },
        {random({2, rows, in}), random({out, in})});
}

TEST_F(Ops, LinearsShareAnInput) {
  auto join = [](const std::vector<Tensor>& y) { return torch::cat(y, -1); };
  check(
      "three",
      [&](const Inputs& x) {
        return join(ops::linears(x[0], {x[1], x[2], x[3]}));
      },
      [&](const Inputs& x) {
        auto one = [&](int i) { return aten::linear(x[0], x[i], torch::kFloat64); };
        return join({one(1), one(2), one(3)});
      },
      {random({37, 24}), random({16, 24}), random({1, 24}), random({40, 24})});
}

TEST_F(Ops, LinearInBf16RoundsTheFactorsOnly) {
  Tensor x = torch::randn({9, 40}), w = torch::randn({6, 40});
  auto rounded = [](const Tensor& t) { return t.to(torch::kBFloat16).to(torch::kFloat64); };
  Tensor expected = torch::matmul(rounded(x), rounded(w).t());
  EXPECT_LT(relative_error(ops::linear(x, w, torch::kBFloat16), expected), 1e-6);
}

TEST_F(Ops, FrozenWeightsGetNoGradient) {
  Tensor x = torch::randn({4, 8}).set_requires_grad(true), w = torch::randn({3, 8});
  ops::linear(x, w).sum().backward();
  EXPECT_TRUE(x.grad().defined());
  EXPECT_FALSE(w.grad().defined());
  Tensor trained = torch::randn({3, 8}).set_requires_grad(true);
  ops::linear(x.detach(), trained).sum().backward();
  EXPECT_TRUE(trained.grad().defined());
}

TEST_F(Ops, RmsNorm) {
  for (int n : {2, 3, 8, 32, 50, 192})
    check(
        "norm of " + std::to_string(n), [](const Inputs& x) { return ops::rms_norm(x[0], x[1], 1e-6); },
        [](const Inputs& x) { return aten::rms_norm(x[0], x[1], 1e-6); }, {random({2, 130, n}), random({n})}, 1e-5);
  check(
      "without weight", [](const Inputs& x) { return ops::rms_norm(x[0], {}, 1e-6); },
      [](const Inputs& x) { return aten::rms_norm(x[0], {}, 1e-6); }, {random({3, 5, 2, 20})});
}

TEST_F(Ops, RmsNormOfZerosIsZero) {
  Tensor x = torch::zeros({2, 16}).set_requires_grad(true);
  Tensor y = ops::rms_norm(x, torch::ones({16}), 1e-6);
  y.sum().backward();
  EXPECT_EQ(y.abs().max().item<float>(), 0.0f);
  EXPECT_TRUE(torch::isfinite(x.grad()).all().item<bool>());
}

TEST_F(Ops, AddRmsNorm) {
  check(
      "residual", [](const Inputs& x) { return ops::add_rms_norm(x[0], x[1], x[2], 1e-6); },
      [](const Inputs& x) { return aten::add_rms_norm(x[0], x[1], x[2], 1e-6, {}); },
      {random({2, 70, 36}), random({2, 70, 36}), random({36})}, 1e-5);
  check(
      "scaled", [](const Inputs& x) { return ops::add_rms_norm(x[0], x[1], x[2], 1e-6, x[3]); },
      [](const Inputs& x) { return aten::add_rms_norm(x[0], x[1], x[2], 1e-6, x[3]); },
      {random({700, 36}), random({700, 36}), random({36}), torch::full({1}, 0.7, torch::kFloat64)}, 1e-5);
}

TEST_F(Ops, RmsNormRope) {
  for (int c : {2, 8, 36, 64}) {
    Tensor angle = random({9, c / 2}, 2.0);
    Tensor cos = angle.cos(), sin = angle.sin();
    check(
        "head of " + std::to_string(c),
        [&](const Inputs& x) {
          return ops::rms_norm_rope(x[0], x[1], 1e-6, cos.to(torch::kFloat32), sin.to(torch::kFloat32));
        },
        [&](const Inputs& x) { return aten::rms_norm_rope(x[0], x[1], 1e-6, cos, sin); },
        {random({2, 9, 3, c}), random({c})}, 1e-5);
  }
}

TEST_F(Ops, GeluMul) {
  check(
      "gelu", [](const Inputs& x) { return ops::gelu_mul(x[0], x[1]); },
      [](const Inputs& x) { return aten::gelu_mul(x[0], x[1]); }, {random({3, 1117}, 3.0), random({3, 1117})});
  Tensor far = torch::tensor({-50.0f, -10.0f, 0.0f, 10.0f, 50.0f});
  Tensor y = ops::gelu_mul(far, torch::ones({5}));
  EXPECT_EQ(y[0].item<float>(), 0.0f);
  EXPECT_FLOAT_EQ(y[4].item<float>(), 50.0f);
}

TEST_F(Ops, Attention) {
  struct Case {
    int batch, tokens, heads, kv_heads, size;
    std::int64_t window;
  };
  for (Case c : {Case{1, 1, 1, 1, 4, 0},
                 {2, 7, 4, 2, 8, 0},
                 {1, 25, 2, 1, 16, 4},
                 {2, 61, 4, 1, 12, 1},
                 {1, 90, 6, 3, 20, 33},
                 {1, 50, 3, 3, 36, 500}})
    check(
        "tokens " + std::to_string(c.tokens) + ", window " + std::to_string(c.window),
        [&](const Inputs& x) { return ops::attention(x[0], x[1], x[2], c.window); },
        [&](const Inputs& x) { return aten::attention(x[0], x[1], x[2], c.window); },
        {random({c.batch, c.tokens, c.heads, c.size}), random({c.batch, c.tokens, c.kv_heads, c.size}),
         random({c.batch, c.tokens, c.kv_heads, c.size})},
        2e-5);
}

TEST_F(Ops, AttentionSeesExactlyItsWindow) {
  // One key at a time carries a value of 1: token i sees keys i-2, i-1, i and no other.
  constexpr int kTokens = 40, kWindow = 3;
  Tensor q = torch::zeros({1, kTokens, 1, 8}), k = torch::zeros({1, kTokens, 1, 8});
  for (int key = 0; key < kTokens; ++key) {
    Tensor v = torch::zeros({1, kTokens, 1, 8});
    v[0][key] = 1.0;
    Tensor y = ops::attention(q, k, v, kWindow);
    for (int i = 0; i < kTokens; ++i) {
      bool seen = key <= i && key > i - kWindow;
      EXPECT_FLOAT_EQ(y[0][i][0][0].item<float>(), seen ? 1.0f / static_cast<float>(std::min(i + 1, kWindow)) : 0.0f)
          << "token " << i << " key " << key;
    }
  }
}

TEST_F(Ops, AttentionSurvivesLargeScores) {
  Tensor q = torch::full({1, 30, 1, 8}, 40.0), k = torch::randn({1, 30, 1, 8}) * 40, v = torch::randn({1, 30, 1, 8});
  EXPECT_LT(relative_error(ops::attention(q, k, v, 0),
                           aten::attention(q.to(torch::kFloat64), k.to(torch::kFloat64), v.to(torch::kFloat64), 0)),
            1e-3);
}

TEST_F(Ops, AdamWIsTheFormula) {
  for (std::int64_t n : {1, 7, 40000}) {
    Tensor w = torch::randn({n}), m = torch::zeros({n}), v = torch::zeros({n});
    Tensor w64 = w.to(torch::kFloat64), m64 = torch::zeros_like(w64), v64 = torch::zeros_like(w64);
    for (int t = 1; t <= 3; ++t) {
      Tensor g = torch::randn({n}) * 1e-3;
      ops::AdamWStep step{.lr = 1e-2, .weight_decay = 0.1, .grad_scale = 0.5, .steps = t};
      ops::adamw_step(w, g, m, v, step);
      Tensor g64 = g.to(torch::kFloat64) * 0.5;
      m64 = 0.9 * m64 + 0.1 * g64;
      v64 = 0.95 * v64 + 0.05 * g64 * g64;
      Tensor update = m64 / (1 - std::pow(0.9, t)) / ((v64 / (1 - std::pow(0.95, t))).sqrt() + 1e-8);
      w64 = w64 - 1e-2 * (update + 0.1 * w64);
    }
    EXPECT_LT(relative_error(w, w64), 1e-6);
  }
}

TEST_F(Ops, OptimizerDoesNotDependOnThreads) {
  Tensor start = torch::randn({50001}), g = torch::randn({50001});
  std::vector<Tensor> results;
  std::vector<double> norms;
  for (int threads : {1, 2, 5}) {
    at::set_num_threads(threads);
    Tensor w = start.clone(), m = torch::zeros_like(w), v = torch::zeros_like(w);
    ops::adamw_step(w, g, m, v, {});
    results.push_back(w);
    norms.push_back(ops::global_norm({g, start, torch::empty({0})}));
  }
  at::set_num_threads(1);
  EXPECT_TRUE(torch::equal(results[0], results[1]) && torch::equal(results[0], results[2]));
  EXPECT_EQ(norms[0], norms[1]);
  EXPECT_EQ(norms[0], norms[2]);
  EXPECT_NEAR(norms[0], torch::cat({g, start}).to(torch::kFloat64).norm().item<double>(), 1e-6);
}

TEST_F(Ops, GlobalNormSeesNonFiniteValues) {
  Tensor g = torch::ones({100});
  g[37] = NAN;
  EXPECT_FALSE(std::isfinite(ops::global_norm({g})));
}

}  // namespace
}  // namespace facet::train
