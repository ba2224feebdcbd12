#include "ptq/lockstep.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "engine/session.h"
#include "model/tiny_configs.h"

namespace facet {
namespace {

using Sequences = std::vector<std::vector<int>>;
using Key = std::pair<std::string, int>;                      // tensor and expert
using Seen = std::map<Key, std::vector<std::vector<float>>>;  // the inputs of each sequence that had some

Sequences random_sequences(const GemmaConfig& c, std::vector<int> lengths) {
  Rng rng(99);
  Sequences out;
  for (int n : lengths) {
    out.emplace_back(n);
    for (int& token : out.back()) token = static_cast<int>(rng.below(c.vocab_size));
  }
  return out;
}
bool everything(const Linear&) { return true; }

class LockstepTest : public testing::TestWithParam<GemmaConfig> {};

TEST_P(LockstepTest, ShowsEveryLinearWhatPlainSessionsShow) {
  const Result<Model> model = Model::bind(random_checkpoint(GetParam(), 5));
  ASSERT_TRUE(model.ok()) << model.status().message();
  const Sequences sequences = random_sequences(GetParam(), {9, 1, 30, 12, 3});
  Seen plain, lockstep;
  ThreadPool pool(2);
  for (const auto& s : sequences) {
    const int n = static_cast<int>(s.size());
    Session session = *Session::create(*model, pool, {.context = n, .max_batch = n, .max_rollback = 0});
    session.set_linear_observer([&](const Linear& l, const float* x, int rows) {
      plain[{l.name, l.expert}].emplace_back(x, x + std::size_t(rows) * l.cols);
    });
    ASSERT_TRUE(session.evaluate(s, Session::Logits::kNone, {}).ok());
  }
  std::vector<Key> order;
  const Status status = run_in_lockstep(*model, sequences, pool, everything, [&](const Linear& l, LinearInputs inputs) {
    order.push_back({l.name, l.expert});
    for (const InputRows& rows : inputs)
      lockstep[{l.name, l.expert}].emplace_back(rows.x, rows.x + std::size_t(rows.n) * l.cols);
    return Status{};
  });
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(lockstep, plain);
  EXPECT_EQ(std::set(order.begin(), order.end()).size(), order.size());
  const std::string head = GetParam().tied_head ? "embed_tokens.weight" : "lm_head.weight";
  EXPECT_EQ(order.back().first, head);
}

TEST_P(LockstepTest, WhatComesAfterSeesTheRewrittenWeight) {
  Checkpoint checkpoint = random_checkpoint(GetParam(), 6);
  const std::string name = "layers.1.mlp.gate_proj.weight";
  Tensor gate = Tensor::zeros(DType::kF32, checkpoint.tensors.at(name).shape);
  std::copy_n(checkpoint.tensors.at(name).bytes.begin(), gate.bytes.size(), gate.bytes.begin());
  checkpoint.tensors[name] = gate.view();
  const Result<Model> model = Model::bind(checkpoint);
  ASSERT_TRUE(model.ok());
  ThreadPool pool(2);
  int n_zero_rows = 0;
  const Status status = run_in_lockstep(
      *model, random_sequences(GetParam(), {7, 8, 9}), pool, everything, [&](const Linear& l, LinearInputs in) {
        if (l.name == name) std::fill(gate.floats().begin(), gate.floats().end(), 0.0f);  // gelu(0) * up = 0
        if (l.name == "layers.1.mlp.down_proj.weight")
          for (const InputRows& rows : in)
            n_zero_rows +=
                std::all_of(rows.x, rows.x + std::size_t(rows.n) * l.cols, [](float v) { return v == 0.0f; });
        return Status{};
      });
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(n_zero_rows, 3);
}

INSTANTIATE_TEST_SUITE_P(Models, LockstepTest,
                         testing::Values(tiny_e(8), tiny_k_eq_v_dense(8), tiny_moe(8), tiny_everything(8)));

TEST(Lockstep, AnErrorEndsTheVisits) {
  const Result<Model> model = Model::bind(random_checkpoint(tiny_moe(8), 7));
  ThreadPool pool(2);
  int visits = 0;
  const Status status =
      run_in_lockstep(*model, random_sequences(model->config(), {6, 6, 6, 6}), pool, everything,
                      [&](const Linear&, LinearInputs) { return ++visits == 5 ? corrupt("enough") : Status{}; });
  EXPECT_EQ(status.code(), Code::kCorrupt);
  EXPECT_EQ(visits, 5);
}

TEST(Lockstep, RefusesWhatASessionRefuses) {
  const Result<Model> model = Model::bind(random_checkpoint(tiny_e(8), 8));
  ThreadPool pool(2);
  const auto visit = [](const Linear&, LinearInputs) { return Status{}; };
  EXPECT_EQ(run_in_lockstep(*model, Sequences{{1, 2}, {}}, pool, everything, visit).code(), Code::kInvalidArgument);
  EXPECT_EQ(run_in_lockstep(*model, Sequences{{1, 2}, {1, 100000}}, pool, everything, visit).code(),
            Code::kInvalidArgument);
  EXPECT_FALSE(run_in_lockstep(*model, Sequences{std::vector<int>(model->config().max_positions + 1, 5)}, pool,
                               everything, visit)
                   .ok());
  EXPECT_TRUE(run_in_lockstep(*model, Sequences{}, pool, everything, visit).ok());
}

}  // namespace
}  // namespace facet
