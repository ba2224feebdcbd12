#include "ptq/second_moments.h"

#include <algorithm>

namespace facet {
namespace {

using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using InputMap = Eigen::Map<const RowMajor>;

constexpr int kPanel = 64;  // columns of H that one piece of work computes

}  // namespace

std::int64_t count_rows(LinearInputs inputs) {
  std::int64_t n = 0;
  for (const InputRows& rows : inputs) n += rows.n;
  return n;
}

Eigen::MatrixXd second_moments(LinearInputs inputs, int k, ThreadPool& pool) {
  Eigen::MatrixXd h = Eigen::MatrixXd::Zero(k, k);
  const int n_panels = (k + kPanel - 1) / kPanel;
  // A panel needs the rows above and at its diagonal only: the last one costs the most.  Pairing first and last makes
  // equal pieces, whatever contiguous share a thread gets.
  const int n_pairs = (n_panels + 1) / 2;
  const auto panel = [&](int p) {
    const int first = p * kPanel, width = std::min(kPanel, k - first), height = first + width;
    RowMajor product(height, width);
    for (const InputRows& rows : inputs) {
      const InputMap x(rows.x, rows.n, k);
      product.noalias() = x.leftCols(height).transpose() * x.middleCols(first, width);
      h.block(0, first, height, width) += product.cast<double>();
    }
  };
  pool.parallel_for(n_pairs, 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto pair = static_cast<int>(begin); pair < end; ++pair) {
      panel(pair);
      if (n_panels - 1 - pair != pair) panel(n_panels - 1 - pair);
    }
  });
  h.triangularView<Eigen::StrictlyLower>() = h.transpose();
  if (const std::int64_t n = count_rows(inputs); n > 0) h /= static_cast<double>(n);
  return h;
}

std::vector<double> mean_squares(LinearInputs inputs, int k, ThreadPool& pool) {
  std::vector<double> sums(k);
  pool.parallel_for(k, 16, [&](std::int64_t begin, std::int64_t end) {
    for (const InputRows& rows : inputs)
      for (std::int64_t t = 0; t < rows.n; ++t)
        for (std::int64_t j = begin; j < end; ++j) {
          const double x = rows.x[t * k + j];
          sums[j] += x * x;
        }
  });
  if (const std::int64_t n = count_rows(inputs); n > 0)
    for (double& s : sums) s /= static_cast<double>(n);
  return sums;
}

}  // namespace facet
