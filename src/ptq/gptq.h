// gptq.h: quantization of a matrix column by column, the error of each pushed into the columns still to come
// (Frantar et al., "GPTQ", 2022; the order of columns as in its act-order variant).
#pragma once

#include <Eigen/Core>
#include <optional>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "tensor/dtype.h"

namespace facet {

// What one H gives to every matrix that reads the same input.
struct GptqPlan {
  std::vector<int> order;  // columns in the order they are quantized
  Eigen::MatrixXf u;       // upper triangular, U^T U = H^-1 with its rows and columns in that order
  int retries = 0;         // times the damping was multiplied by ten
};

// h: E[x x^T], symmetric, finite; damping: the share of its mean diagonal that is added to the diagonal.  A column that
// never saw an input is left to plain rounding.  by_diagonal: largest H_jj first.  nullopt when H cannot be factored
// even with a thousand times the damping.
std::optional<GptqPlan> plan_gptq(Eigen::MatrixXd h, double damping, bool by_diagonal);

// Rewrites w[rows, cols] by its decoded quantization.  kQ4_0 (order must be natural): a block's scale is searched when
// its first column is reached, scales has rows * cols / 32 values, halves.  Row types: one scale per row, searched at
// the start. With H = I this is round-to-nearest with searched scales, bit for bit.
void quantize_by_gptq(const GptqPlan& plan, DType type, std::span<float> w, int cols, std::span<float> scales,
                      ThreadPool& pool);

}  // namespace facet
