#include "quant/q6_k.h"

#include <gtest/gtest.h>

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

// The layout as docs/formats/q6_k.md reads, byte by byte: four weights of a column at a time.
TEST(Q6_K, DecodesAsTheFormatSays) {
  Rng rng(1);
  for (int round = 0; round < 20; ++round) {
    Q6_KBlock block;
    std::uint8_t bytes[sizeof block];
    for (std::uint8_t& b : bytes) b = static_cast<std::uint8_t>(rng.below(256));
    std::memcpy(&block, bytes, sizeof block);
    block.scale = to_half(rng.normal());
    std::vector<float> got(256), want(256);
    decode_row(std::span(&block, 1), got);
    const float d = to_float(block.scale);
    for (int h = 0; h < 2; ++h) {
      const std::uint8_t *ql = bytes + 64 * h, *qh = bytes + 128 + 32 * h;
      const auto* scales = reinterpret_cast<const std::int8_t*>(bytes + 192 + 8 * h);
      for (int l = 0; l < 32; ++l) {
        const int q[4] = {(ql[l] & 15) | (qh[l] & 3) << 4, (ql[l + 32] & 15) | (qh[l] >> 2 & 3) << 4,
                          ql[l] >> 4 | (qh[l] >> 4 & 3) << 4, ql[l + 32] >> 4 | (qh[l] >> 6) << 4};
        for (int j = 0; j < 4; ++j)
          want[128 * h + 32 * j + l] = d * static_cast<float>(scales[l / 16 + 2 * j]) * static_cast<float>(q[j] - 32);
      }
    }
    EXPECT_EQ(got, want);
  }
}

TEST(Q6_K, RoundsToTheNearestCode) {
  const std::vector<float> w = normals(256 * 40, 2);
  std::vector<Q6_KBlock> blocks(40);
  ASSERT_TRUE(encode_row(w, blocks).ok());
  std::vector<float> back(w.size());
  decode_row(blocks, back);
  double error = 0, size = 0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    const Q6_KBlock& block = blocks[i / 256];
    const float step = std::fabs(to_float(block.scale) * block.scales[i % 256 / 16]);
    // Half a step, or a whole one at the far end: the range is -32 to 31.
    EXPECT_LE(std::fabs(w[i] - back[i]), (std::fabs(w[i]) > 30 * step ? 1.2f : 0.501f) * step) << i;
    error += double(w[i] - back[i]) * (w[i] - back[i]);
    size += double(w[i]) * w[i];
  }
  EXPECT_LT(std::sqrt(error / size), 0.025);
}

TEST(Q6_K, ZerosStayZero) {
  const std::vector<float> w(512, 0.0f);
  std::vector<Q6_KBlock> blocks(2);
  ASSERT_TRUE(encode_row(w, blocks).ok());
  std::vector<float> back(512, 1.0f);
  decode_row(blocks, back);
  EXPECT_EQ(back, w);
}

TEST(Q6_K, RefusesWhatHasNoBlock) {
  std::vector<Q6_KBlock> blocks(1);
  std::vector<float> w(256, 1.0f);
  EXPECT_EQ(encode_row(std::span(w).first(255), blocks).code(), Code::kInvalidArgument);
  for (float bad : {std::nanf(""), INFINITY, 3e8f}) {
    w[7] = bad;
    EXPECT_EQ(encode_row(w, blocks).code(), Code::kCorrupt) << bad;
  }
  w[7] = kQ6_KMaxWeight;
  ASSERT_TRUE(encode_row(w, blocks).ok());
  EXPECT_TRUE(std::isfinite(to_float(blocks[0].scale)));
}

TEST(Q6_K, GoesThroughTheCodec) {
  const std::vector<float> w = normals(3 * 512, 4);
  const Result<Tensor> t = encode(DType::kQ6_K, {3, 512}, w);
  ASSERT_TRUE(t.ok()) << t.status().message();
  EXPECT_EQ(t->bytes.size(), 6 * sizeof(Q6_KBlock));
  const Tensor back = decode(t->view());
  for (std::size_t i = 0; i < w.size(); ++i) EXPECT_NEAR(back.floats()[i], w[i], 0.15f);
  EXPECT_EQ(encode(DType::kQ6_K, {3, 300}, normals(900, 1)).status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace facet
