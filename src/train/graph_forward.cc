// The forward pass of docs/model/gemma4.md.  Names of modules and tensors are those of model/tensor_spec.h.
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "base/check.h"
#include "train/checkpoint_block.h"
#include "train/graph.h"
#include "train/ops.h"

namespace facet::train {
namespace {

using torch::Tensor;

struct Angles {
  Tensor cos, sin;  // [T, C/2]
};

struct KeyValue {
  Tensor k, v;  // [B, T, K, C], as they go into the cache
};

class Forward {
 public:
  Forward(const Graph& graph, GraphHooks& hooks, std::int64_t batch, std::int64_t tokens)
      : graph_(graph), c_(graph.config()), hooks_(hooks), batch_(batch), tokens_(tokens) {
    for (int l = 0; l < c_.n_layers(); ++l) {
      std::optional<Angles>& angles = c_.is_global(l) ? global_angles_ : sliding_angles_;
      if (!angles) angles = angles_of(c_.rope_frequencies(l));
    }
  }

  Tensor run(const Tensor& ids) {
    Tensor x = hooks_.gather("embed_tokens.weight", parameter("embed_tokens.weight"), ids) *
               std::sqrt(static_cast<double>(c_.hidden_size));
    std::vector<Tensor> ple = per_layer_inputs(ids, x);
    std::vector<KeyValue> caches(static_cast<std::size_t>(c_.n_layers()));
    for (int l = 0; l < c_.n_layers(); ++l) {
      int donor = c_.kv_donor(l);
      // Only a donor's keys and values leave its block.
      bool is_donor = false;
      for (int other = c_.first_shared_layer(); other < c_.n_layers(); ++other) is_donor |= c_.kv_donor(other) == l;
      std::vector<Tensor> inputs{x};
      if (c_.ple_size > 0) inputs.push_back(ple[static_cast<std::size_t>(l)]);
      if (!c_.owns_kv(l)) {
        inputs.push_back(caches[static_cast<std::size_t>(donor)].k);
        inputs.push_back(caches[static_cast<std::size_t>(donor)].v);
      }
      std::vector<Tensor> outputs;
      if (graph_.options().checkpoint_blocks && torch::GradMode::is_enabled()) {
        // The copy shares nothing that changes, and outlives this call.
        outputs = run_checkpointed(
            [copy = *this, l, is_donor](const std::vector<Tensor>& in) { return copy.block(l, is_donor, in); }, inputs);
      } else {
        outputs = block(l, is_donor, inputs);
      }
      x = outputs[0];
      if (is_donor) caches[static_cast<std::size_t>(l)] = {outputs[1], outputs[2]};
    }
    return norm(x, "norm.weight");
  }

 private:
  const Tensor& parameter(const std::string& name) const { return graph_.parameters().at(name); }
  Tensor weight(const std::string& name) const { return hooks_.weight(name, parameter(name)); }
  Tensor norm(const Tensor& x, const std::string& name) const { return ops::rms_norm(x, parameter(name), c_.rms_eps); }
  torch::Dtype compute() const { return graph_.options().compute; }

  Angles angles_of(const std::vector<double>& frequencies) const {
    Tensor position = torch::arange(tokens_, torch::kFloat64).unsqueeze(1);
    Tensor angle = position * torch::tensor(frequencies, torch::kFloat64).unsqueeze(0);
    auto place = [&](const Tensor& t) { return t.to(graph_.options().device, torch::kFloat32).contiguous(); };
    return {place(angle.cos()), place(angle.sin())};
  }

  // Linears that read one input, which the hooks know by the first one's name.  names: after `prefix`, without
  // ".weight".
  std::vector<Tensor> linears(const Tensor& x, const std::string& prefix, const std::vector<std::string>& names) const {
    Tensor input = hooks_.linear_input(prefix + names[0], x);
    std::vector<Tensor> weights;
    for (const std::string& name : names) weights.push_back(weight(prefix + name + ".weight"));
    std::vector<Tensor> y = ops::linears(input, weights, compute());
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = hooks_.linear_output(prefix + names[i], y[i]);
    return y;
  }
  Tensor linear(const Tensor& x, const std::string& module) const { return linears(x, "", {module})[0]; }

