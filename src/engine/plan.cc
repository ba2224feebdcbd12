#include "engine/plan.h"

#include <algorithm>

#include "engine/kv_cache.h"

namespace facet {

std::uint64_t byte_size(const Linear& w) {
  if (w.data == nullptr) return 0;
  const auto rows = static_cast<std::uint64_t>(w.rows);
  return rows * (*row_bytes(w.dtype, w.cols) + (w.row_scales != nullptr ? sizeof(float) : 0));
}

std::uint64_t weight_bytes_per_token(const Model& model) {
  const GemmaConfig& c = model.config();
  std::uint64_t bytes = byte_size(model.head()) + byte_size(model.ple_model_proj());
  for (const LayerWeights& w : model.layers()) {
    for (const Linear* linear : {&w.q, &w.k, &w.v, &w.o, &w.gate, &w.up, &w.down, &w.ple_gate, &w.ple_proj, &w.router})
      bytes += byte_size(*linear);
    if (c.has_moe())
      bytes += (byte_size(w.experts_gate_up[0]) + byte_size(w.experts_down[0])) * std::uint64_t(c.n_experts_used);
  }
  for (const TensorView* table : {&model.embedding(), &model.ple_table()})
    if (!table->shape.empty()) bytes += *row_bytes(table->dtype, table->cols());
  return bytes;
}

std::uint64_t cache_bytes_per_token(const Model& model, const SessionOptions& options, int position) {
  const GemmaConfig& c = model.config();
  std::uint64_t bytes = 0;
  for (int l = 0; l < c.n_layers(); ++l) {
    const int seen = c.is_global(l) ? position + 1 : std::min(position + 1, c.sliding_window);
    bytes += std::uint64_t(seen) * std::uint64_t(cache_bytes_per_position(model, options, c.kv_donor(l)));
  }
  return bytes;
}

}  // namespace facet
