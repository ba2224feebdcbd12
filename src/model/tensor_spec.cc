#include "model/tensor_spec.h"

#include <fmt/format.h>

namespace facet {

std::vector<TensorSpec> tensor_specs(const GemmaConfig& c) {
  std::vector<TensorSpec> out;
  std::int64_t D = c.hidden_size, V = c.vocab_size, P = c.ple_size, L = c.n_layers();
  auto matrix = [&](Role role, int layer, std::string name, std::string gguf, Shape shape) {
    out.push_back({role, layer, std::move(name), std::move(gguf), std::move(shape), true});
  };
  auto vector = [&](Role role, int layer, std::string name, std::string gguf, std::int64_t n) {
    out.push_back({role, layer, std::move(name), std::move(gguf), {n}, false});
  };
  matrix(Role::kEmbedding, -1, "embed_tokens.weight", "token_embd.weight", {V, D});
  if (!c.tied_head) matrix(Role::kHead, -1, "lm_head.weight", "output.weight", {V, D});
  if (P > 0) {
    matrix(Role::kPleTable, -1, "embed_tokens_per_layer.weight", "per_layer_token_embd.weight", {V, L * P});
    matrix(Role::kPleModelProj, -1, "per_layer_model_projection.weight", "per_layer_model_proj.weight", {L * P, D});
    vector(Role::kPleProjNorm, -1, "per_layer_projection_norm.weight", "per_layer_proj_norm.weight", P);
  }
  vector(Role::kOutputNorm, -1, "norm.weight", "output_norm.weight", D);
  if (c.is_drafter()) {
    const std::int64_t target = c.target_hidden_size;
    matrix(Role::kPreProjection, -1, "pre_projection.weight", "nextn.pre_projection.weight", {D, 2 * target});
    matrix(Role::kPostProjection, -1, "post_projection.weight", "nextn.post_projection.weight", {target, D});
    if (c.n_clusters > 0)
      matrix(Role::kCentroids, -1, "masked_embedding.centroids.weight", "masked_embd_centroids.weight",
             {c.n_clusters, D});
  }
  for (int l = 0; l < L; ++l) {
    std::int64_t C = c.head_size_of(l), q = c.n_heads * C, kv = c.n_kv_heads_of(l) * C, F = c.ffn_size_of(l);
    auto m = [&](Role role, const char* name, const char* gguf, Shape shape) {
      matrix(role, l, fmt::format("layers.{}.{}", l, name), fmt::format("blk.{}.{}", l, gguf), std::move(shape));
    };
    auto v = [&](Role role, const char* name, const char* gguf, std::int64_t n) {
      vector(role, l, fmt::format("layers.{}.{}", l, name), fmt::format("blk.{}.{}", l, gguf), n);
    };
    v(Role::kAttnNorm, "input_layernorm.weight", "attn_norm.weight", D);
    m(Role::kQ, "self_attn.q_proj.weight", "attn_q.weight", {q, D});
    v(Role::kQNorm, "self_attn.q_norm.weight", "attn_q_norm.weight", C);
    if (c.owns_kv(l)) {
      m(Role::kK, "self_attn.k_proj.weight", "attn_k.weight", {kv, D});
      v(Role::kKNorm, "self_attn.k_norm.weight", "attn_k_norm.weight", C);
      if (c.has_v_proj(l)) m(Role::kV, "self_attn.v_proj.weight", "attn_v.weight", {kv, D});
    }
    m(Role::kO, "self_attn.o_proj.weight", "attn_output.weight", {D, q});
    v(Role::kPostAttnNorm, "post_attention_layernorm.weight", "post_attention_norm.weight", D);
    v(Role::kFfnNorm, "pre_feedforward_layernorm.weight", "ffn_norm.weight", D);
    m(Role::kGate, "mlp.gate_proj.weight", "ffn_gate.weight", {F, D});
    m(Role::kUp, "mlp.up_proj.weight", "ffn_up.weight", {F, D});
    m(Role::kDown, "mlp.down_proj.weight", "ffn_down.weight", {D, F});
    v(Role::kPostFfnNorm, "post_feedforward_layernorm.weight", "post_ffw_norm.weight", D);
    if (c.has_moe()) {
      std::int64_t E = c.n_experts, X = c.expert_ffn_size;
      m(Role::kRouter, "router.proj.weight", "ffn_gate_inp.weight", {E, D});
      v(Role::kRouterScale, "router.scale", "ffn_gate_inp.scale", D);
      v(Role::kExpertScale, "router.per_expert_scale", "ffn_down_exps.scale", E);
      m(Role::kExpertsGateUp, "experts.gate_up_proj", "ffn_gate_up_exps.weight", {E, 2 * X, D});
      m(Role::kExpertsDown, "experts.down_proj", "ffn_down_exps.weight", {E, D, X});
      v(Role::kFfnNorm2, "pre_feedforward_layernorm_2.weight", "pre_ffw_norm_2.weight", D);
      v(Role::kPostFfnNorm1, "post_feedforward_layernorm_1.weight", "post_ffw_norm_1.weight", D);
      v(Role::kPostFfnNorm2, "post_feedforward_layernorm_2.weight", "post_ffw_norm_2.weight", D);
    }
    if (P > 0) {
      m(Role::kPleGate, "per_layer_input_gate.weight", "inp_gate.weight", {P, D});
      m(Role::kPleProj, "per_layer_projection.weight", "proj.weight", {D, P});
      v(Role::kPostPleNorm, "post_per_layer_input_norm.weight", "post_norm.weight", D);
    }
    v(Role::kLayerScalar, "layer_scalar", "layer_output_scale.weight", 1);
  }
  return out;
}

std::string module_name(const TensorSpec& spec) {
  constexpr std::string_view kWeight = ".weight";
  std::string name = spec.name;
  if (name.ends_with(kWeight)) name.resize(name.size() - kWeight.size());
  return name;
}

bool is_linear(Role role) {
  switch (role) {
    case Role::kHead:
    case Role::kPleModelProj:
    case Role::kQ:
    case Role::kK:
    case Role::kV:
    case Role::kO:
    case Role::kGate:
    case Role::kUp:
    case Role::kDown:
    case Role::kPleGate:
    case Role::kPleProj:
    case Role::kRouter:
    case Role::kExpertsGateUp:
    case Role::kExpertsDown:
    case Role::kPreProjection:
    case Role::kPostProjection:
    case Role::kCentroids:
      return true;
    default:
      return false;
  }
}

}  // namespace facet
