#include "train/cpu/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/rng.h"
#include "train/cpu/gemm.h"

namespace facet::train::cpu {

extern const Kernels kLanes16;

namespace {

using Vector = std::vector<float>;

Vector random(std::size_t n, std::uint64_t seed, float scale = 1.0f) {
  Rng rng(seed);
  Vector v(n);
  for (float& x : v) x = scale * rng.normal();
  return v;
}

std::vector<const Kernels*> targets() {
  const Kernels* found[kMaxTargets];
  int n = runnable_kernels(found);
  std::vector<const Kernels*> all(found, found + n);
  all.push_back(&kLanes16);
  return all;
}

class EachTarget : public ::testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& f = *GetParam();
};
INSTANTIATE_TEST_SUITE_P(Kernels, EachTarget, ::testing::ValuesIn(targets()),
                         [](const auto& info) { return std::string(info.param->name); });

// Sizes around every vector width: a lone element, tails, whole vectors.
constexpr int kSizes[] = {1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100};

void expect_near(const Vector& got, const std::vector<double>& want, double tolerance, const char* what) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i)
    ASSERT_NEAR(got[i], want[i], tolerance * (1 + std::abs(want[i]))) << what << " at " << i << " of " << got.size();
}

TEST_P(EachTarget, PackedProductsAreProducts) {
  for (int m : {1, 5, 12, 13})
    for (int n : {1, 15, 16, 33})
      for (int k : {1, 2, 40})
        for (bool transposed_a : {false, true})
          for (bool transposed_c : {false, true}) {
            Vector a = random(std::size_t(m) * k, 1), b = random(std::size_t(k) * n, 2), c(std::size_t(m) * n, 0.5f);
            std::ptrdiff_t a_row = transposed_a ? 1 : k, a_col = transposed_a ? m : 1;
            int panels = (n + f.nr - 1) / f.nr, strips = (m + f.mr - 1) / f.mr;
            Vector packed_b(std::size_t(panels) * f.nr * k), packed_a(std::size_t(strips) * f.mr * k);
            for (int q = 0; q < panels; ++q)
              f.pack_b(packed_b.data() + std::size_t(q) * f.nr * k, b.data() + q * f.nr, n, 1, k,
                       std::min(f.nr, n - q * f.nr));
            f.pack_a(packed_a.data(), a.data(), a_row, a_col, m, k);
            std::ptrdiff_t c_row = transposed_c ? 1 : n, c_col = transposed_c ? m : 1;
            f.multiply(c.data(), c_row, c_col, packed_a.data(), std::ptrdiff_t{f.mr} * k, 1, f.mr, packed_b.data(),
                       std::ptrdiff_t{f.nr} * k, m, n, k, /*accumulate=*/true);
            for (int i = 0; i < m; ++i)
              for (int j = 0; j < n; ++j) {
                double want = 0.5;
                for (int p = 0; p < k; ++p) want += double(a[i * a_row + p * a_col]) * b[p * n + j];
                ASSERT_NEAR(c[i * c_row + j * c_col], want, 1e-4) << m << "x" << n << "x" << k;
              }
            if (transposed_a || transposed_c) continue;
            // Straight from memory, replacing what was there: the same bits as the sums alone.
            Vector direct(c.size(), 9.0f);
            f.multiply(direct.data(), n, 1, a.data(), std::ptrdiff_t{f.mr} * k, k, 1, packed_b.data(),
                       std::ptrdiff_t{f.nr} * k, m, n, k, /*accumulate=*/false);
            for (std::size_t i = 0; i < direct.size(); ++i) ASSERT_NEAR(direct[i] + 0.5f, c[i], 1e-5);
          }
}

