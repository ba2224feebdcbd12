// tiny_configs.h: small models with the whole topology, for tests: sliding and global layers, sharing, per-layer
// embeddings, experts. Every width is a multiple of `unit`'s needs: unit 32 makes all rows multiples of 32 (Q4_0
// applies), unit 8 keeps them tiny.
#pragma once

#include "model/config.h"

namespace facet {

inline GemmaConfig tiny_base(int unit) {
  GemmaConfig c;
  c.vocab_size = 384;
  c.hidden_size = 2 * unit;
  c.ffn_size = 3 * unit;
  c.n_heads = 4;
  c.n_kv_heads = c.n_global_kv_heads = 2;
  c.head_size = unit;
  c.global_head_size = 2 * unit;
  c.sliding_window = 8;
  c.max_positions = 512;
  c.logit_softcap = 30.0f;
  return c;
}

inline std::vector<LayerKind> tiny_layers(const char* pattern) {  // "sssgssg": s sliding, g global
  std::vector<LayerKind> out;
  for (; *pattern; ++pattern) out.push_back(*pattern == 'g' ? LayerKind::kGlobal : LayerKind::kSliding);
  return out;
}

// Like E2B: per-layer embeddings, half the layers share caches and are twice as wide.
inline GemmaConfig tiny_e(int unit = 32) {
  GemmaConfig c = tiny_base(unit);
  c.layers = tiny_layers("ssssgssssg");
  c.n_kv_shared_layers = 5;
  c.double_wide_mlp = true;
  c.ple_size = unit;
  return c;
}

// Like 12B and 31B: keys serve as values on global layers.
inline GemmaConfig tiny_k_eq_v_dense(int unit = 32) {
  GemmaConfig c = tiny_base(unit);
  c.layers = tiny_layers("sssssg");
  c.k_eq_v = true;
  c.n_global_kv_heads = 1;
  return c;
}

// Like 26B-A4B: experts beside the dense MLP.
inline GemmaConfig tiny_moe(int unit = 32) {
  GemmaConfig c = tiny_k_eq_v_dense(unit);
  c.n_experts = 8;
  c.n_experts_used = 2;
  c.expert_ffn_size = unit;
  return c;
}

// No release combines all of this, but the architecture allows it.
inline GemmaConfig tiny_everything(int unit = 32) {
  GemmaConfig c = tiny_moe(unit);
  c.layers = tiny_layers("ssgsg");
  c.n_experts = 4;
  c.sliding_window = 4;
  c.n_kv_shared_layers = 2;
  c.double_wide_mlp = true;
  c.ple_size = unit;
  return c;
}

// A drafter for a tiny model: three sliding layers and a global one.  n_clusters: 0 = a dense head, else a divisor of
// 384.
inline GemmaConfig tiny_drafter(const GemmaConfig& target, int n_clusters = 0, int unit = 32) {
  GemmaConfig c = tiny_base(unit);
  c.hidden_size = unit;
  c.target_hidden_size = target.hidden_size;
  c.n_kv_heads = target.n_kv_heads;
  c.n_global_kv_heads = target.n_global_kv_heads;
  c.k_eq_v = target.k_eq_v;
  c.head_size = target.head_size;
  c.global_head_size = target.global_head_size;
  c.sliding_window = target.sliding_window;
  c.max_positions = target.max_positions;
  c.layers = tiny_layers("sssg");
  c.n_kv_shared_layers = c.n_layers();
  c.logit_softcap = 0;
  c.n_clusters = n_clusters;
  c.n_clusters_used = n_clusters / 4;
  return c;
}

}  // namespace facet
