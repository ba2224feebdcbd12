#include "ptq/gptq.h"

#include <gtest/gtest.h>

#include <Eigen/LU>
#include <cmath>
#include <vector>

#include "base/half.h"
#include "base/rng.h"
#include "ptq/encode_matrix.h"
#include "quant/row_int.h"
#include "quant/scale_search.h"

namespace facet {
namespace {

using Floats = std::vector<float>;
using Eigen::MatrixXd;

Floats normal(std::size_t n, std::uint64_t seed, float sigma = 0.05f) {
  Rng rng(seed);
  Floats w(n);
  for (float& x : w) x = sigma * rng.normal();
  return w;
}
// E[x x^T] of inputs that share a few strong directions, as activations do.
MatrixXd correlated(int k, std::uint64_t seed, int n_tokens = 400) {
  Rng rng(seed);
  MatrixXd mix(k, k), x(n_tokens, k);
  for (int i = 0; i < k; ++i)
    for (int j = 0; j < k; ++j) mix(i, j) = rng.normal() * (i < 4 ? 2.0 : 0.3);
  for (int t = 0; t < n_tokens; ++t)
    for (int j = 0; j < k; ++j) x(t, j) = rng.normal();
  x = x * mix;
  return x.transpose() * x / n_tokens;
}
// E |W x - decoded W x|^2.
double output_error(const Floats& w, const Floats& decoded, const MatrixXd& h) {
  const auto k = h.rows();
  double sum = 0.0;
  for (std::size_t r = 0; r < w.size() / k; ++r) {
    Eigen::VectorXd e(k);
    for (int j = 0; j < k; ++j) e(j) = double(w[r * k + j]) - decoded[r * k + j];
    sum += e.dot(h * e);
  }
  return sum;
}
std::size_t n_scales(DType type, int rows, int cols) {
  return type == DType::kQ4_0 ? std::size_t(rows) * cols / 32 : rows;
}
constexpr DType kTypes[]{DType::kQ4_0, DType::kI2Row, DType::kI4Row, DType::kI8Row};

TEST(Gptq, FactorIsTheCholeskyFactorOfTheInverse) {
  const MatrixXd h = correlated(40, 1);
  for (bool ordered : {false, true}) {
    const auto plan = plan_gptq(h, 0.01, ordered);
    ASSERT_TRUE(plan.has_value());
    MatrixXd damped = h;
    damped.diagonal().array() += 0.01 * h.diagonal().mean();
    MatrixXd permuted(40, 40);
    for (int i = 0; i < 40; ++i)
      for (int j = 0; j < 40; ++j) permuted(i, j) = damped(plan->order[i], plan->order[j]);
    const MatrixXd u = plan->u.cast<double>(), inverse = permuted.inverse();
    EXPECT_LT((u.transpose() * u - inverse).norm() / inverse.norm(), 1e-6);
    EXPECT_EQ(MatrixXd(u.triangularView<Eigen::StrictlyLower>()).norm(), 0.0);
    for (int i = 1; i < 40 && ordered; ++i)
      EXPECT_GE(h(plan->order[i - 1], plan->order[i - 1]), h(plan->order[i], plan->order[i]));
    EXPECT_EQ(plan->retries, 0);
  }
}

TEST(Gptq, IdentityMeansTheMseArmBitForBit) {  // qat-training.md T17
  ThreadPool pool(2);
  const int rows = 70, cols = 288;
  const Floats w = normal(rows * cols, 2);
  for (DType type : kTypes) {
    const auto plan = plan_gptq(MatrixXd::Identity(cols, cols), 0.01, type != DType::kQ4_0);
    Floats a = w, b = w, sa(n_scales(type, rows, cols)), sb(sa.size());
    quantize_by_gptq(*plan, type, a, cols, sa, pool);
    quantize_by_search(type, b, cols, {}, sb, pool);
    EXPECT_EQ(a, b) << info(type).name;
    EXPECT_EQ(sa, sb);
  }
}

// The algorithm as the literature states it, in f64, with the whole inverse: quantize a column, divide its error by the
// diagonal of the inverse, spread it, take the column out of the inverse.
Floats by_the_book(Floats w, int cols, const MatrixXd& h, double damping, DType type, const std::vector<int>& order,
                   const Floats& scales) {
  MatrixXd inverse = (h + damping * h.diagonal().mean() * MatrixXd::Identity(cols, cols)).inverse();
  const int rows = static_cast<int>(w.size()) / cols;
  const IntRange range = int_range(type == DType::kI2Row ? 2 : type == DType::kI8Row ? 8 : 4);
  MatrixXd x(rows, cols);
  for (int r = 0; r < rows; ++r)
    for (int j = 0; j < cols; ++j) x(r, j) = w[r * cols + j];
  for (int j : order) {
    const Eigen::RowVectorXd row = inverse.row(j);
    const double d = inverse(j, j);
    for (int r = 0; r < rows; ++r) {
      const double s = type == DType::kQ4_0 ? scales[(r * cols + j) / 32] : scales[r];
      const double q = s == 0 ? 0 : std::clamp(std::nearbyint(x(r, j) / s), double(range.min), double(range.max)) * s;
      const double e = (x(r, j) - q) / d;
      x.row(r) -= e * row;
      w[r * cols + j] = float(q);
    }
    inverse -= inverse.col(j) * row / d;
  }
  return w;
}

TEST(Gptq, EqualsTheTextbookAlgorithm) {
  ThreadPool pool(1);
  const int rows = 20, cols = 192;
  const Floats w = normal(rows * cols, 3);
  const MatrixXd h = correlated(cols, 4);
  for (DType type : kTypes) {
    const auto plan = plan_gptq(h, 0.01, type != DType::kQ4_0);
    Floats fast = w, scales(n_scales(type, rows, cols));
    quantize_by_gptq(*plan, type, fast, cols, scales, pool);
    const Floats book = by_the_book(w, cols, h, 0.01, type, plan->order, scales);
    // f32 against f64: a value on the edge between two codes may fall either way, and what follows it in its row
    // differs.
    int rows_equal = 0;
    for (int r = 0; r < rows; ++r) {
      double worst = 0;
      for (int j = 0; j < cols; ++j)
        worst = std::max(worst, std::fabs(double(fast[r * cols + j]) - book[r * cols + j]));
      rows_equal += worst < 1e-6;
    }
    EXPECT_GE(rows_equal, rows * 8 / 10) << info(type).name;
    EXPECT_NEAR(output_error(w, fast, h), output_error(w, book, h), 0.01 * output_error(w, book, h));
  }
}

TEST(Gptq, BeatsTheSearchOnCorrelatedInputs) {
  ThreadPool pool(2);
  const int rows = 64, cols = 256;
  const Floats w = normal(rows * cols, 5);
  const MatrixXd h = correlated(cols, 6, 2000);
  for (DType type : {DType::kQ4_0, DType::kI2Row, DType::kI4Row}) {
    const auto plan = plan_gptq(h, 0.01, type != DType::kQ4_0);
    Floats a = w, b = w, scales(n_scales(type, rows, cols));
    quantize_by_gptq(*plan, type, a, cols, scales, pool);
    quantize_by_search(type, b, cols, {}, scales, pool);
    EXPECT_LT(output_error(w, a, h), 0.7 * output_error(w, b, h)) << info(type).name;
  }
}

TEST(Gptq, ValuesLieOnTheReturnedGrid) {
  ThreadPool pool(2);
  const int rows = 33, cols = 96;
  const Floats w = normal(rows * cols, 7);
  const auto ordered = plan_gptq(correlated(cols, 8), 0.01, true),
             natural = plan_gptq(correlated(cols, 8), 0.01, false);
  for (DType type : kTypes) {
    Floats x = w, scales(n_scales(type, rows, cols));
    quantize_by_gptq(type == DType::kQ4_0 ? *natural : *ordered, type, x, cols, scales, pool);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float s = scales[i * scales.size() / x.size()];
      const float code = std::nearbyint(x[i] / s);
      ASSERT_EQ(code * s, x[i]);
      if (type == DType::kQ4_0) {
        ASSERT_EQ(to_float(to_half(s)), s);
        ASSERT_TRUE(code >= -8 && code <= 7);
      }
    }
  }
}

TEST(Gptq, SingularAndDegenerateInputs) {
  ThreadPool pool(1);
  const int rows = 5, cols = 64;
  const Floats w = normal(rows * cols, 9);
  MatrixXd few = correlated(cols, 10, 3);  // three tokens for 64 columns
  MatrixXd dead = correlated(cols, 11);
  dead.row(7).setZero();
  dead.col(7).setZero();
  for (const MatrixXd& h :
       {few, dead, MatrixXd(MatrixXd::Zero(cols, cols)), MatrixXd(1e-30 * few), MatrixXd(1e30 * few)}) {
    const auto plan = plan_gptq(h, 0.01, true);
    ASSERT_TRUE(plan.has_value());
    Floats x = w, scales(rows);
    quantize_by_gptq(*plan, DType::kI4Row, x, cols, scales, pool);
    for (float v : x) ASSERT_TRUE(std::isfinite(v));
  }
  // Without damping a singular H is not factored; more damping is tried.
  const auto retried = plan_gptq(few, 0.0, true);
  ASSERT_TRUE(retried.has_value());
  EXPECT_GT(retried->retries, 0);
  MatrixXd indefinite = MatrixXd::Identity(4, 4);
  indefinite(0, 1) = indefinite(1, 0) = 1e6;
  EXPECT_FALSE(plan_gptq(indefinite, 0.01, true).has_value());
}

TEST(Gptq, ThreadsDoNotChangeTheResult) {
  const int rows = 200, cols = 160;
  const Floats w = normal(rows * cols, 12);
  const auto plan = plan_gptq(correlated(cols, 13), 0.01, false);
  Floats first;
  for (int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    Floats x = w, scales(rows * cols / 32);
    quantize_by_gptq(*plan, DType::kQ4_0, x, cols, scales, pool);
    if (first.empty()) first = x;
    EXPECT_EQ(x, first);
  }
}

}  // namespace
}  // namespace facet