  // One [B, T, P] per layer; empty without per-layer embeddings.
  std::vector<Tensor> per_layer_inputs(const Tensor& ids, const Tensor& x) const {
    if (c_.ple_size == 0) return {};
    std::int64_t layers = c_.n_layers(), p = c_.ple_size;
    std::vector<std::int64_t> shape{batch_, tokens_, layers, p};
    Tensor context = linear(x, "per_layer_model_projection") * std::pow(static_cast<double>(c_.hidden_size), -0.5);
    context = norm(context.reshape(shape), "per_layer_projection_norm.weight");
    const char* table = "embed_tokens_per_layer.weight";
    Tensor token = hooks_.gather(table, parameter(table), ids).reshape(shape) * std::sqrt(static_cast<double>(p));
    return ((context + token) * std::sqrt(0.5)).permute({2, 0, 1, 3}).contiguous().unbind(0);
  }

  // inputs: x, then the layer's per-layer input if there are any, then the donor's k and v if the layer shares.
  // Returns x, and k and v where `keeps_cache`.
  std::vector<Tensor> block(int l, bool keeps_cache, const std::vector<Tensor>& inputs) const {
    std::string prefix = "layers." + std::to_string(l) + ".";
    const Tensor& x = inputs[0];
    KeyValue cache;
    if (!c_.owns_kv(l)) cache = {inputs[inputs.size() - 2], inputs[inputs.size() - 1]};
    Tensor attended = attention(l, prefix, norm(x, prefix + "input_layernorm.weight"), cache);
    Tensor r = ops::add_rms_norm(x, attended, parameter(prefix + "post_attention_layernorm.weight"), c_.rms_eps);

    Tensor f = mlp(norm(r, prefix + "pre_feedforward_layernorm.weight"), prefix);
    if (c_.has_moe())
      f = norm(f, prefix + "post_feedforward_layernorm_1.weight") +
          norm(experts(r, prefix), prefix + "post_feedforward_layernorm_2.weight");
    const Tensor& scalar = parameter(prefix + "layer_scalar");
    const Tensor& post_ffn = parameter(prefix + "post_feedforward_layernorm.weight");
    Tensor y;
    if (c_.ple_size == 0) {
      y = ops::add_rms_norm(r, f, post_ffn, c_.rms_eps, scalar);
    } else {
      y = ops::add_rms_norm(r, f, post_ffn, c_.rms_eps);
      Tensor gated = ops::gelu_mul(linear(y, prefix + "per_layer_input_gate"), inputs[1]);
      y = ops::add_rms_norm(y, linear(gated, prefix + "per_layer_projection"),
                            parameter(prefix + "post_per_layer_input_norm.weight"), c_.rms_eps, scalar);
    }
    if (keeps_cache) return {y, cache.k, cache.v};
    return {y};
  }

  // cache: filled where the layer owns one, read where it shares.
  Tensor attention(int l, const std::string& prefix, const Tensor& a, KeyValue& cache) const {
    std::int64_t size = c_.head_size_of(l), kv_heads = c_.n_kv_heads_of(l);
    const Angles& angles = c_.is_global(l) ? *global_angles_ : *sliding_angles_;
    std::vector<std::string> names{"self_attn.q_proj"};
    if (c_.owns_kv(l)) names.push_back("self_attn.k_proj");
    if (c_.owns_kv(l) && c_.has_v_proj(l)) names.push_back("self_attn.v_proj");
    std::vector<Tensor> projected = linears(a, prefix, names);
    auto heads = [&](const Tensor& t, std::int64_t n) { return t.reshape({batch_, tokens_, n, size}); };
    auto rotated = [&](const Tensor& t, std::int64_t n, const char* norm_name) {
      return ops::rms_norm_rope(heads(t, n), parameter(prefix + norm_name), c_.rms_eps, angles.cos, angles.sin);
    };
    Tensor q = rotated(projected[0], c_.n_heads, "self_attn.q_norm.weight");
    if (c_.owns_kv(l)) {
      // Without a v projection the values are the keys as projected, before norm and rotation.
      cache.k = hooks_.cached_key(l, rotated(projected[1], kv_heads, "self_attn.k_norm.weight"));
      cache.v = hooks_.cached_value(l, ops::rms_norm(heads(projected.back(), kv_heads), {}, c_.rms_eps));
    }
    Tensor y = ops::attention(q, cache.k, cache.v, c_.is_global(l) ? 0 : c_.sliding_window);
    return linear(y.reshape({batch_, tokens_, c_.n_heads * size}), prefix + "self_attn.o_proj");
  }

