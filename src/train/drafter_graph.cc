#include "train/drafter_graph.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <tuple>

#include "base/check.h"
#include "model/drafter.h"
#include "train/ops.h"

namespace facet::train {
namespace {

using torch::Tensor;

// Keeps what the target puts into two of its caches.
class CaptureHooks : public GraphHooks {
 public:
  CaptureHooks(const GemmaConfig& target, TargetStates& out)
      : sliding_(drafter_donor(target, LayerKind::kSliding)),
        global_(drafter_donor(target, LayerKind::kGlobal)),
        out_(out) {}
  Tensor cached_key(int layer, const Tensor& k) override {
    if (layer == sliding_) out_.sliding.k = k;
    if (layer == global_) out_.global.k = k;
    return k;
  }
  Tensor cached_value(int layer, const Tensor& v) override {
    if (layer == sliding_) out_.sliding.v = v;
    if (layer == global_) out_.global.v = v;
    return v;
  }

 private:
  int sliding_, global_;
  TargetStates& out_;
};

class Steps {
 public:
  Steps(const Graph& drafter, GraphHooks& hooks, const TargetStates& target)
      : graph_(drafter), c_(drafter.config()), hooks_(hooks), target_(target) {}

  std::vector<Tensor> run(int n) const {
    const std::int64_t tokens = target_.hidden.size(1);
    FACET_CHECK(tokens > n, "a text longer than the drafts");
    std::vector<Tensor> out;
    Tensor h = target_.hidden;
    for (int i = 0; i < n; ++i) {
      const std::int64_t rows = tokens - 1 - i;
      // Row r: the token of index r + 1 + i beside the hidden state of r, or what the step before made of it.
      Tensor u = torch::cat({target_.embeddings.slice(1, 1 + i), h.slice(1, 0, rows)}, -1);
      Tensor x = linear(u, "pre_projection");
      for (int l = 0; l < c_.n_layers(); ++l) x = block(l, x, rows);
      out.push_back(norm(x, "norm.weight"));
      if (i + 1 < n) h = linear(out.back(), "post_projection");
    }
    return out;
  }

 private:
  const Tensor& parameter(const std::string& name) const { return graph_.parameters().at(name); }
  Tensor norm(const Tensor& x, const std::string& name) const { return ops::rms_norm(x, parameter(name), c_.rms_eps); }
  std::vector<Tensor> linears(const Tensor& x, const std::string& prefix, const std::vector<std::string>& names) const {
    Tensor input = hooks_.linear_input(prefix + names[0], x);
    std::vector<Tensor> weights;
    for (const std::string& name : names) {
      const std::string full = prefix + name + ".weight";
      weights.push_back(hooks_.weight(full, parameter(full)));
    }
    std::vector<Tensor> y = ops::linears(input, weights, graph_.options().compute);
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = hooks_.linear_output(prefix + names[i], y[i]);
    return y;
  }
  Tensor linear(const Tensor& x, const std::string& module) const { return linears(x, "", {module})[0]; }

  // Row r stands at position r + 1, at every step.
  Tensor block(int l, const Tensor& x, std::int64_t rows) const {
    const std::string prefix = "layers." + std::to_string(l) + ".";
    const auto& cache = c_.is_global(l) ? target_.global : target_.sliding;
    Tensor q = linear(norm(x, prefix + "input_layernorm.weight"), prefix + "self_attn.q_proj");
    q = q.reshape({x.size(0), rows, c_.n_heads, c_.head_size_of(l)});
    const auto [cos, sin] = angles(l, rows);
    q = ops::rms_norm_rope(q, parameter(prefix + "self_attn.q_norm.weight"), c_.rms_eps, cos, sin);
    // A row sees the keys below its position: shifted by one, that is what a causal row sees.
    Tensor mixed = ops::attention(q, cache.k.slice(1, 0, rows).contiguous(), cache.v.slice(1, 0, rows).contiguous(),
                                  c_.is_global(l) ? 0 : c_.sliding_window - 1);
    mixed = linear(mixed.reshape({x.size(0), rows, c_.n_heads * c_.head_size_of(l)}), prefix + "self_attn.o_proj");
    Tensor r = ops::add_rms_norm(x, mixed, parameter(prefix + "post_attention_layernorm.weight"), c_.rms_eps);
    std::vector<Tensor> gate_up =
        linears(norm(r, prefix + "pre_feedforward_layernorm.weight"), prefix, {"mlp.gate_proj", "mlp.up_proj"});
    Tensor f = linear(ops::gelu_mul(gate_up[0], gate_up[1]), prefix + "mlp.down_proj");
    return ops::add_rms_norm(r, f, parameter(prefix + "post_feedforward_layernorm.weight"), c_.rms_eps,
                             parameter(prefix + "layer_scalar"));
  }
  std::pair<Tensor, Tensor> angles(int l, std::int64_t rows) const {
    Tensor position = torch::arange(1, rows + 1, torch::kFloat64).unsqueeze(1);
    Tensor angle = position * torch::tensor(c_.rope_frequencies(l), torch::kFloat64).unsqueeze(0);
    auto place = [&](const Tensor& t) { return t.to(graph_.options().device, torch::kFloat32).contiguous(); };
    return {place(angle.cos()), place(angle.sin())};
  }