TEST_P(EachTarget, RmsNormAndBack) {
  for (int n : kSizes) {
    constexpr int kRows = 3;
    std::size_t size = std::size_t(n) * kRows;
    Vector x = random(size, 1), w = random(n, 2), residual = random(size, 3), g = random(size, 4);
    Vector y(size), inv(kRows), dx(size), dw(n, 0.25f);
    double dscale = 0;
    f.rms_norm(y.data(), inv.data(), x.data(), w.data(), residual.data(), 0.5f, n, kRows, 1e-6f);
    f.rms_norm_backward(dx.data(), dw.data(), &dscale, g.data(), x.data(), w.data(), inv.data(), residual.data(), 0.5f,
                        n, kRows);
    std::vector<double> want_y(size), want_dx(size), want_dw(n, 0.25);
    double want_dscale = 0;
    for (int r = 0; r < kRows; ++r) {
      const float *xr = &x[std::size_t(r) * n], *gr = &g[std::size_t(r) * n];
      double squares = 0, dot = 0;
      for (int i = 0; i < n; ++i) squares += double(xr[i]) * xr[i];
      double scale = 1 / std::sqrt(squares / n + 1e-6);
      for (int i = 0; i < n; ++i) dot += double(gr[i]) * 0.5 * w[i] * xr[i];
      for (int i = 0; i < n; ++i) {
        std::size_t at = std::size_t(r) * n + i;
        want_y[at] = (residual[at] + xr[i] * scale * w[i]) * 0.5;
        want_dx[at] = scale * (gr[i] * 0.5 * w[i] - xr[i] * scale * scale * dot / n);
        want_dw[i] += gr[i] * 0.5 * xr[i] * scale;
        want_dscale += gr[i] * (residual[at] + xr[i] * scale * w[i]);
      }
    }
    expect_near(y, want_y, 1e-5, "y");
    expect_near(dx, want_dx, 2e-5, "dx");
    expect_near(dw, want_dw, 1e-5, "dw");
    EXPECT_NEAR(dscale, want_dscale, 1e-4);
  }
}

TEST_P(EachTarget, GeluIsTheTanhForm) {
  for (int n : kSizes) {
    Vector gate = random(n, 1, 4.0f), up = random(n, 2), g = random(n, 3), y(n), dgate(n), dup(n);
    f.gelu_mul(y.data(), gate.data(), up.data(), n);
    f.gelu_mul_backward(dgate.data(), dup.data(), g.data(), gate.data(), up.data(), n);
    std::vector<double> want(n), want_dgate(n), want_dup(n);
    for (int i = 0; i < n; ++i) {
      double z = gate[i], c = std::sqrt(2 / M_PI), t = std::tanh(c * (z + 0.044715 * z * z * z));
      double gelu = 0.5 * z * (1 + t), slope = 0.5 * (1 + t) + 0.5 * z * (1 - t * t) * c * (1 + 3 * 0.044715 * z * z);
      want[i] = gelu * up[i], want_dgate[i] = g[i] * up[i] * slope, want_dup[i] = g[i] * gelu;
    }
    expect_near(y, want, 2e-6, "y");
    expect_near(dgate, want_dgate, 4e-6, "dgate");
    expect_near(dup, want_dup, 2e-6, "dup");
  }
}

TEST_P(EachTarget, RopeTurnsPairs) {
  for (int half : {1, 4, 5, 32}) {
    Vector x = random(std::size_t(half) * 4, 1), cos(half), sin(half), y(x.size()), back(x.size());
    for (int i = 0; i < half; ++i) cos[i] = std::cos(0.3f * float(i + 1)), sin[i] = std::sin(0.3f * float(i + 1));
    f.rope(y.data(), x.data(), cos.data(), sin.data(), 1.0f, half, 2);
    EXPECT_NEAR(y[0], x[0] * cos[0] - x[half] * sin[0], 1e-6);
    EXPECT_NEAR(y[half], x[half] * cos[0] + x[0] * sin[0], 1e-6);
    f.rope(back.data(), y.data(), cos.data(), sin.data(), -1.0f, half, 2);
    expect_near(back, {x.begin(), x.end()}, 1e-6, "there and back");
  }
}

