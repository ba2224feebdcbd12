// Two implementations of one model, the trainer's graph and the engine, hold each other: logits within 1e-4 relative,
// for floats and for what quantization-aware training exports.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/drafter.h"
#include "engine/reference.h"
#include "engine/session.h"
#include "model/tiny_configs.h"
#include "train/drafter_graph.h"
#include "train/quantizers.h"

namespace facet {
namespace {

constexpr int kTokens = 40;  // several windows of 8

std::vector<int> some_tokens(const GemmaConfig& config) {
  std::vector<int> ids{config.bos_token};
  for (int i = 1; i < kTokens; ++i) ids.push_back(5 + (i * 97) % (config.vocab_size - 5));
  return ids;
}

std::vector<float> graph_logits(const train::Graph& graph, train::GraphHooks& hooks, const std::vector<int>& ids) {
  torch::NoGradGuard no_grad;
  torch::Tensor tokens = torch::tensor(std::vector<std::int64_t>(ids.begin(), ids.end())).reshape({1, kTokens});
  torch::Tensor hidden = graph.forward(tokens, hooks);
  torch::Tensor logits = graph.logits(hidden.reshape({kTokens, -1}), hooks).contiguous();
  return {logits.data_ptr<float>(), logits.data_ptr<float>() + logits.numel()};
}

std::vector<float> engine_logits(const Checkpoint& checkpoint, const std::vector<int>& ids, SessionOptions options) {
  auto model = Model::bind(checkpoint);
  EXPECT_TRUE(model.ok()) << model.status().message();
  ThreadPool pool(2);
  options.context = kTokens;
  auto session = Session::create(*model, pool, options);
  EXPECT_TRUE(session.ok()) << session.status().message();
  std::vector<float> logits(std::size_t(kTokens) * checkpoint.config.vocab_size);
  Status status = session->evaluate(ids, Session::Logits::kAll, logits);
  EXPECT_TRUE(status.ok()) << status.message();
  return logits;
}

// Root mean square of the difference over that of the values.
double relative_error(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
    size += double(b[i]) * b[i];
  }
  return std::sqrt(difference / size);
}

struct NamedConfig {
  const char* name;
  GemmaConfig config;
};
std::vector<NamedConfig> configs() {
  return {
      {"e", tiny_e()}, {"k_eq_v_dense", tiny_k_eq_v_dense()}, {"moe", tiny_moe()}, {"everything", tiny_everything()}};
}

TEST(Parity, FloatLogitsOfTrainerAndEngine) {
  for (const auto& [name, config] : configs()) {
    Checkpoint checkpoint = random_checkpoint(config, 11);
    auto graph = train::Graph::from_checkpoint(checkpoint, {});
    ASSERT_TRUE(graph.ok()) << graph.status().message();
    train::GraphHooks hooks;
    std::vector<int> ids = some_tokens(config);
    double error =
        relative_error(engine_logits(checkpoint, ids, {.kv = KvType::kF32}), graph_logits(*graph, hooks, ids));
    EXPECT_LT(error, 1e-4) << name;
    RecordProperty(name, std::to_string(error));
  }
}

// The trainer drafts from every position at once, the engine from one: chains of steps before and behind the window.
TEST(Parity, DraftsOfTrainerAndEngine) {
  constexpr int kSteps = 3;
  for (const auto& [name, config] : configs()) {
    const Checkpoint target = calm_random_checkpoint(config, 12);
    const Checkpoint drafter = calm_random_checkpoint(tiny_drafter(config), 13);
    const std::vector<int> ids = some_tokens(config);
    auto graph = train::Graph::from_checkpoint(drafter, {});
    auto target_graph = train::Graph::from_checkpoint(target, {});
    ASSERT_TRUE(graph.ok() && target_graph.ok()) << graph.status().message();
    torch::NoGradGuard no_grad;
    train::GraphHooks hooks;
    const torch::Tensor tokens = torch::tensor(std::vector<std::int64_t>(ids.begin(), ids.end())).reshape({1, kTokens});
    const auto states = train::target_states(*target_graph, tokens);
    const std::vector<torch::Tensor> z = train::draft_steps(*graph, hooks, states, kSteps);

    const Model model = *Model::bind(target), drafter_model = *Model::bind(drafter);
    ThreadPool pool(1);
    Session session = *Session::create(model, pool, {.context = kTokens, .kv = KvType::kF32});
    Drafter engine = *Drafter::create(drafter_model, session);
    std::vector<float> logits(static_cast<std::size_t>(config.vocab_size));
    for (int n = 1; n + kSteps < kTokens; ++n) {
      ASSERT_TRUE(session.evaluate({&ids[n - 1], 1}, Session::Logits::kLast, logits).ok());
      engine.begin(session.hidden());
      for (int i = 0; i < kSteps; ++i) {
        engine.step(ids[n + i]);
        const torch::Tensor row = graph->logits(z[i][0][n - 1].unsqueeze(0), hooks).contiguous();
        const std::vector<float> expected(row.data_ptr<float>(), row.data_ptr<float>() + row.numel());
        ASSERT_EQ(expected.size(), engine.logits().size());
        EXPECT_LT(relative_error({engine.logits().begin(), engine.logits().end()}, expected), 1e-4)
            << name << " position " << n << " step " << i;
      }
    }
  }
}

// The engine's plain loops in f64, at every position.
TEST(Parity, FloatLogitsOfTrainerAndReference) {
  for (const auto& [name, config] : configs()) {
    Checkpoint checkpoint = random_checkpoint(config, 14);
    auto graph = train::Graph::from_checkpoint(checkpoint, {});
    ASSERT_TRUE(graph.ok()) << graph.status().message();
    train::GraphHooks hooks;
    std::vector<int> ids = some_tokens(config);
    std::vector<double> reference = Reference(checkpoint).logits(ids);
    double error =
        relative_error(graph_logits(*graph, hooks, ids), std::vector<float>(reference.begin(), reference.end()));
    EXPECT_LT(error, 1e-4) << name;
    RecordProperty(name, std::to_string(error));
  }
}

TEST(Parity, ExportedQ4_0RunsAsTrained) {
  for (const auto& [name, config] : configs()) {
    auto graph = train::Graph::from_checkpoint(random_checkpoint(config, 12), {});
    ASSERT_TRUE(graph.ok());
    train::QatOptions options;
    options.scheme = *parse_scheme("q4_0");
    auto hooks = train::QuantizerSet::create(*graph, options);
    ASSERT_TRUE(hooks.ok()) << hooks.status().message();
    auto exported = (*hooks)->export_checkpoint(*graph);
    ASSERT_TRUE(exported.ok());
    std::vector<int> ids = some_tokens(config);
    double error = relative_error(engine_logits(*exported, ids, {.kv = KvType::kF32, .float_activations = true}),
                                  graph_logits(*graph, **hooks, ids));
    EXPECT_LT(error, 1e-4) << name;
  }
}

// With static int8 activations the function is made of steps: a value near an edge may fall on either side, and the
// difference spreads. Without them (weights only) the mobile model is as smooth as any other.
TEST(Parity, ExportedMobileWeightsRunAsTrained) {
  GemmaConfig config = tiny_e();
  auto graph = train::Graph::from_checkpoint(random_checkpoint(config, 13), {});
  ASSERT_TRUE(graph.ok());
  train::QatOptions options;
  options.scheme = *parse_scheme("mobile");
  options.quantize_activations = options.quantize_kv = false;
  auto hooks = train::QuantizerSet::create(*graph, options);
  ASSERT_TRUE(hooks.ok()) << hooks.status().message();
  auto exported = (*hooks)->export_checkpoint(*graph);
  ASSERT_TRUE(exported.ok());
  std::vector<int> ids = some_tokens(config);
  EXPECT_LT(relative_error(engine_logits(*exported, ids, {.kv = KvType::kF32}), graph_logits(*graph, **hooks, ids)),
            1e-4);
}

}  // namespace
}  // namespace facet
