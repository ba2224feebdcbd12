#include "quant/q8_0.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "base/rng.h"

namespace facet {
namespace {

using Floats = std::vector<float>;

TEST(Q8_0, KnownValues) {
  Floats w(32);
  w[0] = -127.0f / 64;
  w[1] = 2.5f / 64;  // ties go away from zero
  w[2] = -2.5f / 64;
  w[3] = 3.5f / 64;
  std::vector<Q8_0Block> b(1);
  ASSERT_TRUE(encode_row(w, b).ok());
  EXPECT_EQ(to_float(b[0].scale), 1.0f / 64);
  EXPECT_EQ(b[0].codes[0], -127);
  EXPECT_EQ(b[0].codes[1], 3);
  EXPECT_EQ(b[0].codes[2], -3);
  EXPECT_EQ(b[0].codes[3], 4);
  EXPECT_EQ(b[0].codes[4], 0);
}

TEST(Q8_0, EqualsTheLiteralRule) {
  Rng rng(1);
  for (int t = 0; t < 5000; ++t) {
    Floats w(32), out(32);
    for (float& x : w) x = std::ldexp(rng.normal(), -(t % 60));
    std::vector<Q8_0Block> b(1);
    ASSERT_TRUE(encode_row(w, b).ok());
    float amax = 0.0f;
    for (float x : w) amax = std::max(amax, std::fabs(x));
    const float d = amax / 127, id = d != 0.0f ? 1.0f / d : 0.0f;
    ASSERT_EQ(b[0].scale.bits, to_half(d).bits);
    for (int j = 0; j < 32; ++j) ASSERT_EQ(b[0].codes[j], int(std::round(w[j] * id)));
    decode_row(b, out);
    for (int j = 0; j < 32; ++j) ASSERT_EQ(out[j], float(b[0].codes[j]) * to_float(to_half(d)));
  }
}

TEST(Q8_0, ZeroAndTinyBlocks) {
  std::vector<Q8_0Block> b(1);
  ASSERT_TRUE(encode_row(Floats(32), b).ok());
  EXPECT_EQ(b[0].scale.bits, 0);
  for (auto c : b[0].codes) EXPECT_EQ(c, 0);
  Floats out(32);
  ASSERT_TRUE(encode_row(Floats(32, 1e-44f), b).ok());
  decode_row(b, out);
  for (float v : out) EXPECT_EQ(v, 0.0f);
}

TEST(Q8_0, RefusesWhatItCannotHold) {
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity(), 8321040.0f}) {
    Floats w(64);
    w[33] = bad;
    std::vector<Q8_0Block> b(2);
    EXPECT_EQ(encode_row(w, b).code(), Code::kCorrupt);
  }
  std::vector<Q8_0Block> b(1);
  EXPECT_EQ(encode_row(Floats(31), b).code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace facet
