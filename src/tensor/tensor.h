// tensor.h: named, typed, row-major arrays: a view of bytes somebody else owns, and an owning one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tensor/dtype.h"

namespace facet {

// Dimensions, slowest first: a weight of a linear layer is {out, in}; experts are {n_experts, out, in}.
using Shape = std::vector<std::int64_t>;

std::int64_t element_count(const Shape& shape);  // product; shapes are checked for overflow where they enter
std::string to_string(const Shape& shape);       // "512x2048"

// Rows of `cols` elements (the last dimension), one after another.  Views live as long as what they were made from.
struct TensorView {
  DType dtype = DType::kF32;
  Shape shape;
  std::span<const std::byte> bytes;   // rows() * row_bytes
  std::span<const float> row_scales;  // mobile types: rows() * groups values, else empty

  std::int64_t cols() const { return shape.empty() ? 1 : shape.back(); }
  std::int64_t rows() const { return cols() == 0 ? 0 : element_count(shape) / cols(); }
  // Scale groups per row (1 for linears; the layer count for a per-layer embedding table).
  std::int64_t groups() const { return row_scales.empty() ? 0 : static_cast<std::int64_t>(row_scales.size()) / rows(); }
};

// A tensor that owns its bytes.
struct Tensor {
  DType dtype = DType::kF32;
  Shape shape;
  std::vector<std::byte> bytes;
  std::vector<float> row_scales;

  // bytes zero-filled.  The shape must suit the dtype (FACET_CHECK).
  static Tensor zeros(DType dtype, Shape shape);
  static Tensor from_floats(Shape shape, std::span<const float> values);
  TensorView view() const { return {dtype, shape, bytes, row_scales}; }
  // kF32 only.
  std::span<float> floats();
  std::span<const float> floats() const;
};

}  // namespace facet
