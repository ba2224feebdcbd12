#include "train/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace facet::train {
namespace {

torch::Tensor leaf(std::initializer_list<float> values) {
  return torch::tensor(std::vector<float>(values)).set_requires_grad(true);
}
void set_grad(torch::Tensor& t, std::initializer_list<float> values) {
  t.mutable_grad() = torch::tensor(std::vector<float>(values));
}

TEST(Optimizer, FollowsTheFormula) {
  torch::Tensor w = leaf({1.0f, -2.0f}), b = leaf({0.5f});
  Optimizer optimizer({.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .weight_decay = 0.1, .clip = 0},
                      {{"w", w, 1.0, true}, {"b", b, 2.0, false}});
  std::vector<ParameterGroup> none;
  double value[3] = {1.0, -2.0, 0.5}, m[3] = {}, v[3] = {};
  for (int t = 1; t <= 5; ++t) {
    float g[3] = {0.3f * t, -1.0f, 0.25f / t};
    set_grad(w, {g[0], g[1]});
    set_grad(b, {g[2]});
    OptimizerReport report = optimizer.step(1e-2, 1.0, none);
    EXPECT_NEAR(report.grad_norm, std::sqrt(g[0] * g[0] + g[1] * g[1] + g[2] * g[2]), 1e-6);
    for (int i = 0; i < 3; ++i) {
      m[i] = 0.9 * m[i] + 0.1 * g[i];
      v[i] = 0.95 * v[i] + 0.05 * g[i] * g[i];
      double lr = i < 2 ? 1e-2 : 2e-2, decay = i < 2 ? 0.1 : 0.0;
      value[i] -= lr * ((m[i] / (1 - std::pow(0.9, t))) / (std::sqrt(v[i] / (1 - std::pow(0.95, t))) + 1e-8) +
                        decay * value[i]);
    }
    EXPECT_NEAR(w[0].item<double>(), value[0], 1e-5);
    EXPECT_NEAR(w[1].item<double>(), value[1], 1e-5);
    EXPECT_NEAR(b[0].item<double>(), value[2], 1e-5);
  }
}

TEST(Optimizer, ClipsTheGlobalNormAndEachGroupApart) {
  // With a zero second beta a step is lr * sign-like; look at the first moment to see what came through.
  torch::Tensor a = leaf({0}), b = leaf({0}), scale = leaf({0});
  std::vector<ParameterGroup> groups(1);
  groups[0] = {.name = "scales", .parameters = {{"s", scale}}, .lr = 1e-2, .clip = 0.5};
  Optimizer optimizer({.clip = 1.0}, {{"a", a}, {"b", b}});
  set_grad(a, {3});
  set_grad(b, {4});
  set_grad(scale, {10});
  OptimizerReport report = optimizer.step(1e-3, 0.5, groups);
  EXPECT_NEAR(report.grad_norm, 5, 1e-6);
  EXPECT_NEAR(report.group_norms.at("scales"), 10, 1e-5);
  StateMap state;
  optimizer.save_state(state);
  EXPECT_NEAR(state.at("first/a").item<double>(), 0.1 * 0.6, 1e-6);
  EXPECT_NEAR(state.at("first/b").item<double>(), 0.1 * 0.8, 1e-6);
  EXPECT_NEAR(state.at("first/s").item<double>(), 0.1 * 0.5, 1e-6);
  EXPECT_NEAR(scale.item<double>(), -1e-2 * 0.5, 1e-6);  // Adam's first step is its learning rate
}

TEST(Optimizer, NonFiniteGradientChangesNothing) {
  torch::Tensor a = leaf({1, 2}), scale = leaf({3});
  std::vector<ParameterGroup> groups(1);
  groups[0] = {.name = "scales", .parameters = {{"s", scale}}, .lr = 1e-2};
  Optimizer optimizer({}, {{"a", a, 1.0, true}});
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    set_grad(a, {bad, 1});
    set_grad(scale, {1});
    EXPECT_FALSE(optimizer.step(1e-2, 1, groups).finite);
    set_grad(a, {1, 1});
    set_grad(scale, {bad});
    EXPECT_FALSE(optimizer.step(1e-2, 1, groups).finite);
  }
  EXPECT_EQ(a[0].item<float>(), 1);
  EXPECT_EQ(scale.item<float>(), 3);
  StateMap state;
  optimizer.save_state(state);
  EXPECT_TRUE(state.empty());
}

TEST(Optimizer, AnInactiveGroupStandsStill) {
  torch::Tensor a = leaf({1}), scale = leaf({3});
  std::vector<ParameterGroup> groups(1);
  groups[0] = {.name = "scales", .parameters = {{"s", scale}}, .lr = 1e-2};
  Optimizer optimizer({}, {{"a", a}});
  set_grad(a, {1});
  set_grad(scale, {1});
  optimizer.step(1e-2, 1, groups);
  float moved = scale.item<float>();
  EXPECT_LT(moved, 3);
  groups[0].active = false;
  EXPECT_EQ(optimizer.gradients(groups).size(), 1u);
  optimizer.step(1e-2, 1, groups);
  EXPECT_EQ(scale.item<float>(), moved);
  StateMap state;
  optimizer.save_state(state);
  EXPECT_EQ(state.at("steps/s").item<std::int64_t>(), 1);
  EXPECT_EQ(state.at("steps/a").item<std::int64_t>(), 2);
}

TEST(Optimizer, StateRoundTripContinuesBitForBit) {
  auto run = [](bool interrupted) {
    torch::Tensor w = torch::linspace(-1, 1, 37).set_requires_grad(true);
    auto make = [&] { return Optimizer({.weight_decay = 0.1, .clip = 0.5}, {{"w", w, 0.7, true}}); };
    std::vector<ParameterGroup> none;
    Optimizer optimizer = make();
    for (int t = 0; t < 10; ++t) {
      if (interrupted && t == 4) {
        StateMap state;
        optimizer.save_state(state);
        optimizer = make();
        EXPECT_TRUE(optimizer.load_state(state, none).ok());
      }
      w.mutable_grad() = torch::sin(w.detach() * (3 + t));
      optimizer.step(1e-2, 1, none);
    }
    return w.detach().clone();
  };
  EXPECT_TRUE(run(false).equal(run(true)));
}

TEST(Optimizer, RefusesAForeignState) {
  torch::Tensor w = leaf({1, 2});
  Optimizer optimizer({}, {{"w", w}});
  std::vector<ParameterGroup> none;
  set_grad(w, {1, 1});
  optimizer.step(1e-3, 1, none);
  StateMap good;
  optimizer.save_state(good);
  auto code = [&](const char* drop, const char* put, torch::Tensor value) {
    StateMap bad = good;
    if (drop) bad.erase(drop);
    if (put) bad[put] = std::move(value);
    return optimizer.load_state(bad, none).code();
  };
  EXPECT_EQ(code("second/w", nullptr, {}), Code::kCorrupt);
  EXPECT_EQ(code(nullptr, "first/w", torch::zeros({3})), Code::kCorrupt);
  EXPECT_EQ(code(nullptr, "first/w", torch::zeros({2}, torch::kFloat64)), Code::kCorrupt);
  EXPECT_EQ(code(nullptr, "steps/w", torch::zeros({1})), Code::kCorrupt);
  EXPECT_EQ(code(nullptr, "steps/x", torch::tensor(std::int64_t{1}, torch::kInt64)), Code::kCorrupt);
  EXPECT_TRUE(optimizer.load_state(good, none).ok());
}

}  // namespace
}  // namespace facet::train
