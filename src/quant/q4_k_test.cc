#include "quant/q4_k.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/rng.h"
#include "quant/blocks.h"
#include "quant/codec.h"

namespace facet {
namespace {

std::vector<float> normals(std::size_t n, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<float> out(n);
  for (float& v : out) v = rng.normal();
  return out;
}

// The layout as docs/formats/q4_k.md reads, byte by byte.
TEST(Q4_K, DecodesAsTheFormatSays) {
  Rng rng(1);
  for (int round = 0; round < 20; ++round) {
    std::uint8_t bytes[sizeof(Q4_KBlock)];
    for (std::uint8_t& b : bytes) b = static_cast<std::uint8_t>(rng.below(256));
    Q4_KBlock block;
    std::memcpy(&block, bytes, sizeof block);
    block.scale = to_half(rng.normal());
    block.min_unit = to_half(rng.normal());
    std::vector<float> got(256), want(256);
    decode_row(std::span(&block, 1), got);
    const std::uint8_t *s = bytes + 4, *q = bytes + 16;
    int scales[8], mins[8];
    for (int j = 0; j < 4; ++j) {
      scales[j] = s[j] % 64;
      mins[j] = s[4 + j] % 64;
      scales[4 + j] = s[8 + j] % 16 + 16 * (s[j] / 64);
      mins[4 + j] = s[8 + j] / 16 + 16 * (s[4 + j] / 64);
    }
    for (int i = 0; i < 256; ++i) {
      const int byte = q[i / 64 * 32 + i % 32], code = i % 64 < 32 ? byte % 16 : byte / 16;
      const int g = i / 32;
      // In f64 both products are exact, and so is their difference.
      want[i] = static_cast<float>(double(to_float(block.scale)) * scales[g] * code -
                                   double(to_float(block.min_unit)) * mins[g]);
    }
    EXPECT_EQ(got, want);
  }
}

TEST(Q4_K, GroupsAndCodesComeBack) {
  Rng rng(2);
  Q4_KBlock block{};
  Q4_KGroup groups[8];
  std::array<std::uint8_t, 256> codes;
  for (int round = 0; round < 3; ++round) {  // over what was there before
    for (int g = 0; g < 8; ++g) {
      groups[g] = {static_cast<std::uint8_t>(rng.below(64)), static_cast<std::uint8_t>(rng.below(64))};
      set_group(block, g, groups[g]);
    }
    for (std::uint8_t& c : codes) c = static_cast<std::uint8_t>(rng.below(16));
    pack_codes(codes, block);
    for (int g = 0; g < 8; ++g) {
      EXPECT_EQ(group_of(block, g).scale, groups[g].scale) << g;
      EXPECT_EQ(group_of(block, g).min, groups[g].min) << g;
    }
    EXPECT_EQ(unpack_codes(block), codes);
  }
}

TEST(Q4_K, RoundsToTheNearestCode) {
  std::vector<float> w = normals(256 * 40, 2);
  for (std::size_t i = 0; i < w.size(); ++i) w[i] += i / 32 % 3 == 0 ? 0.0f : i / 32 % 3 == 1 ? 5.0f : -5.0f;
  std::vector<Q4_KBlock> blocks(40);
  ASSERT_TRUE(encode_row(w, blocks).ok());
  std::vector<float> back(w.size());
  decode_row(blocks, back);
  double error = 0, size = 0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    const Q4_KBlock& block = blocks[i / 256];
    const float unit = to_float(block.scale), step = unit * group_of(block, i / 32 % 8).scale;
    // Half a step; and at the ends, by how far the steps and the minimum were rounded themselves.
    const float ends = 7.6f * unit + 0.51f * to_float(block.min_unit);
    EXPECT_LE(std::fabs(w[i] - back[i]), 0.501f * step + ends) << i;
    const float code = (back[i] + to_float(block.min_unit) * group_of(block, i / 32 % 8).min) / step;
    if (code > 0.5f && code < 14.5f) {
      EXPECT_LE(std::fabs(w[i] - back[i]), 0.501f * step) << i;
    }
    error += double(w[i] - back[i]) * (w[i] - back[i]);
    size += 1;
  }
  EXPECT_LT(std::sqrt(error / size), 0.15);
}

// One sign only: the minimum of positive weights is 0; negative ones need no zero.
TEST(Q4_K, ConstantGroupsAreExact) {
  for (float v : {0.0f, 1.0f, -1.0f, 0.25f}) {
    const std::vector<float> w(512, v);
    std::vector<Q4_KBlock> blocks(2);
    ASSERT_TRUE(encode_row(w, blocks).ok());
    std::vector<float> back(512, 7.0f);
    decode_row(blocks, back);
    for (float got : back) EXPECT_NEAR(got, v, std::fabs(v) * 0x1p-11f);
  }
}

TEST(Q4_K, RefusesWhatHasNoBlock) {
  std::vector<Q4_KBlock> blocks(1);
  std::vector<float> w(256, 1.0f);
  EXPECT_EQ(encode_row(std::span(w).first(255), blocks).code(), Code::kInvalidArgument);
  for (float bad : {std::nanf(""), INFINITY, 5e6f}) {
    w[7] = bad;
    EXPECT_EQ(encode_row(w, blocks).code(), Code::kCorrupt) << bad;
  }
  for (float sign : {1.0f, -1.0f}) {
    w[7] = sign * kQ4_KMaxWeight;
    ASSERT_TRUE(encode_row(w, blocks).ok());
    EXPECT_TRUE(std::isfinite(to_float(blocks[0].scale)));
    EXPECT_TRUE(std::isfinite(to_float(blocks[0].min_unit)));
  }
}

TEST(Q4_K, GoesThroughTheCodec) {
  const std::vector<float> w = normals(3 * 512, 4);
  const Result<Tensor> t = encode(DType::kQ4_K, {3, 512}, w);
  ASSERT_TRUE(t.ok()) << t.status().message();
  EXPECT_EQ(t->bytes.size(), 6 * sizeof(Q4_KBlock));
  const Tensor back = decode(t->view());
  for (std::size_t i = 0; i < w.size(); ++i) EXPECT_NEAR(back.floats()[i], w[i], 0.4f);
  EXPECT_EQ(encode(DType::kQ4_K, {3, 300}, normals(900, 1)).status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace facet
