// codec.h: encode and decode whole tensors of any DType; the one door for loaders, exporters and tests.
#pragma once

#include <span>

#include "facet/status.h"
#include "tensor/tensor.h"

namespace facet {

// Decodes rows [row, row + n) into n * cols floats.
void decode_rows(const TensorView& tensor, std::int64_t row, std::int64_t n, std::span<float> out);
// Element `row` only; for embedding gathers.
inline void decode_row(const TensorView& tensor, std::int64_t row, std::span<float> out) {
  decode_rows(tensor, row, 1, out);
}
// The whole tensor as f32.
Tensor decode(const TensorView& tensor);

// Encodes f32 `values` (shape's element count) by the type's plain rule: floats RNE; Q8_0 and Q4_0 by ggml's rule; Q4_K
// and Q6_K by q4_k.h and q6_k.h.  Not for the row types, which need scales: see encode_rows.  kUnsupported:
// is_read_only(type).  kCorrupt names the first non-finite element.
Result<Tensor> encode(DType type, const Shape& shape, std::span<const float> values);
// Row types: row_scales has rows * groups values; cols divisible by groups.
Result<Tensor> encode_rows(DType type, const Shape& shape, std::span<const float> values,
                           std::span<const float> row_scales);
// Q4_0 with given block scales (rows * cols / 32).
Result<Tensor> encode_q4_0_with_scales(const Shape& shape, std::span<const float> values,
                                       std::span<const float> scales);

int bits_of(DType row_type);       // kI2Row -> 2 ...
DType row_type_of_bits(int bits);  // 2 -> kI2Row ...

}  // namespace facet
