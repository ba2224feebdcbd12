#include <cmath>

#include "base/check.h"
#include "base/rng.h"
#include "model/checkpoint.h"
#include "model/drafter.h"
#include "model/random_weights.h"
#include "quant/codec.h"

namespace facet {

Distribution distribution_of(const TensorSpec& spec) {
  if (spec.is_matrix) {
    float fan_in = static_cast<float>(spec.shape.back());
    switch (spec.role) {
      case Role::kEmbedding:
      case Role::kHead:
        return {0, 1.5f / std::sqrt(fan_in)};
      case Role::kPleTable:
        return {0, 0.25f};
      case Role::kRouter:
        return {0, 2.0f};  // spread logits: near ties in the top-k would make comparisons a matter of luck
      default:
        return {0, 1.0f / std::sqrt(fan_in)};
    }
  }
  switch (spec.role) {
    case Role::kLayerScalar:
      return {0.7f, 0.1f};
    case Role::kExpertScale:
      return {1.2f, 0.3f};
    default:
      return {1.0f, 0.2f};
  }
}

float calming_factor(const TensorSpec& spec) {
  switch (spec.role) {
    case Role::kQNorm:
      return 1.5f / std::sqrt(static_cast<float>(spec.shape[0]));
    case Role::kPostAttnNorm:
    case Role::kPostFfnNorm:
      return 0.3f;
    default:
      return 1.0f;
  }
}

Checkpoint random_checkpoint(const GemmaConfig& config, std::uint64_t seed) {
  FACET_CHECK(config.validate().ok(), "random_checkpoint needs a valid config");
  Checkpoint out;
  out.config = config;
  std::uint64_t stream = 0;
  for (const TensorSpec& spec : tensor_specs(config)) {
    Rng rng(seed, ++stream);
    Distribution d = distribution_of(spec);
    Tensor t = Tensor::zeros(DType::kF32, spec.shape);
    for (float& v : t.floats()) v = d.mean + d.deviation * rng.normal();
    out.set(spec.name, std::move(t));
  }
  out.token_ordering = random_token_ordering(config, seed);
  return out;
}

Checkpoint calm_random_checkpoint(const GemmaConfig& config, std::uint64_t seed) {
  Checkpoint c = random_checkpoint(config, seed);
  for (const TensorSpec& spec : tensor_specs(config)) {
    const float factor = calming_factor(spec);
    if (factor == 1.0f) continue;
    Tensor t = decode(c.tensors.at(spec.name));
    for (float& v : t.floats()) v *= factor;
    c.set(spec.name, std::move(t));
  }
  return c;
}

}  // namespace facet
