#include "base/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace facet {
namespace {

TEST(Half, EveryPatternSurvivesARoundTrip) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    float value = to_float(Half{std::uint16_t(bits)});
    if (std::isnan(value)) continue;
    EXPECT_EQ(to_half(value).bits, bits);
  }
}

TEST(Half, RoundsToNearestEven) {
  // For neighbours a < b of the same sign: the midpoint goes to the even pattern, anything beyond it to the nearer one.
  for (std::uint32_t bits = 0; bits + 1 < 0x7c00; ++bits) {
    double a = to_float(Half{std::uint16_t(bits)}), b = to_float(Half{std::uint16_t(bits + 1)});
    float middle = float((a + b) / 2);  // exact: f32 has 13 more bits
    EXPECT_EQ(to_half(middle).bits, bits % 2 == 0 ? bits : bits + 1) << bits;
    EXPECT_EQ(to_half(std::nextafter(middle, 1e9f)).bits, bits + 1) << bits;
    EXPECT_EQ(to_half(std::nextafter(middle, -1e9f)).bits, bits) << bits;
  }
  EXPECT_EQ(to_half(65519.996f).bits, 0x7bff);
  EXPECT_EQ(to_half(65520.0f).bits, 0x7c00);
  EXPECT_EQ(to_half(-0.0f).bits, 0x8000);
  EXPECT_TRUE(std::isnan(to_float(to_half(std::numeric_limits<float>::quiet_NaN()))));
}

TEST(BFloat16, RoundsToNearestEven) {
  EXPECT_EQ(to_bfloat16(1.0f).bits, 0x3f80);
  EXPECT_EQ(to_bfloat16(1.00390625f).bits, 0x3f80);                           // 1 + 2^-8: a tie, down to even
  EXPECT_EQ(to_bfloat16(1.01171875f).bits, 0x3f82);                           // 1 + 3 * 2^-8: a tie, up to even
  EXPECT_EQ(to_bfloat16(std::sqrt(1536.0f)).bits, to_bfloat16(39.25f).bits);  // the embedding scale of E2B in bf16
  EXPECT_TRUE(std::isnan(to_float(to_bfloat16(std::numeric_limits<float>::quiet_NaN()))));
}

}  // namespace
}  // namespace facet
