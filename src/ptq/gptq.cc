#include "ptq/gptq.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cstdint>
#include <numeric>

#include "base/check.h"
#include "quant/codec.h"
#include "quant/q4_0.h"
#include "quant/round.h"
#include "quant/row_int.h"
#include "quant/scale_search.h"

namespace facet {
namespace {

using ColMajor = Eigen::MatrixXf;  // a chunk of rows, so that the loops over one column's rows are contiguous

constexpr int kRows = 64;    // rows of W per piece of work
constexpr int kBlock = 128;  // columns whose errors are kept back and applied to the rest in one product

// The scale a weight is divided by and multiplied with; a Q4_0 scale may be negative, or 0 for a block of zeros.
float rounded(float w, float scale, float min, float max) {
  return scale == 0.0f ? 0.0f : code_of(w / scale, min, max) * scale;
}

}  // namespace

std::optional<GptqPlan> plan_gptq(Eigen::MatrixXd h, double damping, bool by_diagonal) {
  const auto n = static_cast<int>(h.rows());
  GptqPlan plan;
  plan.order.resize(n);
  std::iota(plan.order.begin(), plan.order.end(), 0);
  const double mean = h.diagonal().mean();
  for (int j = 0; j < n; ++j)
    if (h(j, j) == 0.0) h(j, j) = mean > 0.0 ? mean : 1.0;
  if (by_diagonal)
    std::stable_sort(plan.order.begin(), plan.order.end(), [&](int a, int b) { return h(a, a) > h(b, b); });

  // H = R R^T with R upper triangular is the Cholesky factorization of H turned end for end; then U = R^-1, for
  // U^T U = R^-T R^-1 = H^-1.  One factorization, and H is never inverted as such.
  Eigen::MatrixXd turned(n, n);
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j) turned(i, j) = h(plan.order[n - 1 - i], plan.order[n - 1 - j]);
  for (double share = damping; plan.retries < 4; share = std::max(10 * share, 1e-6), ++plan.retries) {
    Eigen::MatrixXd damped = turned;
    damped.diagonal().array() += share * (mean > 0.0 ? mean : 1.0);
    const Eigen::LLT<Eigen::MatrixXd> llt(damped);
    if (llt.info() != Eigen::Success) continue;
    const Eigen::MatrixXd l = llt.matrixL();
    const Eigen::MatrixXd inverse = l.triangularView<Eigen::Lower>().solve(Eigen::MatrixXd::Identity(n, n));
    if (!inverse.allFinite()) continue;
    plan.u = inverse.reverse().cast<float>();
    return plan;
  }
  return std::nullopt;
}

void quantize_by_gptq(const GptqPlan& plan, DType type, std::span<float> w, int cols, std::span<float> scales,
                      ThreadPool& pool) {
  const std::int64_t rows = static_cast<std::int64_t>(w.size()) / cols;
  const bool blocks = type == DType::kQ4_0;
  const int bits = blocks ? 4 : bits_of(type), n_scales = blocks ? cols / Q4_0Block::kWeights : 1;
  const auto min = static_cast<float>(int_range(bits).min), max = static_cast<float>(int_range(bits).max);
  FACET_CHECK(static_cast<int>(plan.order.size()) == cols, "a plan for this input");
  FACET_CHECK(static_cast<std::int64_t>(scales.size()) == rows * n_scales, "a scale per row or block");
  FACET_CHECK(!blocks || (cols % Q4_0Block::kWeights == 0 && std::is_sorted(plan.order.begin(), plan.order.end())),
              "blocks run along the natural order of columns");

  const auto quantize_rows = [&](std::int64_t first, int n) {
    ColMajor x(n, cols), errors(n, kBlock);
    for (int j = 0; j < cols; ++j)
      for (int r = 0; r < n; ++r) x(r, j) = w[(first + r) * cols + plan.order[j]];
    std::vector<float> scale(n);
    if (!blocks)
      for (int r = 0; r < n; ++r)
        scales[first + r] = scale[r] = search_group_scale(w.subspan((first + r) * cols, cols), bits);

    for (int begin = 0; begin < cols; begin += kBlock) {
      const int end = std::min(begin + kBlock, cols);
      for (int j = begin; j < end; ++j) {
        if (blocks && j % Q4_0Block::kWeights == 0) {
          for (int r = 0; r < n; ++r) {
            float group[Q4_0Block::kWeights];
            for (int i = 0; i < Q4_0Block::kWeights; ++i) group[i] = x(r, j + i);
            scale[r] = search_q4_0_scale(group);
            scales[(first + r) * n_scales + j / Q4_0Block::kWeights] = scale[r];
          }
        }
        float* column = x.col(j).data();
        float* error = errors.col(j - begin).data();
        const float ujj = plan.u(j, j);
        for (int r = 0; r < n; ++r) {
          const float q = rounded(column[r], scale[r], min, max);
          error[r] = (column[r] - q) / ujj;
          column[r] = q;
        }
        for (int i = j + 1; i < end; ++i) {
          const float u = plan.u(j, i);
          float* later = x.col(i).data();
          for (int r = 0; r < n; ++r) later[r] -= error[r] * u;
        }
      }
      if (end < cols)
        x.rightCols(cols - end).noalias() -=
            errors.leftCols(end - begin) * plan.u.block(begin, end, end - begin, cols - end);
    }
    for (int j = 0; j < cols; ++j)
      for (int r = 0; r < n; ++r) w[(first + r) * cols + plan.order[j]] = x(r, j);
  };
  // Chunks of a fixed size: where threads divide the rows must not decide which kernels the products use.
  pool.parallel_for((rows + kRows - 1) / kRows, 1, [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t c = from; c < to; ++c)
      quantize_rows(c * kRows, static_cast<int>(std::min<std::int64_t>(kRows, rows - c * kRows)));
  });
}

}  // namespace facet
