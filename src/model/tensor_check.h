// tensor_check.h: what both loaders ask of tensors, and how they say that one is missing.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "quant/codec.h"

namespace facet {

// For vectors: norms, scalars, router scales.
inline bool all_finite(const TensorView& view) {
  std::vector<float> values(static_cast<std::size_t>(element_count(view.shape)));
  decode_rows(view, 0, view.rows(), values);
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

// The bytes of an aligned f32 view as floats.
inline std::span<const float> floats_of(const TensorView& view) {
  return {reinterpret_cast<const float*>(view.bytes.data()), view.bytes.size() / sizeof(float)};
}

inline std::string missing_tensor(const std::string& where, const std::string& first, int n_missing) {
  std::string others = n_missing > 1 ? fmt::format(", and {} more,", n_missing - 1) : "";
  return fmt::format("{}: tensor '{}'{} is missing; cut short, or made for another config?", where, first, others);
}

}  // namespace facet
