#include "engine/plan.h"

#include <algorithm>

#include "engine/drafter.h"
#include "engine/forward.h"
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

namespace {

// What a model's file holds.
MemoryPlan plan_tensors(const Model& model) {
  MemoryPlan plan;
  for (const TensorSpec& spec : tensor_specs(model.config())) {
    const TensorView& t = model.checkpoint().tensors.at(spec.name);
    const std::uint64_t bytes = t.bytes.size() + t.row_scales.size_bytes();
    const bool only_gathered =
        spec.role == Role::kPleTable || (spec.role == Role::kEmbedding && !model.config().tied_head);
    if (!spec.is_matrix)
      plan.vectors += static_cast<std::uint64_t>(element_count(t.shape)) * sizeof(float);
    else if (only_gathered)
      plan.tables += bytes;
    else if (spec.role == Role::kExpertsGateUp || spec.role == Role::kExpertsDown)
      plan.experts += bytes;
    else
      plan.weights += bytes;
  }
  return plan;
}

}  // namespace

MemoryPlan plan_memory(const Session& session) {
  constexpr std::uint64_t kProgram = 16 << 20;
  const Model& model = session.model();
  MemoryPlan plan = plan_tensors(model);
  plan.cache = session.cache_bytes();
  plan.buffers = session.buffer_bytes();
  plan.logits = std::uint64_t(model.config().vocab_size) * sizeof(float);
  plan.program = kProgram;
  return plan;
}

MemoryPlan plan_memory(const Drafter& drafter, int n_max) {
  const Model& model = drafter.model();
  const std::uint64_t row = std::uint64_t(model.config().vocab_size) * sizeof(float);
  MemoryPlan plan = plan_tensors(model);
  plan.vectors += model.checkpoint().token_ordering.size() * sizeof(int);
  plan.buffers = drafter.buffer_bytes() - row;
  plan.logits = row * std::uint64_t(1 + n_max);
  return plan;
}

MemoryPlan operator+(const MemoryPlan& a, const MemoryPlan& b) {
  MemoryPlan sum = a;
  for (auto part : {&MemoryPlan::weights, &MemoryPlan::experts, &MemoryPlan::tables, &MemoryPlan::vectors,
                    &MemoryPlan::cache, &MemoryPlan::buffers, &MemoryPlan::logits, &MemoryPlan::program})
    sum.*part += b.*part;
  return sum;
}

Status check_memory(const MemoryPlan& plan, std::uint64_t limit) {
  if (limit == 0 || plan.resident() <= limit) return {};
  auto megabytes = [](std::uint64_t bytes) { return std::to_string(bytes / 1000000) + " MB"; };
  return no_resources("the plan needs " + megabytes(plan.resident()) + ", the limit is " + megabytes(limit) +
                      " (weights " + megabytes(plan.weights + plan.experts + plan.vectors) + ", cache " +
                      megabytes(plan.cache) + ", activations " + megabytes(plan.buffers + plan.logits) +
                      "); a shorter context or a smaller batch needs less");
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