TEST_P(EachTarget, SoftmaxOfVisibleColumns) {
  for (int n : kSizes) {
    constexpr int kRows = 4;
    int row = n + 3;
    Vector s = random(std::size_t(row) * kRows, 1, 5.0f), again = s, log_sum(kRows);
    Vector before = s;
    int begin = n / 2 - 2, end = n / 2 + 1;  // row r sees [begin + r, end + r)
    f.softmax(s.data(), row, log_sum.data(), begin, end, n, kRows);
    f.softmax_again(again.data(), row, log_sum.data(), begin, end, n, kRows);
    for (int r = 0; r < kRows; ++r) {
      double z = 0;
      auto visible = [&](int i) { return i >= begin + r && i < end + r && i < n; };
      for (int i = 0; i < n; ++i)
        if (visible(i)) z += std::exp(double(before[std::size_t(r) * row + i]));
      if (z == 0) continue;  // never so in attention: a token sees itself
      EXPECT_NEAR(log_sum[r], std::log(z), 1e-5);
      for (int i = 0; i < n; ++i) {
        std::size_t at = std::size_t(r) * row + i;
        double want = visible(i) ? std::exp(double(before[at])) / z : 0.0;
        EXPECT_NEAR(s[at], want, 1e-6);
        EXPECT_NEAR(again[at], want, 2e-6);
      }
      for (int i = n; i < row; ++i) EXPECT_EQ(s[std::size_t(r) * row + i], before[std::size_t(r) * row + i]);
    }
  }
}

TEST_P(EachTarget, LossRow) {
  for (int n : kSizes)
    for (float cap : {0.0f, 6.0f}) {
      Vector z = random(n, 1, 3.0f), zt = random(n, 2, 3.0f), raw = z, raw_t = zt;
      std::int64_t label = n / 3;
      LossRow row{cap, cap, label, 0.75f, 0.5f, 0, 0, 0, 0};
      f.loss_row(z.data(), zt.data(), n, &row);
      auto capped = [&](float v) { return cap > 0 ? cap * std::tanh(double(v) / cap) : double(v); };
      double sum = 0, sum_t = 0, ce, kl = 0;
      for (int i = 0; i < n; ++i) sum += std::exp(capped(raw[i])), sum_t += std::exp(capped(raw_t[i]));
      ce = std::log(sum) - capped(raw[label]);
      std::vector<double> want(n);
      for (int i = 0; i < n; ++i) {
        double q = std::exp(capped(raw[i])) / sum, p = std::exp(capped(raw_t[i])) / sum_t;
        kl += p * std::log(p / q);
        double slope = cap > 0 ? 1 - std::pow(capped(raw[i]) / cap, 2) : 1.0;
        want[i] = (0.75 * (q - (i == label ? 1 : 0)) + 0.5 * (q - p)) * slope;
      }
      EXPECT_NEAR(row.ce, ce, 1e-5 * (1 + ce));
      EXPECT_NEAR(row.kl, kl, 1e-5 * (1 + kl));
      expect_near(z, want, 2e-6, "gradient");
      EXPECT_EQ(row.best, std::max_element(raw.begin(), raw.end()) - raw.begin());
      EXPECT_EQ(row.teacher_best, std::max_element(raw_t.begin(), raw_t.end()) - raw_t.begin());
    }
}

