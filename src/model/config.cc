#include "model/config.h"

#include <fmt/format.h>

#include <cmath>

namespace facet {

int GemmaConfig::kv_donor(int l) const {
  if (owns_kv(l)) return l;
  for (int d = first_shared_layer() - 1; d >= 0; --d)
    if (layers[d] == layers[l]) return d;
  return -1;  // a drafter; validate() refuses others of this kind
}

std::vector<double> GemmaConfig::rope_frequencies(int l) const {
  int size = head_size_of(l), half = size / 2;
  std::vector<double> out(static_cast<std::size_t>(half), 0.0);
  if (!is_global(l)) {
    for (int i = 0; i < half; ++i) out[i] = std::pow(rope_theta, -2.0 * i / size);
    return out;
  }
  auto rotated = static_cast<int>(rope_partial_global * size / 2);
  for (int i = 0; i < rotated && i < half; ++i)
    out[i] = std::pow(rope_theta_global, -2.0 * i / size) / rope_factor_global;
  return out;
}

Status GemmaConfig::validate() const {
  auto in_range = [](const char* name, std::int64_t v, std::int64_t low, std::int64_t high) -> Status {
    if (v >= low && v <= high) return {};
    return corrupt(fmt::format("config: {} is {}, expected {} to {}", name, v, low, high));
  };
  FACET_TRY(in_range("vocab_size", vocab_size, 1, 1 << 24));
  FACET_TRY(in_range("hidden_size", hidden_size, 1, 1 << 20));
  FACET_TRY(in_range("intermediate_size", ffn_size, 1, 1 << 22));
  FACET_TRY(in_range("num_hidden_layers", n_layers(), 1, 1024));
  FACET_TRY(in_range("num_attention_heads", n_heads, 1, 4096));
  FACET_TRY(in_range("num_key_value_heads", n_kv_heads, 1, n_heads));
  FACET_TRY(in_range("num_global_key_value_heads", n_global_kv_heads, 1, n_heads));
  FACET_TRY(in_range("head_dim", head_size, 2, 1 << 14));
  FACET_TRY(in_range("global_head_dim", global_head_size, 2, 1 << 14));
  FACET_TRY(in_range("sliding_window", sliding_window, 1, 1 << 24));
  FACET_TRY(in_range("max_position_embeddings", max_positions, 1, 1 << 24));
  if (is_drafter())
    FACET_TRY(in_range("num_kv_shared_layers of a drafter", n_kv_shared_layers, n_layers(), n_layers()));
  else
    FACET_TRY(in_range("num_kv_shared_layers", n_kv_shared_layers, 0, n_layers() - 1));
  FACET_TRY(in_range("hidden_size_per_layer_input", ple_size, 0, 1 << 16));
  if (head_size % 2 != 0 || global_head_size % 2 != 0)
    return corrupt(
        fmt::format("config: head sizes {} and {} must be even (RoPE rotates pairs)", head_size, global_head_size));
  if (n_heads % n_kv_heads != 0 || n_heads % n_global_kv_heads != 0)
    return corrupt(fmt::format("config: {} heads are not a multiple of {} and {} key/value heads", n_heads, n_kv_heads,
                               n_global_kv_heads));
  // Only layers without a v projection can have their own number of heads: the reference reads the key for those alone.
  if (!k_eq_v && n_global_kv_heads != n_kv_heads)
    return corrupt(
        fmt::format("config: global layers have {} key/value heads and sliding ones {}, which needs attention_k_eq_v",
                    n_global_kv_heads, n_kv_heads));
  if (!is_global(n_layers() - 1)) return corrupt("config: the last layer must be full_attention");
  if (!(rms_eps > 0) || !(rms_eps < 1)) return corrupt(fmt::format("config: rms_norm_eps is {}", rms_eps));
  if (!(logit_softcap >= 0) || !std::isfinite(logit_softcap))
    return corrupt(fmt::format("config: final_logit_softcapping is {}", logit_softcap));
  for (double v : {rope_theta, rope_theta_global, rope_factor_global})
    if (!(v > 0) || !std::isfinite(v))
      return corrupt(fmt::format("config: a rope parameter is {}, expected a positive number", v));
  if (!(rope_partial_global > 0 && rope_partial_global <= 1))
    return corrupt(fmt::format("config: partial_rotary_factor is {}, expected 0 to 1", rope_partial_global));
  if (is_drafter()) {
    FACET_TRY(in_range("backbone_hidden_size", target_hidden_size, 1, 1 << 20));
    if (ple_size != 0 || has_moe() || double_wide_mlp || logit_softcap != 0)
      return corrupt("config: a drafter has no per-layer inputs, experts, double-wide layers or soft cap");
    // A draft sees the keys below its own position, one fewer than a token does.
    FACET_TRY(in_range("sliding_window of a drafter", sliding_window, 2, 1 << 24));
    FACET_TRY(in_range("num_centroids", n_clusters, 0, vocab_size));
    FACET_TRY(in_range("centroid_intermediate_top_k", n_clusters_used, n_clusters > 0 ? 1 : 0, n_clusters));
    if (n_clusters > 0 && vocab_size % n_clusters != 0)
      return corrupt(
          fmt::format("config: {} tokens cannot be cut into {} clusters of one size", vocab_size, n_clusters));
  } else if (n_clusters != 0 || n_clusters_used != 0) {
    return corrupt("config: an ordered head without backbone_hidden_size");
  }
  for (int l = first_shared_layer(); l < n_layers() && !is_drafter(); ++l)
    if (kv_donor(l) < 0)
      return corrupt(fmt::format("config: layer {} shares a cache but no layer of its kind owns one", l));
  if (has_moe()) {
    FACET_TRY(in_range("num_experts", n_experts, 1, 1 << 16));
    FACET_TRY(in_range("top_k_experts", n_experts_used, 1, n_experts));
    FACET_TRY(in_range("moe_intermediate_size", expert_ffn_size, 1, 1 << 22));
  }
  auto token = [&](const char* name, int id) { return in_range(name, id, 0, vocab_size - 1); };
  FACET_TRY(token("pad_token_id", pad_token));
  FACET_TRY(token("bos_token_id", bos_token));
  for (int id : eos_tokens) FACET_TRY(token("eos_token_id", id));
  for (int id : suppressed_tokens) FACET_TRY(token("suppress_tokens", id));
  return {};
}

}  // namespace facet
