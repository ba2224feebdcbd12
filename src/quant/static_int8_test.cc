#include "quant/static_int8.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "base/rng.h"
#include "quant/surrogate_test.h"

namespace facet {
namespace {

using Floats = std::vector<float>;

TEST(StaticInt8, KnownValues) {  // qat-training.md Q12
  const Floats x{0.03125f, 0.09375f, 0.15625f, -0.03125f, -0.09375f, 7.9375f, 8.0f, -8.0f, -8.5f};
  std::vector<std::int8_t> codes(x.size());
  quantize_static_int8(x, 0.0625f, codes);
  EXPECT_EQ(codes, (std::vector<std::int8_t>{0, 2, 2, 0, -2, 127, 127, -128, -128}));
  Floats y(x.size());
  fake_quantize_static_int8(x, 0.0625f, y);
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_EQ(y[i], float(codes[i]) * 0.0625f);
  Floats dx(x.size());
  EXPECT_EQ(fake_quantize_static_int8_backward(x, 0.0625f, Floats(x.size(), 1.0f), dx),
            -0.5 + 0.5 - 0.5 + 0.5 - 0.5 + 0 + 127 + 0 - 128);
  EXPECT_EQ(dx, (Floats{1, 1, 1, 1, 1, 1, 0, 1, 0}));
}

TEST(StaticInt8, NanHasCodeZero) {
  const Floats x{std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                 -std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::quiet_NaN()};
  std::vector<std::int8_t> codes(x.size());
  quantize_static_int8(x, 0.0625f, codes);
  EXPECT_EQ(codes, (std::vector<std::int8_t>{0, 127, -128, 0}));
}

TEST(StaticInt8, ScaleZeroMeansFloat) {
  const Floats x{1.5f, -3.25f, 1e9f};
  Floats y(3), dx(3);
  fake_quantize_static_int8(x, 0.0f, y);
  EXPECT_EQ(y, x);
  EXPECT_EQ(fake_quantize_static_int8_backward(x, 0.0f, x, dx), 0.0);
  EXPECT_EQ(dx, x);
}

TEST(StaticInt8, BackwardMatchesTheFrozenResidualSurrogate) {
  Rng rng(3);
  Floats x(777), g(777), dx(777);
  for (float& v : x) v = rng.normal();
  for (float& v : g) v = rng.normal();
  const float scale = 1.5f / 127;
  const Surrogate surrogate(x, scale, -128, 127);
  const double ds = fake_quantize_static_int8_backward(x, scale, g, dx);
  double magnitude = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    magnitude += std::fabs(double(g[i]) * x[i] / scale);
    ASSERT_NEAR(dx[i], g[i] * surrogate.weight_gradient(i, x[i], scale), 1e-7 * std::fabs(g[i]));
  }
  EXPECT_NEAR(ds, surrogate.scale_gradient(x, scale, g), 1e-7 * magnitude);
}

}  // namespace
}  // namespace facet
