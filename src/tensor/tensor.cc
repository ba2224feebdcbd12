#include "tensor/tensor.h"

#include <cstring>

#include "base/check.h"

namespace facet {

std::int64_t element_count(const Shape& shape) {
  std::int64_t n = 1;
  for (auto d : shape) n *= d;
  return n;
}

std::string to_string(const Shape& shape) {
  if (shape.empty()) return "scalar";
  std::string out;
  for (auto d : shape) out += (out.empty() ? "" : "x") + std::to_string(d);
  return out;
}

Tensor Tensor::zeros(DType dtype, Shape shape) {
  std::int64_t cols = shape.empty() ? 1 : shape.back();
  auto bytes_per_row = row_bytes(dtype, cols);
  FACET_CHECK(bytes_per_row.has_value(), "the last dimension must be a multiple of the block");
  std::int64_t rows = cols == 0 ? 0 : element_count(shape) / cols;
  Tensor t;
  t.dtype = dtype;
  t.shape = std::move(shape);
  t.bytes.resize(static_cast<std::size_t>(rows) * *bytes_per_row);
  return t;
}

Tensor Tensor::from_floats(Shape shape, std::span<const float> values) {
  FACET_CHECK(element_count(shape) == static_cast<std::int64_t>(values.size()), "one value per element");
  Tensor t = zeros(DType::kF32, std::move(shape));
  if (!values.empty()) std::memcpy(t.bytes.data(), values.data(), values.size_bytes());
  return t;
}

std::span<float> Tensor::floats() {
  FACET_CHECK(dtype == DType::kF32, "floats() is for f32 tensors");
  return {reinterpret_cast<float*>(bytes.data()), bytes.size() / sizeof(float)};
}

std::span<const float> Tensor::floats() const { return const_cast<Tensor*>(this)->floats(); }

}  // namespace facet
