#include "quant/grid.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

#include "base/half.h"
#include "base/rng.h"
#include "quant/row_int.h"
#include "quant/scale_search.h"

namespace facet {
namespace {

float stored_as(DType type, float v) {
  if (type == DType::kBF16) return to_float(to_bfloat16(v));
  if (type == DType::kF16) return to_float(to_half(v));
  return v;
}

std::vector<float> normals(int n, float deviation, Rng& rng) {
  std::vector<float> w(n);
  for (float& v : w) v = deviation * rng.normal();
  return w;
}

// Codes and scale of a block, as some rule makes them; decoded, and rounded as a file rounds them.
struct Planted {
  std::vector<int> codes;
  float scale;
  std::vector<float> values(DType stored) const {
    std::vector<float> out;
    for (int code : codes) out.push_back(stored_as(stored, static_cast<float>(code) * scale));
    return out;
  }
};
Planted plant(std::span<const float> w, float scale, int min, int max) {
  Planted out{{}, scale};
  for (float v : w)
    out.codes.push_back(
        static_cast<int>(std::clamp(std::nearbyint(v / scale), static_cast<float>(min), static_cast<float>(max))));
  return out;
}
float absmax(std::span<const float> w) {
  float a = 0;
  for (float v : w) a = std::max(a, std::fabs(v));
  return a;
}
// The scale could as well be a multiple of it, or negative: nothing in the values tells.
bool is_ambiguous(const Planted& p) {
  int common = 0, most = 0;
  for (int c : p.codes) common = std::gcd(common, c), most = std::max(most, std::abs(c));
  return common != 1 || (p.scale < 0 && most < 8);
}

class Grid : public testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Stored, Grid, testing::Values(DType::kF32, DType::kF16, DType::kBF16),
                         [](const auto& type) { return std::string(facet::info(type.param).name); });

// Rules that made real files: absmax / 7.5 (Google), extremum / -8 (ggml), searched scales of either sign.
TEST_P(Grid, BlocksOfEveryRuleComeBack) {
  const DType stored = GetParam();
  Rng rng(1, 2);
  int same_scale = 0, n = 0;
  for (int trial = 0; trial < 6000; ++trial) {
    const std::vector<float> w = normals(32, std::ldexp(0.03f, -static_cast<int>(rng.below(6))), rng);
    float scale = absmax(w) / 7.5f;
    if (trial % 3 == 1)
      scale = *std::max_element(w.begin(), w.end(), [](float a, float b) { return std::fabs(a) < std::fabs(b); }) / -8;
    if (trial % 3 == 2) scale = search_q4_0_scale(w);
    const Planted planted = plant(w, to_float(to_half(scale)), -8, 7);
    const std::vector<float> values = planted.values(stored);
    Q4_0Block block;
    ASSERT_TRUE(recover_block(values, stored, block)) << trial;
    std::vector<float> decoded(32);
    decode_row(std::span(&block, 1), decoded);
    for (int i = 0; i < 32; ++i) ASSERT_EQ(stored_as(stored, decoded[i]), values[i]) << trial;
    if (is_ambiguous(planted)) continue;
    ++n;
    for (int i = 0; i < 32; ++i) {
      const int code = i < 16 ? block.codes[i] & 15 : block.codes[i - 16] >> 4;
      ASSERT_EQ(code - 8, planted.codes[i]) << trial << " scale " << planted.scale << " " << to_float(block.scale);
    }
    same_scale += to_float(block.scale) == planted.scale;
  }
  EXPECT_GT(n, 3000);
  // Eight magnitudes of bf16 leave two or three halves; what they decode to is the same.
  EXPECT_GE(same_scale, stored == DType::kBF16 ? n / 3 : n);
}

TEST_P(Grid, RecoveringTwiceGivesTheSameBytes) {
  const DType stored = GetParam();
  Rng rng(3, 4);
  for (int trial = 0; trial < 3000; ++trial) {
    const std::vector<float> w = normals(32, 0.02f, rng);
    const float scale = to_float(to_half(trial % 2 ? absmax(w) / -7.5f : search_q4_0_scale(w)));
    Q4_0Block first, second;
    ASSERT_TRUE(recover_block(plant(w, scale, -8, 7).values(stored), stored, first));
    std::vector<float> decoded(32);
    decode_row(std::span(&first, 1), decoded);
    for (float& v : decoded) v = stored_as(stored, v);
    ASSERT_TRUE(recover_block(decoded, stored, second));
    EXPECT_EQ(0, std::memcmp(&first, &second, sizeof first)) << trial;
  }
}

TEST_P(Grid, RowsComeBack) {
  const DType stored = GetParam();
  Rng rng(5, 6);
  for (int bits : {2, 4, 8})
    for (int n : {33, 256, 1536, 4096})
      for (int trial = 0; trial < 20; ++trial) {
        const std::vector<float> w = normals(n, 0.02f, rng);
        const float scale = trial % 2 ? search_group_scale(w, bits) : absmax_group_scale(w, bits);
        const GridFormat format = row_grid(bits);
        const Planted planted = plant(w, scale, format.min, format.max);
        const std::vector<float> values = planted.values(stored);
        const std::optional<float> found = grid_scale(values, stored, format);
        ASSERT_TRUE(found) << bits << " bits, " << n << ", " << scale;
        EXPECT_NEAR(*found, scale, scale * (stored == DType::kF32 ? 2e-7 : 4e-3));
        std::vector<std::int8_t> codes(n);
        quantize_group(values, *found, bits, codes);
        for (int i = 0; i < n; ++i) {
          ASSERT_EQ(codes[i], planted.codes[i]);
          ASSERT_EQ(stored_as(stored, static_cast<float>(codes[i]) * *found), values[i]);
        }
      }
}

TEST_P(Grid, ScalesOfBfloat16ComeBackToTheBit) {  // those of w4a16 files
  const DType stored = GetParam();
  Rng rng(7, 8);
  for (int trial = 0; trial < 3000; ++trial) {
    const std::vector<float> w = normals(32, 0.02f, rng);
    const Planted planted = plant(w, to_float(to_bfloat16(absmax(w) / 7.5f)), -8, 7);
    if (is_ambiguous(planted)) continue;
    const auto found = grid_scale(planted.values(stored), stored, kI4GroupGrid);
    ASSERT_TRUE(found);
    EXPECT_EQ(*found, planted.scale);
  }
}

TEST_P(Grid, OneWeightOffTheGridIsFound) {
  const DType stored = GetParam();
  Rng rng(9, 10);
  int found = 0;
  constexpr int kTrials = 2000;
  for (int trial = 0; trial < kTrials; ++trial) {
    const std::vector<float> w = normals(32, 0.02f, rng);
    std::vector<float> values = plant(w, to_float(to_half(absmax(w) / 7.5f)), -8, 7).values(stored);
    const int at = static_cast<int>(rng.below(32));
    values[at] = stored_as(stored, values[at] + absmax(w) / 7.5f * (0.15f + 0.7f * rng.uniform()));
    Q4_0Block block;
    found += !recover_block(values, stored, block);
  }
  EXPECT_EQ(found, kTrials);
}

TEST_P(Grid, PlainWeightsLieOnNone) {
  Rng rng(11, 12);
  for (int trial = 0; trial < 500; ++trial) {
    std::vector<float> w = normals(64, 0.02f, rng);
    for (float& v : w) v = stored_as(GetParam(), v);
    Q4_0Block block;
    EXPECT_FALSE(recover_block(std::span(w).first(32), GetParam(), block));
    EXPECT_FALSE(grid_scale(w, GetParam(), row_grid(2)));
    EXPECT_FALSE(grid_scale(w, GetParam(), row_grid(4)));
  }
}

TEST(GridEdges, Zeros) {
  Q4_0Block block;
  std::vector<float> w(32, 0.0f);
  ASSERT_TRUE(recover_block(w, DType::kBF16, block));
  EXPECT_EQ(block.scale.bits, 0);
  EXPECT_EQ(block.codes[0], 0x88);
  w.assign(32, -0.0f);  // as ggml's block of zeros decodes
  ASSERT_TRUE(recover_block(w, DType::kBF16, block));
  EXPECT_EQ(block.scale.bits, 0x8000);
  EXPECT_GT(*grid_scale(w, DType::kBF16, row_grid(4)), 0);
}

TEST(GridEdges, SignOfTheScale) {
  std::vector<float> w(32, 0.5f);
  w[3] = -4.0f;  // code -8
  EXPECT_EQ(grid_scale(w, DType::kF32, kQ4_0Grid), 0.5f);
  w[3] = 4.0f;
  EXPECT_EQ(grid_scale(w, DType::kF32, kQ4_0Grid), -0.5f);
  EXPECT_FALSE(grid_scale(w, DType::kF32, row_grid(4)));  // +8 has no code, and the scale must be positive
  w[4] = -4.0f;                                           // both ends
  EXPECT_FALSE(grid_scale(w, DType::kF32, kQ4_0Grid));
  w.assign(32, 1.5f);
  for (int i = 0; i < 31; ++i) w[i] = i % 2 ? -0.0f : 3.5f;
  EXPECT_LT(*grid_scale(w, DType::kF32, kQ4_0Grid), 0);  // zeros decoded with a negative scale
  w[0] = 0.0f;
  EXPECT_GT(*grid_scale(w, DType::kF32, kQ4_0Grid), 0);
}

TEST(GridEdges, HalfScales) {
  std::vector<float> w(32);
  for (int i = 0; i < 32; ++i) w[i] = static_cast<float>(i % 15 - 7) * 0x1.8p-23f;  // a subnormal half
  EXPECT_EQ(grid_scale(w, DType::kF32, kQ4_0Grid), 0x1.8p-23f);
  for (float& v : w) v *= 0x1.004p-3f;  // more bits than a half has there
  EXPECT_FALSE(grid_scale(w, DType::kF32, kQ4_0Grid));
  EXPECT_TRUE(grid_scale(w, DType::kF32, kI4GroupGrid));
  for (int i = 0; i < 32; ++i) w[i] = static_cast<float>(i % 15 - 7) * 70000.0f;  // no half is as large
  EXPECT_FALSE(grid_scale(w, DType::kF32, kQ4_0Grid));
}

TEST(GridEdges, TinyWeights) {
  std::vector<float> w(32);
  for (int i = 0; i < 32; ++i) w[i] = static_cast<float>(i % 15 - 7) * 0x1p-140f;
  EXPECT_EQ(grid_scale(w, DType::kF32, kI4GroupGrid), 0x1p-140f);
  EXPECT_FALSE(grid_scale(w, DType::kF32, kQ4_0Grid));  // no half is as small
}

TEST(GridEdges, NotFinite) {
  std::vector<float> w(32, 1.0f);
  w[5] = std::numeric_limits<float>::infinity();
  EXPECT_FALSE(grid_scale(w, DType::kF32, kQ4_0Grid));
  w[5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(grid_scale(w, DType::kF32, kQ4_0Grid));
}

}  // namespace
}  // namespace facet
