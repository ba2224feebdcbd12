#include "quant/scale_search.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/half.h"
#include "base/rng.h"
#include "quant/q4_0.h"
#include "quant/row_int.h"

namespace facet {
namespace {

using Floats = std::vector<float>;

Floats normal(std::size_t n, std::uint64_t seed) {
  Rng rng(seed);
  Floats w(n);
  for (float& x : w) x = rng.normal();
  return w;
}
double error(const Floats& w, float scale, int bits, const Floats& importance = {}) {
  Floats out(w.size());
  fake_quantize_group(w, scale, bits, out);
  double sum = 0.0;
  for (std::size_t i = 0; i < w.size(); ++i)
    sum += (importance.empty() ? 1.0 : importance[i]) * (w[i] - out[i]) * (w[i] - out[i]);
  return sum;
}
double sqnr(const Floats& w, double err) {
  double signal = 0.0;
  for (float x : w) signal += double(x) * x;
  return 10 * std::log10(signal / err);
}

TEST(ScaleSearch, ReachesTheGaussianOptima) {  // qat-training.md 6.1, T6: 1 % in s
  const Floats w = normal(400000, 21);
  struct {
    int bits;
    double scale, mse, db;
  } const want[]{{2, 1.0485, 0.14943, 8.26}, {4, 0.3385, 0.01186, 19.26}, {8, 0.0308, 0.00009, 40.6}};
  for (const auto& o : want) {
    const float s = search_group_scale(w, o.bits);
    const double e = error(w, s, o.bits);
    EXPECT_NEAR(s, o.scale, 0.01 * o.scale) << o.bits;
    EXPECT_NEAR(sqnr(w, e), o.db, 0.1) << o.bits;
    EXPECT_NEAR(e / double(w.size()), o.mse, o.bits < 8 ? 0.01 * o.mse : 5e-6);
  }
}

TEST(ScaleSearch, RowsOf1536) {  // int4 16.9 -> 19.4 dB, int2 0.8 -> 8.2 dB
  double search4 = 0, absmax4 = 0, search2 = 0, over_qp2 = 0, absmax2 = 0;
  const int n = 40;
  for (int r = 0; r < n; ++r) {
    const Floats w = normal(1536, 100 + r);
    search4 += sqnr(w, error(w, search_group_scale(w, 4), 4)) / n;
    absmax4 += sqnr(w, error(w, absmax_group_scale(w, 4), 4)) / n;
    search2 += sqnr(w, error(w, search_group_scale(w, 2), 2)) / n;
    absmax2 += sqnr(w, error(w, absmax_group_scale(w, 2), 2)) / n;
    over_qp2 += sqnr(w, error(w, 2 * absmax_group_scale(w, 2), 2)) / n;
  }
  EXPECT_NEAR(search4, 19.4, 0.2);
  EXPECT_NEAR(absmax4, 16.9, 0.8);  // 7.5 levels here, 7 in the table
  EXPECT_NEAR(search2, 8.2, 0.1);
  EXPECT_NEAR(over_qp2, 0.8, 0.3);
  EXPECT_GT(absmax2, over_qp2 + 4);
}

TEST(ScaleSearch, IsNeverWorseThanAbsmaxOrNeighbours) {
  for (int bits : {2, 4, 8})
    for (int r = 0; r < 30; ++r) {
      Floats w = normal(64 + r * 7, 300 + r), o = normal(w.size(), 400 + r);
      for (float& x : o) x = x * x;
      if (r % 3 == 0) w[r] = 30.0f;  // an outlier
      const float s = search_group_scale(w, bits, o);
      const double e = error(w, s, bits, o);
      EXPECT_LE(e, error(w, absmax_group_scale(w, bits), bits, o) * (1 + 1e-6));
      EXPECT_LE(error(w, search_group_scale(w, bits), bits), error(w, s, bits) * 1.03);
    }
}

TEST(ScaleSearch, ImportanceSteersTheScale) {
  Floats w(64, 0.01f), o(64, 0.0f);
  w[0] = 1.0f;  // of no importance: the search may clip it
  for (int i = 1; i < 64; ++i) o[i] = 1.0f;
  EXPECT_LT(error(w, search_group_scale(w, 4, o), 4, o), 1e-3 * error(w, search_group_scale(w, 4), 4, o));
}

TEST(ScaleSearch, ExactGridsAreFound) {
  for (int bits : {2, 4, 8}) {
    const IntRange range = int_range(bits);
    Floats w;
    for (int c = range.min; c <= range.max; ++c) w.push_back(0.375f * float(c));
    const float s = search_group_scale(w, bits);
    EXPECT_FLOAT_EQ(s, 0.375f);
    EXPECT_LT(error(w, s, bits), 1e-10);
  }
}

TEST(ScaleSearch, DegenerateGroups) {
  for (int bits : {2, 4, 8}) {
    for (const Floats& w : {Floats(16), Floats{}, Floats(5, 1e-30f), Floats{1e-40f}}) {
      const float s = search_group_scale(w, bits);
      EXPECT_TRUE(s > 0 && std::isfinite(s));
      EXPECT_TRUE(absmax_group_scale(w, bits) > 0);
    }
    const Floats one{-3.0f};
    EXPECT_LT(error(one, search_group_scale(one, bits), bits), 1e-10);
    EXPECT_TRUE(search_group_scale(Floats{1e38f, -3e38f}, bits) > 0);
    // All importance on weights that are zero: nothing to fit, still a scale.
    EXPECT_TRUE(search_group_scale(Floats{0.0f, 1.0f}, bits, Floats{1.0f, 0.0f}) > 0);
  }
  EXPECT_EQ(search_q4_0_scale(Floats(32)), 0.0f);
}

TEST(ScaleSearch, AbsmaxRules) {
  const Floats w{0.5f, -3.0f, 1.0f};
  EXPECT_EQ(absmax_group_scale(w, 8), 3.0f / 127);
  EXPECT_EQ(absmax_group_scale(w, 4), 3.0f / 7.5f);
  EXPECT_EQ(absmax_group_scale(w, 2), 3.0f / 2);
}

TEST(ScaleSearch, Q4_0GaussianBlocks) {  // half a dB above the stock rule's 21.32
  const Floats w = normal(32 * 10000, 22);
  double signal = 0, noise = 0;
  for (std::size_t b = 0; b < 10000; ++b) {
    const std::span<const float> x = std::span(w).subspan(b * 32, 32);
    const float s = search_q4_0_scale(x);
    ASSERT_EQ(s, to_float(to_half(s)));
    Floats out(32), stock(32);
    ASSERT_TRUE(fake_quantize_q4_0_learned(x, Floats{s}, out).ok());
    ASSERT_TRUE(fake_quantize_q4_0(x, stock).ok());
    double e = 0, es = 0;
    for (int i = 0; i < 32; ++i) {
      e += double(x[i] - out[i]) * (x[i] - out[i]);
      es += double(x[i] - stock[i]) * (x[i] - stock[i]);
      signal += double(x[i]) * x[i];
    }
    EXPECT_LE(e, es * 1.0001);
    noise += e;
  }
  EXPECT_GT(10 * std::log10(signal / noise), 21.32 + 0.5);
}

}  // namespace
}  // namespace facet
