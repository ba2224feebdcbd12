#include "quant/row_int.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "base/rng.h"
#include "quant/round.h"
#include "quant/surrogate_test.h"

namespace facet {
namespace {

using Floats = std::vector<float>;
using Codes = std::vector<std::int8_t>;

Codes quantized(const Floats& w, float scale, int bits) {
  Codes codes(w.size());
  quantize_group(w, scale, bits, codes);
  return codes;
}
Floats fake(const Floats& w, float scale, int bits) {
  Floats out(w.size());
  fake_quantize_group(w, scale, bits, out);
  return out;
}
// Gradient of the scale contributed by each element alone, for an upstream gradient of 1.
Floats scale_terms(const Floats& w, float scale, int bits) {
  Floats out;
  for (float x : w) {
    const Floats one{x}, g{1.0f};
    Floats dw(1);
    out.push_back(float(fake_quantize_group_backward(one, scale, bits, g, dw)));
  }
  return out;
}
Floats normal(std::size_t n, float sigma, std::uint64_t seed) {
  Rng rng(seed);
  Floats w(n);
  for (float& x : w) x = sigma * rng.normal();
  return w;
}

TEST(RoundHalfEven, EqualsNearbyintOverItsRange) {
  for (int i = -2000000; i <= 2000000; ++i) {
    const float v = float(i) * 0.25f;
    ASSERT_EQ(round_half_even(v), std::nearbyint(v)) << v;
  }
  Rng rng(5);
  for (int i = 0; i < 1000000; ++i) {
    const float v = (rng.uniform() - 0.5f) * 600.0f;
    ASSERT_EQ(round_half_even(v), std::nearbyint(v)) << v;
    ASSERT_EQ(code_of(v, -128, 127), std::min(127.0f, std::max(-128.0f, std::nearbyint(v))));
  }
  for (float v : {0x1p22f, -0x1p22f, 0x1p22f - 0.5f, 0.49999997f, -0.49999997f})
    EXPECT_EQ(round_half_even(v), std::nearbyint(v));
  EXPECT_FALSE(std::signbit(round_half_even(-0.25f)));  // a decoded code of 0 is +0
}

TEST(RowInt, KnownValuesInt4) {  // qat-training.md Q2 and Q5
  const Floats w{0.875f, -0.4375f, 0.3125f, -0.0625f, 1.0f, -1.0f, -1.1f};
  EXPECT_EQ(quantized(w, 0.125f, 4), (Codes{7, -4, 2, 0, 7, -8, -8}));
  EXPECT_EQ(fake(w, 0.125f, 4), (Floats{0.875f, -0.5f, 0.25f, 0, 0.875f, -1, -1}));
  Floats dw(7);
  EXPECT_EQ(fake_quantize_group_backward(w, 0.125f, 4, Floats(7, 1.0f), dw), -1.5);
  EXPECT_EQ(dw, (Floats{1, 1, 1, 1, 0, 1, 0}));
  EXPECT_EQ(scale_terms(w, 0.125f, 4), (Floats{0, -0.5f, -0.5f, 0.5f, 7, 0, -8}));
}

TEST(RowInt, KnownValuesInt2) {  // Q5
  const Floats w{-1.3f, -1, -0.75f, -0.25f, 0.1f, 0.25f, 0.6f, 0.75f, 1.2f};
  EXPECT_EQ(quantized(w, 0.5f, 2), (Codes{-2, -2, -2, 0, 0, 0, 1, 1, 1}));
  Floats dw(9);
  (void)fake_quantize_group_backward(w, 0.5f, 2, Floats(9, 1.0f), dw);
  EXPECT_EQ(dw, (Floats{0, 1, 1, 1, 1, 1, 0, 0, 0}));
  EXPECT_EQ(scale_terms(w, 0.5f, 2), (Floats{-2, 0, -0.5f, 0.5f, -0.2f, -0.5f, 1, 1, 1}));
}

TEST(RowInt,
     DividesInsteadOfMultiplyingByTheReciprocal) {  // 1.4: 0.0015 / 0.001 is a tie, times the reciprocal it is not
  EXPECT_EQ(quantized({0.0015f}, 0.001f, 8), (Codes{2}));
}

TEST(RowInt, FakeQuantizeIsDecodeOfEncodeBitForBitAndInPlace) {
  for (int bits : {2, 4, 8})
    for (std::size_t n : {1u, 3u, 31u, 256u, 300u, 1537u}) {
      const Floats w = normal(n, 0.3f, n + bits);
      const float scale = 0.5f / float(-int_range(bits).min);
      Floats decoded(n), in_place = w;
      dequantize_group(quantized(w, scale, bits), scale, decoded);
      fake_quantize_group(in_place, scale, bits, in_place);
      const Floats out = fake(w, scale, bits);
      for (std::size_t i = 0; i < n; ++i) {
        ASSERT_EQ(std::bit_cast<std::uint32_t>(out[i]), std::bit_cast<std::uint32_t>(decoded[i]));
        ASSERT_EQ(std::bit_cast<std::uint32_t>(in_place[i]), std::bit_cast<std::uint32_t>(decoded[i]));
      }
      EXPECT_EQ(fake(out, scale, bits), out);
    }
}

TEST(RowInt, BackwardMatchesTheFrozenResidualSurrogate) {
  for (int bits : {2, 4, 8})
    for (std::size_t n : {7u, 256u, 1000u}) {
      const Floats w = normal(n, 0.05f, 7 * n + bits), g = normal(n, 1.0f, n);
      const float scale = 0.1f / float(-int_range(bits).min);  // saturates a share of them at every width
      const Surrogate surrogate(w, scale, int_range(bits).min, int_range(bits).max);
      Floats dw(n);
      const double ds = fake_quantize_group_backward(w, scale, bits, g, dw);
      double magnitude = 0.0;
      for (std::size_t i = 0; i < n; ++i) {
        magnitude += std::fabs(double(g[i]) * w[i] / scale);
        ASSERT_NEAR(dw[i], g[i] * surrogate.weight_gradient(i, w[i], scale), 1e-7 * std::fabs(g[i]));
      }
      // The terms are f32: q - w/s carries the rounding of w/s, 2^-24 of it.
      EXPECT_NEAR(ds, surrogate.scale_gradient(w, scale, g), 1e-7 * magnitude);
      Floats shared = g;  // dw in grad's memory
      EXPECT_EQ(fake_quantize_group_backward(w, scale, bits, shared, shared), ds);
      EXPECT_EQ(shared, dw);
    }
}

TEST(RowInt, GroupsAreRowsOneAfterAnother) {
  const std::size_t rows = 5, cols = 96;
  const Floats w = normal(rows * cols, 0.05f, 1), g = normal(rows * cols, 1.0f, 2),
               scales{0.01f, 0.02f, 0.03f, 0.005f, 0.04f};
  Floats out(w.size()), dw(w.size()), ds(rows), row_out(cols), row_dw(cols);
  fake_quantize_groups(w, scales, 4, out);
  fake_quantize_groups_backward(w, scales, 4, g, dw, ds);
  for (std::size_t r = 0; r < rows; ++r) {
    const std::span<const float> row = std::span(w).subspan(r * cols, cols),
                                 grad = std::span(g).subspan(r * cols, cols);
    fake_quantize_group(row, scales[r], 4, row_out);
    EXPECT_EQ(Floats(out.begin() + r * cols, out.begin() + (r + 1) * cols), row_out);
    EXPECT_EQ(ds[r], float(fake_quantize_group_backward(row, scales[r], 4, grad, row_dw)));
    EXPECT_EQ(Floats(dw.begin() + r * cols, dw.begin() + (r + 1) * cols), row_dw);
  }
}

TEST(RowInt, BrokenValuesStayVisible) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  const Floats w{0.1f, nan, inf, -inf, 0.2f}, out = fake(w, 0.1f, 4);
  EXPECT_TRUE(std::isnan(out[1]));
  EXPECT_EQ(out[2], 7 * 0.1f);
  EXPECT_EQ(out[3], -8 * 0.1f);
  Floats dw(5);
  EXPECT_TRUE(std::isnan(fake_quantize_group_backward(w, 0.1f, 4, Floats(5, 1.0f), dw)));
}

TEST(RowInt, PackingKnownBytes) {  // quantization-formats.md 5.4, T5
  Codes codes(2);
  const std::byte four[]{std::byte{0x80}}, two[]{std::byte{0b11100100}};
  unpack_codes(four, 4, codes);
  EXPECT_EQ(codes, (Codes{-8, 0}));
  codes.resize(4);
  unpack_codes(two, 2, codes);
  EXPECT_EQ(codes, (Codes{-2, -1, 0, 1}));
  std::byte packed[1];
  pack_codes(codes, 2, packed);
  EXPECT_EQ(packed[0], two[0]);
  // XOR with the sign bits gives the two's complement fields of .tflite files.
  EXPECT_EQ(std::to_integer<int>(two[0] ^ std::byte{0xaa}), 0b01001110);
  EXPECT_EQ(std::to_integer<int>(four[0] ^ std::byte{0x88}), 0x08);
}

TEST(RowInt, PackRoundTripsEveryCodeAndPadsWithZeroCodes) {
  for (int bits : {2, 4, 8})
    for (std::size_t n : {1u, 2u, 3u, 4u, 5u, 255u, 256u, 257u}) {
      Codes codes(n), back(n);
      for (std::size_t i = 0; i < n; ++i) codes[i] = std::int8_t(int_range(bits).min + int(i % (1u << bits)));
      std::vector<std::byte> packed((n * bits + 7) / 8);
      pack_codes(codes, bits, packed);
      unpack_codes(packed, bits, back);
      EXPECT_EQ(back, codes);
      Codes padded(packed.size() * 8 / bits);
      unpack_codes(packed, bits, padded);
      for (std::size_t i = n; i < padded.size(); ++i) EXPECT_EQ(padded[i], 0);
    }
}

}  // namespace
}  // namespace facet
