#include "train/quantizers.h"

#include <gtest/gtest.h>

#include "model/tiny_configs.h"
#include "quant/codec.h"

namespace facet::train {
namespace {

using torch::Tensor;

Graph tiny_graph(const GemmaConfig& config, std::uint64_t seed = 3) {
  auto graph = Graph::from_checkpoint(random_checkpoint(config, seed), {});
  EXPECT_TRUE(graph.ok()) << graph.status().message();
  return std::move(*graph);
}

QatOptions options_for(const char* scheme, bool learned = false) {
  QatOptions options;
  options.scheme = *parse_scheme(scheme);
  options.learned_q4_0_scales = learned;
  return options;
}

std::unique_ptr<QuantizerSet> quantizers(const Graph& graph, const QatOptions& options) {
  auto set = QuantizerSet::create(graph, options);
  EXPECT_TRUE(set.ok()) << set.status().message();
  return std::move(*set);
}

Tensor some_tokens(const GemmaConfig& config, std::int64_t b, std::int64_t t) {
  torch::manual_seed(7);
  return torch::randint(5, config.vocab_size, {b, t}, torch::kInt64);
}

// Runs a step's calibration and forward at the given progress.
Tensor forward_at(const Graph& graph, QuantizerSet& set, double progress, const Tensor& tokens) {
  set.begin_step({.step = std::int64_t(progress * 1000), .total_steps = 1000, .lr = 1e-3, .lr_fraction = 1});
  if (set.needs_calibration()) {
    torch::NoGradGuard no_grad;
    set.observe(true);
    (void)graph.forward(tokens, set);
    set.observe(false);
    Status status = set.finish_calibration();
    EXPECT_TRUE(status.ok()) << status.message();
  }
  return graph.forward(tokens, set);
}

// What training multiplies by is what the exported checkpoint decodes to: every tensor, every scheme, bit for bit.
TEST(QuantizerSet, ExportIsExactlyWhatTrainingUsed) {
  struct Case {
    const char* scheme;
    bool learned;
    GemmaConfig config;
  };
  for (const Case& c : {Case{"q4_0", false, tiny_e()}, Case{"q4_0", true, tiny_e()}, Case{"mobile", false, tiny_e()},
                        Case{"q4_0", false, tiny_moe()}, Case{"mobile", false, tiny_everything()}}) {
    Graph graph = tiny_graph(c.config);
    auto set = quantizers(graph, options_for(c.scheme, c.learned));
    {  // move scales and latents off their first values, as training does
      torch::NoGradGuard no_grad;
      torch::manual_seed(1);
      for (auto& group : set->groups())
        for (auto& [name, p] : group.parameters) p.add_(torch::randn_like(p) * 0.05);
      for (auto& [name, p] : graph.parameters()) p.mul_(1 + 0.02 * torch::randn_like(p));
    }
    forward_at(graph, *set, 0.9, some_tokens(c.config, 2, 24));
    auto exported = set->export_checkpoint(graph);
    ASSERT_TRUE(exported.ok()) << exported.status().message();
    int quantized = 0;
    for (const TensorSpec& spec : tensor_specs(c.config)) {
      const TensorView& view = exported->tensors.at(spec.name);
      facet::Tensor decoded = decode(view);
      Tensor used = set->weight(spec.name, graph.parameters().at(spec.name)).detach().contiguous();
      ASSERT_EQ(used.numel(), std::int64_t(decoded.floats().size())) << spec.name;
      EXPECT_EQ(std::memcmp(used.data_ptr<float>(), decoded.floats().data(), decoded.floats().size_bytes()), 0)
          << c.scheme << " " << spec.name;
      quantized += !is_float(view.dtype);
    }
    EXPECT_GT(quantized, 20);
  }
}

TEST(QuantizerSet, GatheredRowsAreTheTablesRows) {
  GemmaConfig config = tiny_e();
  Graph graph = tiny_graph(config);
  for (auto [scheme, learned] : {std::pair{"q4_0", false}, {"q4_0", true}, {"mobile", false}}) {
    auto set = quantizers(graph, options_for(scheme, learned));
    Tensor ids = some_tokens(config, 2, 9);
    for (const char* name : {"embed_tokens.weight", "embed_tokens_per_layer.weight"}) {
      Tensor table = graph.parameters().at(name);
      Tensor whole = set->weight(name, table).detach(), rows = set->gather(name, table, ids).detach();
      EXPECT_TRUE(torch::equal(rows, torch::embedding(whole, ids))) << scheme << " " << name;
    }
  }
}

TEST(QuantizerSet, StagesFollowTheSchedule) {
  GemmaConfig config = tiny_e();
  Graph graph = tiny_graph(config);
  auto set = quantizers(graph, options_for("mobile"));
  Tensor tokens = some_tokens(config, 2, 24);
  auto begin = [&](std::int64_t step) {
    set->begin_step({.step = step, .total_steps = 100, .lr = 1e-3, .lr_fraction = 1});
  };
  begin(0);
  EXPECT_EQ(set->stage(), 0);
  EXPECT_FALSE(set->needs_calibration());
  EXPECT_FALSE(set->groups()[0].active);  // scales stand still at first
  begin(10);
  EXPECT_TRUE(set->groups()[0].active);
  EXPECT_FALSE(set->groups()[1].active);
  Tensor weights_only = graph.forward(tokens, *set).detach();
  begin(50);
  EXPECT_EQ(set->stage(), 1);
  EXPECT_TRUE(set->needs_calibration());
  Tensor with_activations = forward_at(graph, *set, 0.5, tokens).detach();
  EXPECT_FALSE(set->needs_calibration());
  EXPECT_FALSE(torch::equal(weights_only, with_activations));
  EXPECT_TRUE(set->groups()[1].active);
  begin(75);
  EXPECT_EQ(set->stage(), 2);
  EXPECT_TRUE(set->needs_calibration());  // the keys
  forward_at(graph, *set, 0.75, tokens);
  begin(85);
  for (const auto& group : set->groups()) EXPECT_FALSE(group.active) << group.name;
}

TEST(QuantizerSet, EveryTrainedTensorAndScaleGetsAGradient) {
  GemmaConfig config = tiny_e();
  Graph graph = tiny_graph(config);
  auto set = quantizers(graph, options_for("mobile"));
  Tensor hidden = forward_at(graph, *set, 0.8, some_tokens(config, 2, 24));
  (graph.logits(hidden.reshape({-1, config.hidden_size}), *set).pow(2).sum()).backward();
  for (const auto& [name, p] : graph.parameters()) {
    ASSERT_TRUE(p.grad().defined()) << name;
    EXPECT_GT(p.grad().abs().max().item<float>(), 0) << name;
  }
  for (const auto& group : set->groups())
    for (const auto& [name, p] : group.parameters) {
      ASSERT_TRUE(p.grad().defined()) << name;
      EXPECT_GT(p.grad().abs().max().item<float>(), 0) << name;
    }
}

TEST(QuantizerSet, StateSurvives) {
  GemmaConfig config = tiny_e();
  Graph graph = tiny_graph(config);
  auto set = quantizers(graph, options_for("mobile"));
  Tensor tokens = some_tokens(config, 1, 24);
  Tensor before = forward_at(graph, *set, 0.8, tokens).detach();
  StateMap state;
  set->save_state(state);
  auto fresh = quantizers(graph, options_for("mobile"));
  ASSERT_TRUE(fresh->load_state(state).ok());
  EXPECT_TRUE(torch::equal(forward_at(graph, *fresh, 0.8, tokens).detach(), before));
  state.erase(state.begin());
  EXPECT_EQ(fresh->load_state(state).code(), Code::kCorrupt);
}

TEST(QuantizerSet, DampeningPullsTowardsTheGrid) {
  GemmaConfig config = tiny_e();
  for (const char* scheme : {"q4_0", "mobile"}) {
    Graph graph = tiny_graph(config);
    QatOptions options = options_for(scheme);
    options.dampening = 1.0;
    auto set = quantizers(graph, options);
    const char* name = "layers.0.mlp.up_proj.weight";
    auto distance = [&] {
      torch::NoGradGuard no_grad;
      Tensor w = graph.parameters().at(name);
      return (set->weight(name, w) - w).abs().mean().item<double>();
    };
    double before = distance();
    set->end_step({.step = 90, .total_steps = 100, .lr = 1e-2, .lr_fraction = 1}, graph.parameters());
    EXPECT_LT(distance(), before) << scheme;
  }
}

TEST(QuantizerSet, TheAnchorPullsBackToTheStart) {
  GemmaConfig config = tiny_e();
  for (const char* scheme : {"q4_0", "mobile"}) {
    Graph graph = tiny_graph(config);
    QatOptions options = options_for(scheme);
    options.anchor = 20.0;
    auto set = quantizers(graph, options);
    Tensor& w = graph.parameters().at("layers.0.mlp.up_proj.weight");
    Tensor origin = w.detach().clone();
    {
      torch::NoGradGuard no_grad;
      w.add_(1.0);
    }
    StateMap state;  // a resumed run keeps the first origin, not the weights it resumes with
    set->save_state(state);
    set = quantizers(graph, options);
    ASSERT_TRUE(set->load_state(state).ok());
    set->end_step({.step = 3, .total_steps = 100, .lr = 1e-2, .lr_fraction = 1}, graph.parameters());
    EXPECT_TRUE(torch::allclose(w.detach(), origin + 0.8, 1e-5, 1e-6)) << scheme;  // 1 - lr * anchor of the way is left
  }
}

TEST(QuantizerSet, NamesWhatCannotBeQuantized) {
  Graph narrow = tiny_graph(tiny_e(8));  // rows of 16 and 24
  auto set = QuantizerSet::create(narrow, options_for("q4_0"));
  EXPECT_EQ(set.status().code(), Code::kInvalidArgument);
  Graph graph = tiny_graph(tiny_e());
  {
    torch::NoGradGuard no_grad;
    graph.parameters().at("layers.1.mlp.up_proj.weight").view(-1)[5] = NAN;
  }
  set = QuantizerSet::create(graph, options_for("mobile"));
  EXPECT_EQ(set.status().code(), Code::kCorrupt);
  EXPECT_NE(set.status().message().find("layers.1.mlp.up_proj"), std::string::npos);
}

}  // namespace
}  // namespace facet::train
