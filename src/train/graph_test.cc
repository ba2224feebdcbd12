#include "train/graph.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "model/tiny_configs.h"
#include "quant/codec.h"
#include "train/loss.h"
#include "train/ops.h"

namespace facet::train {
namespace {

using torch::Tensor;

struct Named {
  const char* name;
  GemmaConfig config;
};
std::vector<Named> all_configs() {
  GemmaConfig untied = tiny_e(8);
  untied.tied_head = false;
  return {{"e", tiny_e(8)},
          {"k_eq_v", tiny_k_eq_v_dense(8)},
          {"moe", tiny_moe(8)},
          {"everything", tiny_everything(8)},
          {"untied", untied}};
}

Tensor some_tokens(const GemmaConfig& config, std::int64_t batch, std::int64_t n) {
  torch::manual_seed(11);
  return torch::randint(config.vocab_size, {batch, n}, torch::kInt64);
}

Graph make(const GemmaConfig& config, GraphOptions options = {}) {
  return *Graph::from_checkpoint(random_checkpoint(config, 5), options);
}

// Loss and gradients of one batch; gradients by name.
std::pair<double, std::map<std::string, Tensor>> step(Graph& graph, GraphHooks& hooks, const Tensor& tokens) {
  for (auto& [name, p] : graph.parameters()) p.mutable_grad() = Tensor();
  Tensor hidden = graph.forward(tokens, hooks);
  LossResult r = chunked_loss(hidden, graph.head(hooks), tokens.roll(-1, 1), {.softcap = graph.config().logit_softcap});
  r.loss.backward();
  std::map<std::string, Tensor> grads;
  for (auto& [name, p] : graph.parameters()) grads[name] = p.grad();
  return {r.total, grads};
}

TEST(Graph, EveryParameterGetsAGradient) {
  for (const auto& [name, config] : all_configs()) {
    SCOPED_TRACE(name);
    Graph graph = make(config);
    GraphHooks hooks;
    auto [loss, grads] = step(graph, hooks, some_tokens(config, 3, 40));
    EXPECT_TRUE(std::isfinite(loss));
    for (const auto& [parameter, grad] : grads) {
      ASSERT_TRUE(grad.defined()) << parameter;
      EXPECT_TRUE(torch::isfinite(grad).all().item<bool>()) << parameter;
      EXPECT_GT(grad.abs().max().item<float>(), 0.0f) << parameter;
    }
  }
}

// In f64 the graph runs on the operators' slow twins.
Graph in_f64(const Graph& graph) {
  Graph twin = graph;
  for (auto& [name, p] : twin.parameters()) p = p.detach().to(torch::kFloat64).set_requires_grad(true);
  return twin;
}

// "layers.3.mlp.up_proj.weight" -> "mlp.up_proj.weight"
std::string kind_of(const std::string& name) {
  return name.rfind("layers.", 0) == 0 ? name.substr(name.find('.', 7) + 1) : name;
}

// In random directions the loss changes at the rate that the gradient promises; and f32 agrees with f64.
TEST(Graph, GradientsMatchFiniteDifferences) {
  for (const auto& [name, config] : all_configs()) {
    SCOPED_TRACE(name);
    Graph graph = make(config), twin = in_f64(graph);
    GraphHooks hooks;
    Tensor tokens = some_tokens(config, 1, 20);
    auto [loss, grads] = step(graph, hooks, tokens);
    auto [exact_loss, exact] = step(twin, hooks, tokens);
    EXPECT_NEAR(loss, exact_loss, 1e-4 * exact_loss);
    torch::NoGradGuard no_grad;
    double total = 0;
    for (const auto& [parameter, grad] : exact) total += grad.square().sum().item<double>();
    // The last layer's scalar has a gradient of almost nothing: the norm that follows takes its scale away.
    double least = 1e-4 * std::sqrt(total);
    std::map<std::string, std::vector<std::string>> kinds;
    for (const auto& [parameter, grad] : exact) {
      kinds[kind_of(parameter)].push_back(parameter);
      double error = (grads[parameter] - grad).norm().item<double>();
      EXPECT_LT(error / (grad.norm().item<double>() + least), 5e-3) << parameter;
    }
    for (const auto& [kind, members] : kinds) {
      std::map<std::string, Tensor> directions;
      double expected = 0, scale = least;
      for (const std::string& member : members) {
        directions[member] = torch::randn_like(exact[member]);
        expected += (exact[member] * directions[member]).sum().item<double>();
        scale += (exact[member].norm() * directions[member].norm()).item<double>();
      }
      auto loss_moved_by = [&](double h) {
        for (const auto& [member, direction] : directions) twin.parameters()[member].add_(direction, h);
        Tensor hidden = twin.forward(tokens, hooks);
        return chunked_loss(hidden, twin.head(hooks), tokens.roll(-1, 1), {.softcap = config.logit_softcap}).total;
      };
      constexpr double kStep = 1e-6;
      double above = loss_moved_by(kStep), below = loss_moved_by(-2 * kStep);
      for (const auto& [member, direction] : directions) twin.parameters()[member].add_(direction, kStep);
      EXPECT_NEAR((above - below) / (2 * kStep) / scale, expected / scale, 1e-5) << kind;
    }
  }
}

TEST(Graph, CheckpointedBlocksGiveTheSameGradients) {
  for (const auto& [name, config] : all_configs()) {
    SCOPED_TRACE(name);
    GraphHooks hooks;
    Tensor tokens = some_tokens(config, 2, 20);
    Graph plain = make(config), checkpointed = make(config, {.checkpoint_blocks = true});
    auto [loss, grads] = step(plain, hooks, tokens);
    auto [loss2, grads2] = step(checkpointed, hooks, tokens);
    EXPECT_EQ(loss, loss2);
    for (const auto& [parameter, grad] : grads)
      EXPECT_LT((grad - grads2[parameter]).abs().max().item<float>(), 1e-6f * (1 + grad.abs().max().item<float>()))
          << parameter;
  }
}

TEST(Graph, CheckpointedBlocksTrainUnderAFrozenEmbedding) {
  GemmaConfig config = tiny_e(8);
  Graph graph = make(config, {.checkpoint_blocks = true});
  for (auto& [name, p] : graph.parameters())
    if (name.find("embed_tokens") != std::string::npos) p.set_requires_grad(false);
  GraphHooks hooks;
  graph.forward(some_tokens(config, 1, 8), hooks).sum().backward();
  EXPECT_TRUE(graph.parameters()["layers.0.self_attn.q_proj.weight"].grad().defined());
}

TEST(Graph, ThreadsChangeNoBit) {
  GemmaConfig config = tiny_everything(8);
  Graph graph = make(config);
  GraphHooks hooks;
  Tensor tokens = some_tokens(config, 3, 33);
  at::set_num_threads(1);
  auto [loss, grads] = step(graph, hooks, tokens);
  at::set_num_threads(3);
  auto [loss3, grads3] = step(graph, hooks, tokens);
  at::set_num_threads(1);
  EXPECT_EQ(loss, loss3);
  for (const auto& [name, grad] : grads) EXPECT_TRUE(torch::equal(grad, grads3[name])) << name;
}

TEST(Graph, IsCausalAndSlidingLayersForget) {
  for (const auto& [name, config] : all_configs()) {
    SCOPED_TRACE(name);
    Graph graph = make(config);
    GraphHooks hooks;
    torch::NoGradGuard no_grad;
    Tensor tokens = some_tokens(config, 1, 30), changed = tokens.clone();
    changed[0][20] = (changed[0][20] + 1) % config.vocab_size;
    Tensor difference = (graph.forward(tokens, hooks) - graph.forward(changed, hooks)).abs().amax(-1)[0];
    EXPECT_EQ(difference.slice(0, 0, 20).max().item<float>(), 0.0f);
    EXPECT_GT(difference[20].item<float>(), 0.0f);
    EXPECT_GT(difference[29].item<float>(), 0.0f);  // through the global layers
  }
}

TEST(Graph, RowsOfABatchDoNotMeet) {
  GemmaConfig config = tiny_everything(8);
  Graph graph = make(config);
  GraphHooks hooks;
  torch::NoGradGuard no_grad;
  Tensor tokens = some_tokens(config, 4, 17);
  Tensor all = graph.forward(tokens, hooks);
  for (int b = 0; b < 4; ++b)
    EXPECT_LT((graph.forward(tokens.slice(0, b, b + 1), hooks)[0] - all[b]).abs().max().item<float>(), 1e-5f);
}

TEST(Graph, ProductsInBf16StayClose) {
  GemmaConfig config = tiny_e(8);
  GraphHooks hooks;
  torch::NoGradGuard no_grad;
  Tensor tokens = some_tokens(config, 1, 16);
  Tensor f32 = Graph::initialize(config, 1, {}).forward(tokens, hooks);
  Tensor bf16 = Graph::initialize(config, 1, {.compute = torch::kBFloat16}).forward(tokens, hooks);
  double error = ((f32 - bf16).norm() / f32.norm()).item<double>();
  EXPECT_GT(error, 1e-5);
  EXPECT_LT(error, 0.05);
}

// Writes down every call.
class Recorder : public GraphHooks {
 public:
  Tensor weight(const std::string& name, const Tensor& w) override { return calls.push_back("weight " + name), w; }
  Tensor gather(const std::string& name, const Tensor& table, const Tensor& ids) override {
    calls.push_back("gather " + name);
    return GraphHooks::gather(name, table, ids);
  }
  Tensor linear_input(const std::string& m, const Tensor& x) override { return calls.push_back("input " + m), x; }
  Tensor linear_output(const std::string& m, const Tensor& y) override { return calls.push_back("output " + m), y; }
  Tensor cached_key(int l, const Tensor& k) override { return calls.push_back("key " + std::to_string(l)), k; }
  Tensor cached_value(int l, const Tensor& v) override { return calls.push_back("value " + std::to_string(l)), v; }
  std::vector<std::string> of(const std::string& part) const {
    std::vector<std::string> out;
    for (const std::string& call : calls)
      if (call.find(part) != std::string::npos) out.push_back(call);
    return out;
  }
  std::vector<std::string> calls;
};

TEST(Graph, CallsTheHooksAsTheyArePromised) {
  GemmaConfig config = tiny_everything(8);
  Graph graph = make(config);
  Recorder hooks;
  torch::NoGradGuard no_grad;
  graph.forward(some_tokens(config, 1, 6), hooks);
  using Calls = std::vector<std::string>;
  EXPECT_EQ(hooks.of("gather"), (Calls{"gather embed_tokens.weight", "gather embed_tokens_per_layer.weight"}));
  // A sliding layer of its own; a global one whose keys serve as values; a sharing one.
  EXPECT_EQ(hooks.of("layers.0.self_attn"),
            (Calls{"input layers.0.self_attn.q_proj", "weight layers.0.self_attn.q_proj.weight",
                   "weight layers.0.self_attn.k_proj.weight", "weight layers.0.self_attn.v_proj.weight",
                   "output layers.0.self_attn.q_proj", "output layers.0.self_attn.k_proj",
                   "output layers.0.self_attn.v_proj", "input layers.0.self_attn.o_proj",
                   "weight layers.0.self_attn.o_proj.weight", "output layers.0.self_attn.o_proj"}));
  EXPECT_EQ(hooks.of("layers.2.self_attn").size(), 8u);
  EXPECT_EQ(hooks.of("layers.3.self_attn").size(), 6u);
  EXPECT_EQ(hooks.of("key "), (Calls{"key 0", "key 1", "key 2"}));
  EXPECT_EQ(hooks.of("value "), (Calls{"value 0", "value 1", "value 2"}));
  EXPECT_EQ(hooks.of("layers.0.mlp"), (Calls{"input layers.0.mlp.gate_proj", "weight layers.0.mlp.gate_proj.weight",
                                             "weight layers.0.mlp.up_proj.weight", "output layers.0.mlp.gate_proj",
                                             "output layers.0.mlp.up_proj", "input layers.0.mlp.down_proj",
                                             "weight layers.0.mlp.down_proj.weight", "output layers.0.mlp.down_proj"}));
  // Every matrix is asked for once, by its tensor name; the head apart.
  for (const TensorSpec& spec : tensor_specs(config)) {
    if (!is_linear(spec.role)) continue;
    EXPECT_EQ(hooks.of("weight " + spec.name).size(), 1u) << spec.name;
  }
  hooks.calls.clear();
  graph.head(hooks);
  EXPECT_EQ(hooks.calls, Calls{"weight embed_tokens.weight"});
}

TEST(Graph, HooksDecideWhatIsMultiplied) {
  struct Zero : GraphHooks {
    Tensor weight(const std::string& name, const Tensor& w) override {
      return name.find("o_proj") != std::string::npos ? torch::zeros_like(w) : w;
    }
  } zero;
  GemmaConfig config = tiny_e(8);
  Graph graph = make(config), without = make(config);
  torch::NoGradGuard no_grad;
  for (auto& [name, p] : without.parameters())
    if (name.find("o_proj") != std::string::npos) p.zero_();
  GraphHooks plain;
  Tensor tokens = some_tokens(config, 1, 9);
  EXPECT_TRUE(torch::equal(graph.forward(tokens, zero), without.forward(tokens, plain)));
}

TEST(Graph, CheckpointRoundTrip) {
  GemmaConfig config = tiny_everything(8);
  Checkpoint original = random_checkpoint(config, 5), saved = make(config).to_checkpoint();
  EXPECT_EQ(saved.config, config);
  for (const TensorSpec& spec : tensor_specs(config)) {
    facet::Tensor a = decode(original.tensors.at(spec.name)), b = decode(saved.tensors.at(spec.name));
    EXPECT_EQ(a.shape, b.shape) << spec.name;
    EXPECT_EQ(a.bytes, b.bytes) << spec.name;
  }
  Checkpoint half = make(config).to_checkpoint(DType::kBF16);
  EXPECT_EQ(half.tensors.at("norm.weight").dtype, DType::kBF16);
}

TEST(Graph, RefusesBadCheckpoints) {
  GemmaConfig config = tiny_e(8);
  Checkpoint missing = random_checkpoint(config, 5);
  missing.tensors.erase("layers.2.mlp.up_proj.weight");
  Result<Graph> a = Graph::from_checkpoint(missing, {});
  ASSERT_FALSE(a.ok());
  EXPECT_EQ(a.status().code(), Code::kNotFound);
  EXPECT_NE(a.status().message().find("layers.2.mlp.up_proj.weight"), std::string::npos);

  Checkpoint wrong = random_checkpoint(config, 5);
  wrong.set("norm.weight", facet::Tensor::zeros(DType::kF32, {3}));
  EXPECT_EQ(Graph::from_checkpoint(wrong, {}).status().code(), Code::kCorrupt);

  Checkpoint nan = random_checkpoint(config, 5);
  facet::Tensor poisoned = facet::Tensor::zeros(DType::kF32, {config.hidden_size});
  poisoned.floats()[1] = NAN;
  nan.set("norm.weight", std::move(poisoned));
  Result<Graph> c = Graph::from_checkpoint(nan, {});
  ASSERT_FALSE(c.ok());
  EXPECT_NE(c.status().message().find("element 1"), std::string::npos) << c.status().message();
}

TEST(Graph, InitialLossIsThatOfGuessing) {
  GemmaConfig config = tiny_e(32);
  GraphHooks hooks;
  Graph graph = Graph::initialize(config, 1, {});
  torch::NoGradGuard no_grad;
  Tensor tokens = some_tokens(config, 4, 64);
  LossResult r = chunked_loss(graph.forward(tokens, hooks), graph.head(hooks), tokens.roll(-1, 1), {.softcap = 30.0f});
  EXPECT_NEAR(r.total / static_cast<double>(r.n_tokens), std::log(384.0), 1.0);
  // The seed decides every weight.
  Graph same = Graph::initialize(config, 1, {}), other = Graph::initialize(config, 2, {});
  const char* name = "layers.0.mlp.up_proj.weight";
  EXPECT_TRUE(torch::equal(graph.parameters()[name], same.parameters()[name]));
  EXPECT_FALSE(torch::equal(graph.parameters()[name], other.parameters()[name]));
}

TEST(Graph, LearnsToRepeat) {
  // The second half of each row repeats the first: only attention can know it.
  GemmaConfig config = tiny_e(16);
  config.layers = tiny_layers("sgsg");
  config.n_kv_shared_layers = 2;
  config.sliding_window = 32;
  config.vocab_size = 32;
  Graph graph = Graph::initialize(config, 1, {});
  GraphHooks hooks;
  std::map<std::string, std::pair<Tensor, Tensor>> moments;
  for (auto& [name, p] : graph.parameters()) moments[name] = {torch::zeros_like(p), torch::zeros_like(p)};
  torch::manual_seed(1);
  double last = 0;
  for (int t = 1; t <= 100; ++t) {
    Tensor half = torch::randint(32, {16, 8}, torch::kInt64), tokens = torch::cat({half, half}, 1);
    Tensor labels = tokens.roll(-1, 1).contiguous();
    labels.slice(1, 0, 7).fill_(kNoLabel);
    labels.slice(1, 15).fill_(kNoLabel);
    for (auto& [name, p] : graph.parameters()) p.mutable_grad() = Tensor();
    LossResult r = chunked_loss(graph.forward(tokens, hooks), graph.head(hooks), labels, {.softcap = 30.0f});
    (r.loss / static_cast<double>(r.n_tokens)).backward();
    torch::NoGradGuard no_grad;
    for (auto& [name, p] : graph.parameters()) {
      auto& [m, v] = moments[name];
      ops::adamw_step(p, p.grad(), m, v, {.lr = 5e-3, .steps = t});
    }
    last = r.total / static_cast<double>(r.n_tokens);
  }
  EXPECT_LT(last, 1.0);  // guessing is ln 32 = 3.5
}

}  // namespace
}  // namespace facet::train