  Tensor mlp(const Tensor& m, const std::string& prefix) const {
    std::vector<Tensor> gate_up = linears(m, prefix, {"mlp.gate_proj", "mlp.up_proj"});
    return linear(ops::gelu_mul(gate_up[0], gate_up[1]), prefix + "mlp.down_proj");
  }

  // The sum over the chosen experts, before its norm.  r: the stream after attention.
  Tensor experts(const Tensor& r, const std::string& prefix) const {
    std::int64_t d = c_.hidden_size, width = c_.expert_ffn_size;
    // The router reads the raw stream through a norm of its own; always in f32.
    Tensor routed = ops::rms_norm(r, {}, c_.rms_eps) *
                    (parameter(prefix + "router.scale") * std::pow(static_cast<double>(d), -0.5));
    routed = hooks_.linear_input(prefix + "router.proj", routed.reshape({-1, d}));
    Tensor scores =
        hooks_.linear_output(prefix + "router.proj", ops::linear(routed, weight(prefix + "router.proj.weight")));
    auto [top, chosen] = torch::softmax(scores, -1).topk(c_.n_experts_used, -1);
    Tensor share =
        top / top.sum(-1, /*keepdim=*/true) *
        parameter(prefix + "router.per_expert_scale").index_select(0, chosen.reshape({-1})).reshape(chosen.sizes());

    std::string up_name = prefix + "experts.gate_up_proj", down_name = prefix + "experts.down_proj";
    Tensor z = norm(r, prefix + "pre_feedforward_layernorm_2.weight").reshape({-1, d});
    z = hooks_.linear_input(up_name, z);
    // unbind, not indexing: its backward fills one gradient for all experts.
    std::vector<Tensor> up = weight(up_name).unbind(0), down = weight(down_name).unbind(0);
    std::vector<Tensor> outputs, rows;
    for (std::int64_t e = 0; e < c_.n_experts; ++e) {
      std::vector<Tensor> where = torch::where(chosen == e);  // token, slot
      if (where[0].numel() == 0) continue;
      Tensor gate_up = ops::linear(z.index_select(0, where[0]), up[static_cast<std::size_t>(e)], compute());
      gate_up = hooks_.linear_output(up_name, gate_up);
      Tensor h = ops::gelu_mul(gate_up.slice(-1, 0, width), gate_up.slice(-1, width));
      h = hooks_.linear_input(down_name, h);
      h = hooks_.linear_output(down_name, ops::linear(h, down[static_cast<std::size_t>(e)], compute()));
      outputs.push_back(h * share.index({where[0], where[1]}).unsqueeze(-1));
      rows.push_back(where[0]);
    }
    return torch::zeros_like(z).index_add(0, torch::cat(rows), torch::cat(outputs)).reshape(r.sizes());
  }

  const Graph& graph_;
  const GemmaConfig& c_;
  GraphHooks& hooks_;
  std::int64_t batch_, tokens_;
  std::optional<Angles> sliding_angles_, global_angles_;
};

}  // namespace

Tensor Graph::forward(const Tensor& tokens, GraphHooks& hooks) const {
  FACET_CHECK(tokens.dim() == 2 && tokens.scalar_type() == torch::kInt64, "tokens are int64 [B, T]");
  return Forward(*this, hooks, tokens.size(0), tokens.size(1)).run(tokens);
}

Tensor Graph::head(GraphHooks& hooks) const {
  const char* name = config_.tied_head ? "embed_tokens.weight" : "lm_head.weight";
  return hooks.weight(name, parameters_.at(name));
}

Tensor Graph::logits(const Tensor& hidden, GraphHooks& hooks) const {
  Tensor z = ops::linear(hidden, head(hooks), options_.compute);
  float cap = config_.logit_softcap;
  return cap > 0 ? cap * torch::tanh(z / cap) : z;
}

}  // namespace facet::train
