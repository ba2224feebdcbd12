// encode_matrix.h: quantization of a matrix that looks at the weights alone (rtn, mse), or at one importance per
// column.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "facet/status.h"
#include "tensor/tensor.h"

namespace facet {

struct EncodedMatrix {
  Tensor tensor;
  double relative_error = 0.0;  // |W - decoded W| / |W|
};

// Encodes a float tensor, a few rows at a time.  search: scales by squared error, else the plain rules; groups: scales
// per row of the row types.  kCorrupt names the first weight that is not finite.
Result<EncodedMatrix> encode_matrix(const std::string& name, const TensorView& source, DType type, int groups,
                                    bool search, ThreadPool& pool);

// Rewrites w[rows, cols] by its decoded quantization with searched scales (row types: one per row; kQ4_0: one per block
// of 32). importance: one per column, or empty.  For kQ4_0 it enters by ggml's formula, o_j = importance_j *
// sqrt(mean(w^2) + w_j^2).
void quantize_by_search(DType type, std::span<float> w, int cols, std::span<const float> importance,
                        std::span<float> scales, ThreadPool& pool);

// |source - values| / |source|.
double relative_error(const TensorView& source, std::span<const float> values, ThreadPool& pool);

// The tensor as f32, or kCorrupt naming the first element that is not finite.
Result<Tensor> decode_finite(const std::string& name, const TensorView& source);

}  // namespace facet