  const Graph& graph_;
  const GemmaConfig& c_;
  GraphHooks& hooks_;
  const TargetStates& target_;
};

// f(piece) for pieces of rows [.., D] whose logits are a few million, side by side: int64 [..].
template <typename F>
Tensor in_pieces(const Tensor& rows, std::int64_t vocabulary, F f) {
  constexpr std::int64_t kLogits = std::int64_t{1} << 24;
  const Tensor flat = rows.reshape({-1, rows.size(-1)});
  const std::int64_t piece = std::max<std::int64_t>(1, kLogits / vocabulary);
  std::vector<Tensor> best;
  for (std::int64_t at = 0; at < flat.size(0); at += piece)
    best.push_back(f(flat.slice(0, at, std::min(at + piece, flat.size(0)))));
  return torch::cat(best).reshape(rows.sizes().slice(0, rows.dim() - 1));
}

}  // namespace

GemmaConfig drafter_for(const GemmaConfig& target, int hidden, int ffn, int heads) {
  GemmaConfig c = target;
  c.target_hidden_size = target.hidden_size;
  c.hidden_size = hidden;
  c.ffn_size = ffn;
  c.layers.clear();
  if (drafter_donor(target, LayerKind::kSliding) >= 0) c.layers.assign(3, LayerKind::kSliding);
  if (drafter_donor(target, LayerKind::kGlobal) >= 0) c.layers.push_back(LayerKind::kGlobal);
  c.n_kv_shared_layers = c.n_layers();
  constexpr int kHeads = 4;
  const int step = std::lcm(c.n_kv_heads, c.n_global_kv_heads);
  c.n_heads = heads > 0 ? heads : (kHeads + step - 1) / step * step;
  c.ple_size = 0;
  c.n_experts = c.n_experts_used = c.expert_ffn_size = 0;
  c.double_wide_mlp = false;
  c.logit_softcap = 0;
  c.tied_head = true;
  return c;
}

TargetStates target_states(const Graph& target, const Tensor& tokens) {
  torch::NoGradGuard no_grad;
  TargetStates out;
  CaptureHooks hooks(target.config(), out);
  out.hidden = target.forward(tokens, hooks);
  out.embeddings = torch::embedding(target.parameters().at("embed_tokens.weight"), tokens) *
                   std::sqrt(static_cast<double>(target.config().hidden_size));
  return out;
}

std::vector<Tensor> draft_steps(const Graph& drafter, GraphHooks& hooks, const TargetStates& target, int n_steps) {
  return Steps(drafter, hooks, target).run(n_steps);
}

Tensor centroids(const Graph& drafter, GraphHooks& hooks) {
  return hooks.weight(kCentroidsName, drafter.parameters().at(kCentroidsName));
}

Tensor draft_tokens(const Graph& drafter, GraphHooks& hooks, const Tensor& z) {
  torch::NoGradGuard no_grad;
  const GemmaConfig& c = drafter.config();
  const Tensor head = drafter.head(hooks);
  if (c.n_clusters == 0)
    return in_pieces(z, c.vocab_size, [&](const Tensor& rows) { return ops::linear(rows, head).argmax(-1); });
  const Tensor clusters = centroids(drafter, hooks), ordering = drafter.token_ordering();
  const std::int64_t size = c.vocab_size / c.n_clusters;
  return in_pieces(z, c.vocab_size, [&](const Tensor& rows) {
    const Tensor chosen = std::get<1>(ops::linear(rows, clusters).topk(c.n_clusters_used, -1));
    const Tensor closed =
        torch::ones({rows.size(0), c.n_clusters}, rows.options().dtype(torch::kBool)).scatter_(1, chosen, false);
    // In the order of clusters, so that a cluster's tokens lie side by side.
    Tensor logits = ops::linear(rows, head).index_select(1, ordering).reshape({rows.size(0), c.n_clusters, size});
    logits = logits.masked_fill(closed.unsqueeze(-1), -std::numeric_limits<float>::infinity());
    return ordering.index_select(0, logits.reshape({rows.size(0), -1}).argmax(-1));
  });
}

Tensor best_tokens(const Graph& target, const Tensor& hidden) {
  torch::NoGradGuard no_grad;
  GraphHooks plain;
  const Tensor head = target.head(plain);
  return in_pieces(hidden, head.size(0), [&](const Tensor& rows) { return ops::linear(rows, head).argmax(-1); });
}

}  // namespace facet::train
