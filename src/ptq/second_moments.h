// second_moments.h: what the inputs of a linear look like: E[x_i x_j] for gptq, E[x_j^2] for imatrix.
#pragma once

#include <Eigen/Core>
#include <vector>

#include "base/thread_pool.h"
#include "ptq/lockstep.h"

namespace facet {

// Rows of all inputs together.
std::int64_t count_rows(LinearInputs inputs);

// H = X^T X / n over all rows of width k, symmetric.  f32 products within a sequence, f64 sums over sequences, in their
// order: the same bits for any number of threads.  Zero without rows.
Eigen::MatrixXd second_moments(LinearInputs inputs, int k, ThreadPool& pool);

// Its diagonal alone.
std::vector<double> mean_squares(LinearInputs inputs, int k, ThreadPool& pool);

}  // namespace facet