TEST_P(EachTarget, OptimizerAndSums) {
  for (int n : kSizes) {
    Vector w = random(n, 1), g = random(n, 2), m = random(n, 3), v = random(n, 4), before = w, m0 = m;
    for (float& x : v) x = x * x;
    Vector v0 = v;
    AdamWScalars s{0.9f, 0.95f, 0.1f, 0.05f, 0.5f, 1e-2f, 2.0f, 1e-8f, 0.999f};
    f.adamw(w.data(), g.data(), m.data(), v.data(), n, &s);
    for (int i = 0; i < n; ++i) {
      double gi = g[i] * 0.5, mi = 0.9 * m0[i] + 0.1 * gi, vi = 0.95 * v0[i] + 0.05 * gi * gi;
      EXPECT_NEAR(w[i], before[i] * 0.999 - 1e-2 * mi / (std::sqrt(vi) * 2.0 + 1e-8), 1e-5);
    }
    double squares = 0;
    for (float x : g) squares += double(x) * x;
    EXPECT_NEAR(f.sum_squares(g.data(), n), squares, 1e-9 * (1 + squares));
    Vector y = before;
    f.add(y.data(), g.data(), n);
    for (int i = 0; i < n; ++i) EXPECT_EQ(y[i], before[i] + g[i]);
  }
}

float rounded(float x) {
  std::uint32_t u;
  std::memcpy(&u, &x, 4);
  u = (u + 0x7fff + ((u >> 16) & 1)) & 0xffff0000u;
  std::memcpy(&x, &u, 4);
  return x;
}

TEST(Gemm, Bf16RoundsItsFactorsAndNothingElse) {
  struct Case {
    int m, n, k;
  };
  for (auto [m, n, k] : {Case{1, 1, 1}, {3, 100, 7}, {100, 3, 1031}, {130, 257, 65}, {257, 40, 513}, {96, 64, 512}})
    for (bool ta : {false, true})
      for (bool tb : {false, true})
        for (bool accumulate : {false, true}) {
          Vector a = random(std::size_t(m) * k, 1), b = random(std::size_t(k) * n, 2), c(std::size_t(m) * n, 1.5f);
          if (!rounds_to_bf16()) {
            for (float& x : a) x = rounded(x);
            for (float& x : b) x = rounded(x);
          }
          Operand x = ta ? Operand{a.data(), 1, m} : Operand{a.data(), k, 1};
          Operand y = tb ? Operand{b.data(), 1, k} : Operand{b.data(), n, 1};
          gemm(c.data(), n, x, y, m, n, k, accumulate, Factors::kBf16);
          for (int i = 0; i < m; i += 7)
            for (int j = 0; j < n; j += 5) {
              double want = accumulate ? 1.5 : 0.0;
              for (int p = 0; p < k; ++p)
                want += double(rounded(x.data[i * x.row + p * x.col])) * rounded(y.data[p * y.row + j * y.col]);
              ASSERT_NEAR(c[std::size_t(i) * n + j], want, 2e-4) << m << "x" << n << "x" << k;
            }
        }
}

TEST(Gemm, OddShapesInEveryLayout) {
  struct Case {
    int m, n, k;
  };
  for (auto [m, n, k] : {Case{1, 1, 1}, {3, 100, 7}, {100, 3, 1030}, {130, 257, 65}, {257, 40, 513}, {4, 4, 0}})
    for (bool ta : {false, true})
      for (bool tb : {false, true})
        for (bool accumulate : {false, true}) {
          Vector a = random(std::size_t(m) * k + 1, 1), b = random(std::size_t(k) * n + 1, 2),
                 c(std::size_t(m) * n, 1.5f);
          Operand x = ta ? Operand{a.data(), 1, m} : Operand{a.data(), k, 1};
          Operand y = tb ? Operand{b.data(), 1, k} : Operand{b.data(), n, 1};
          gemm(c.data(), n, x, y, m, n, k, accumulate);
          for (int i = 0; i < m; i += 7)
            for (int j = 0; j < n; j += 5) {
              double want = accumulate ? 1.5 : 0.0;
              for (int p = 0; p < k; ++p) want += double(x.data[i * x.row + p * x.col]) * y.data[p * y.row + j * y.col];
              ASSERT_NEAR(c[std::size_t(i) * n + j], want, 2e-4) << m << "x" << n << "x" << k;
            }
        }
}

}  // namespace
}  // namespace facet::train::cpu
