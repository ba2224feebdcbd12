#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/rng.h"
#include "model/drafter.h"
#include "model/row_pass.h"
#include "quant/grid.h"
#include "quant/q4_0.h"

namespace facet {
namespace {

// One row of floats in `type`, into `out`.
Status encode_into(DType type, std::span<const float> values, DType stored, std::span<std::byte> out) {
  if (type == DType::kQ4_0) {
    constexpr std::size_t kWeights = Q4_0Block::kWeights;
    for (std::size_t b = 0; b < values.size() / kWeights; ++b) {
      const auto w = values.subspan(b * kWeights, kWeights);
      Q4_0Block block;
      if (!recover_block(w, stored, block)) FACET_TRY(encode_row(w, std::span(&block, 1)));
      std::memcpy(out.data() + b * sizeof block, &block, sizeof block);
    }
    return {};
  }
  FACET_ASSIGN(const Tensor row, encode(type, {std::ssize(values)}, values));
  std::memcpy(out.data(), row.bytes.data(), out.size());
  return {};
}

}  // namespace

void drop_clusters(Checkpoint& drafter) {
  drafter.tensors.erase("masked_embedding.centroids.weight");
  drafter.token_ordering.clear();
  drafter.config.n_clusters = drafter.config.n_clusters_used = 0;
}

Result<Checkpoint> convert_drafter(const Checkpoint& drafter, DType type, ThreadPool& pool) {
  Checkpoint out = drafter;
  for (const TensorSpec& spec : tensor_specs(drafter.config)) {
    const TensorView& view = drafter.tensors.at(spec.name);
    if (!spec.is_matrix) {
      // A GGUF has them as F32: back to what they were, so that going there and back changes no byte.
      const Tensor values = decode(view), narrow = *encode(DType::kBF16, spec.shape, values.floats());
      if (view.dtype != DType::kBF16 && std::ranges::equal(decode(narrow.view()).floats(), values.floats()))
        out.set(spec.name, narrow);
      continue;
    }
    if (view.dtype == type) continue;
    const auto stride = row_bytes(type, view.cols());
    if (!stride)
      return invalid_argument(
          fmt::format("{}: rows of {} weights do not fit {}", spec.name, view.cols(), info(type).name));
    // Values that were rounded to a float type are looked for on the grid as that type has them.
    const DType stored = is_float(view.dtype) ? view.dtype : DType::kF32;
    Tensor made = Tensor::zeros(type, spec.shape);
    FACET_TRY(for_rows(
        drafter, spec.name, view, pool,
        [&](std::int64_t row, std::span<const float> values) -> Status {
          if (!std::ranges::all_of(values, [](float v) { return std::isfinite(v); })) return corrupt("NaN or infinity");
          return encode_into(type, values, stored,
                             std::span(made.bytes).subspan(static_cast<std::size_t>(row) * *stride, *stride));
        },
        [](std::int64_t) { return Status(); }));
    out.set(spec.name, std::move(made));
  }
  return out;
}

std::vector<int> random_token_ordering(const GemmaConfig& config, std::uint64_t seed) {
  std::vector<int> out;
  if (config.n_clusters == 0) return out;
  for (int token = 0; token < config.vocab_size; ++token) out.push_back(token);
  Rng rng(seed, /*stream=*/0);
  for (int i = config.vocab_size - 1; i > 0; --i)
    std::swap(out[static_cast<std::size_t>(i)], out[rng.below(static_cast<std::uint32_t>(i + 1))]);
  return out;
}

}  // namespace facet
