#include "quant/q4_0.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/rng.h"
#include "quant/surrogate_test.h"

namespace facet {
namespace {

using Floats = std::vector<float>;
using Blocks = std::vector<Q4_0Block>;

Blocks encoded(const Floats& w) {
  Blocks out(w.size() / 32);
  const Status s = encode_row(w, out);
  EXPECT_TRUE(s.ok()) << s.message();
  return out;
}
Floats decoded(const Blocks& b) {
  Floats w(b.size() * 32);
  decode_row(b, w);
  return w;
}
Floats fake(const Floats& w) {
  Floats out(w.size());
  const Status s = fake_quantize_q4_0(w, out);
  EXPECT_TRUE(s.ok()) << s.message();
  return out;
}
bool same_bytes(const Blocks& a, const Blocks& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(Q4_0Block)) == 0;
}
bool same_bits(const Floats& a, const Floats& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}
std::vector<int> codes_of(const Q4_0Block& b) {
  std::vector<int> out(32);
  for (int j = 0; j < 16; ++j) {
    out[j] = b.codes[j] & 15;
    out[j + 16] = b.codes[j] >> 4;
  }
  return out;
}
Floats padded(Floats w) {
  w.resize(32);
  return w;
}
Floats normal(std::size_t n, float sigma, std::uint64_t seed) {
  Rng rng(seed);
  Floats w(n);
  for (float& x : w) x = sigma * rng.normal();
  return w;
}

// The rule of quantization-formats.md 2.1 as it is written there, one element at a time.
Q4_0Block literal_rule(const float* x) {
  float amax = 0.0f, max = 0.0f;
  for (int j = 0; j < 32; ++j)
    if (amax < std::fabs(x[j])) {
      amax = std::fabs(x[j]);
      max = x[j];
    }
  const float d = max / -8, id = d != 0.0f ? 1.0f / d : 0.0f;
  Q4_0Block b;
  b.scale = to_half(d);
  std::uint8_t q[32];
  for (int j = 0; j < 32; ++j) q[j] = std::uint8_t(std::min(15, int(std::int8_t(x[j] * id + 8.5f))));
  for (int j = 0; j < 16; ++j) b.codes[j] = std::uint8_t(q[j] | q[j + 16] << 4);
  return b;
}
void expect_literal(const Floats& w) {
  Blocks want;
  for (std::size_t i = 0; i < w.size(); i += 32) want.push_back(literal_rule(&w[i]));
  EXPECT_TRUE(same_bytes(encoded(w), want));
  EXPECT_TRUE(same_bits(fake(w), decoded(want)));
}

TEST(Q4_0, KnownBytes) {  // qat-training.md Q10
  Floats w(32);
  for (int i = 0; i < 32; ++i) w[i] = float(i - 20) / 16;
  const unsigned char want[18]{0x00, 0x31, 0x60, 0x70, 0x71, 0x81, 0x82, 0x82, 0x92,
                               0x93, 0xa3, 0xa4, 0xa4, 0xb4, 0xb5, 0xc5, 0xc6, 0xc6};
  const Blocks b = encoded(w);
  EXPECT_EQ(std::memcmp(b.data(), want, 18), 0);
  double error = 0.0;
  const Floats out = fake(w);
  for (int i = 0; i < 32; ++i) error += double(w[i] - out[i]) * (w[i] - out[i]);
  EXPECT_EQ(error, 0.0625);
}

TEST(Q4_0, FirstOfEqualMagnitudesDecidesTheSign) {
  Blocks b = encoded(padded({1, -1}));
  EXPECT_EQ(to_float(b[0].scale), -0.125f);
  EXPECT_EQ(codes_of(b[0])[0], 0);
  EXPECT_EQ(codes_of(b[0])[1], 15);
  EXPECT_EQ(codes_of(b[0])[2], 8);
  b = encoded(padded({-1, 1}));
  EXPECT_EQ(to_float(b[0].scale), 0.125f);
  EXPECT_EQ(codes_of(b[0])[0], 0);
  EXPECT_EQ(codes_of(b[0])[1], 15);
  Floats late(32);  // the tie across the halves that are reduced together
  late[3] = -1;
  late[19] = 1;
  EXPECT_EQ(to_float(encoded(late)[0].scale), 0.125f);
}

TEST(Q4_0, CodesUseTheUnroundedScale) {
  const Floats w = padded({0.3f, -0.1f, 0.05f, 0.2125f});
  const Blocks b = encoded(w);
  EXPECT_EQ(to_float(b[0].scale), -0.037506103515625f);
  const std::vector<int> codes = codes_of(b[0]);
  EXPECT_EQ(std::vector<int>(codes.begin(), codes.begin() + 5), (std::vector<int>{0, 11, 7, 2, 8}));
  const Floats out = fake(w);
  EXPECT_EQ(Floats(out.begin(), out.begin() + 4),
            (Floats{0.300048828125f, -0.112518310546875f, 0.037506103515625f, 0.22503662109375f}));
  EXPECT_TRUE(std::signbit(out[4]));  // code 8 times a negative scale is -0, as a decoder has it
}

TEST(Q4_0, ZeroBlock) {
  for (float zero : {0.0f, -0.0f}) {
    const Blocks b = encoded(Floats(32, zero));
    EXPECT_EQ(b[0].scale.bits, 0x8000);
    for (auto c : b[0].codes) EXPECT_EQ(c, 0x88);
    for (float v : decoded(b)) EXPECT_EQ(v, 0.0f);
  }
}

TEST(Q4_0, EqualsTheLiteralRule) {
  expect_literal(normal(32 * 20000, 0.02f, 1));
  for (float c : {1.0f, -1.0f, 0.1f, -65504.0f, 3e-5f, 1e-7f, 1e-30f, 524159.0f}) expect_literal(Floats(32, c));
  // Half boundaries: multiples of half a step, both signs of the scale; opposite extremum clips at 15.
  for (float sign : {1.0f, -1.0f}) {
    Floats w(64);
    for (int i = 0; i < 64; ++i) w[i] = sign * (float(i % 32) * 0.5f - 8.0f) * 0.25f;
    w[40] = sign * 2.0f;
    expect_literal(w);
  }
  // Tiny blocks, down to scales that are subnormal or zero as halves, as long as ggml's reciprocal is finite.
  for (int e = -10; e > -120; --e) expect_literal(normal(32, std::ldexp(1.0f, e), 100 - e));
  // One-hot and near-tied extrema.
  for (int k = 0; k < 32; ++k) {
    Floats w = normal(32, 0.1f, 500 + k);
    w[k] = 1.0f;
    w[31 - k] = k % 2 ? -1.0f : std::nextafter(-1.0f, 0.0f);
    expect_literal(w);
  }
}

TEST(Q4_0, ScalesBeyondFloatRangeDecodeToZero) {
  Floats w(32, 1e-42f);
  w[1] = -1e-42f;
  for (float v : decoded(encoded(w))) EXPECT_EQ(v, 0.0f);
  EXPECT_TRUE(same_bits(fake(w), decoded(encoded(w))));
}

TEST(Q4_0, IdempotenceTable) {  // Q10; quantization-formats.md 4, T2
  const Floats w = normal(32 * 4000, 0.02f, 11);
  const Blocks b = encoded(w);
  const Floats fq = fake(w);
  EXPECT_TRUE(same_bytes(encoded(fq), b));
  Floats f16 = fq, bf16 = fq, latents = w;
  for (float& v : f16) v = to_float(to_half(v));
  EXPECT_TRUE(same_bytes(encoded(f16), b));
  for (float& v : bf16) v = to_float(to_bfloat16(v));
  for (float& v : latents) v = to_float(to_bfloat16(v));
  int codes = 0, scales = 0, latent_codes = 0, latent_scales = 0;
  const Blocks from_bf16 = encoded(bf16), from_latents = encoded(latents);
  for (std::size_t i = 0; i < b.size(); ++i) {
    scales += from_bf16[i].scale.bits != b[i].scale.bits;
    latent_scales += from_latents[i].scale.bits != b[i].scale.bits;
    for (int j = 0; j < 32; ++j) {
      codes += codes_of(from_bf16[i])[j] != codes_of(b[i])[j];
      latent_codes += codes_of(from_latents[i])[j] != codes_of(b[i])[j];
    }
  }
  EXPECT_EQ(codes, 0);
  EXPECT_NEAR(scales / 4000.0, 0.88, 0.02);
  EXPECT_NEAR(latent_scales / 4000.0, 0.88, 0.02);
  EXPECT_NEAR(latent_codes / 128000.0, 0.0078, 0.0015);
}

TEST(Q4_0, LearnedScalesSurviveTheStockRuleOnlyWhenSaturating) {  // the last two rows of the idempotence table
  const Floats w = normal(32 * 4000, 0.02f, 12);
  const Blocks stock = encoded(w);
  for (float factor : {0.9f, 1.1f}) {
    Floats scales(stock.size());
    for (std::size_t i = 0; i < stock.size(); ++i) scales[i] = to_float(to_half(factor * to_float(stock[i].scale)));
    Blocks b(stock.size());
    ASSERT_TRUE(encode_row_with_scales(w, scales, b).ok());
    const Blocks again = encoded(decoded(b));
    int codes = 0, changed = 0;
    for (std::size_t i = 0; i < b.size(); ++i) {
      changed += again[i].scale.bits != b[i].scale.bits;
      for (int j = 0; j < 32; ++j) codes += codes_of(again[i])[j] != codes_of(b[i])[j];
    }
    if (factor < 1) {
      EXPECT_EQ(codes + changed, 0);
    } else {
      EXPECT_NEAR(codes / 128000.0, 0.33, 0.03);
      EXPECT_EQ(changed, 4000);
    }
  }
}

TEST(Q4_0, StockErrorOnGaussianBlocks) {  // relative error 8.59 % (quantization-formats.md 4)
  const Floats w = normal(32 * 20000, 1.0f, 13), out = fake(w);
  double signal = 0.0, noise = 0.0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    signal += double(w[i]) * w[i];
    noise += double(w[i] - out[i]) * (w[i] - out[i]);
  }
  EXPECT_NEAR(std::sqrt(noise / signal), 0.0859, 0.0002);
}

TEST(Q4_0, FakeQuantizeInPlace) {
  Floats w = normal(96, 1.0f, 14);
  const Floats want = fake(w);
  ASSERT_TRUE(fake_quantize_q4_0(w, w).ok());
  EXPECT_TRUE(same_bits(w, want));
}

TEST(Q4_0, LearnedForwardIsWhatTheEncoderWrites) {
  const Floats w = normal(32 * 500, 0.05f, 15);
  Floats raw(500), stored(500), out(w.size());
  Rng rng(16);
  for (std::size_t i = 0; i < raw.size(); ++i) {
    raw[i] = (rng.uniform() - 0.5f) * 0.05f;
    stored[i] = to_float(to_half(raw[i]));
  }
  Blocks b(500);
  ASSERT_TRUE(encode_row_with_scales(w, stored, b).ok());
  ASSERT_TRUE(fake_quantize_q4_0_learned(w, raw, out).ok());  // rounds the scales itself
  EXPECT_TRUE(same_bits(out, decoded(b)));
}

TEST(Q4_0, LearnedBackwardMatchesTheFrozenResidualSurrogate) {
  const std::size_t n_blocks = 50;
  const Floats w = normal(32 * n_blocks, 0.05f, 17), g = normal(32 * n_blocks, 1.0f, 18);
  Floats scales(n_blocks), dw(w.size()), ds(n_blocks);
  for (std::size_t b = 0; b < n_blocks; ++b) scales[b] = (b % 2 ? -1.0f : 1.0f) * (0.004f + 0.0002f * float(b));
  fake_quantize_q4_0_learned_backward(w, scales, g, dw, ds);
  for (std::size_t b = 0; b < n_blocks; ++b) {
    const std::span<const float> x = std::span(w).subspan(b * 32, 32), gb = std::span(g).subspan(b * 32, 32);
    const double scale = to_float(to_half(scales[b]));
    const Surrogate surrogate(x, scale, -8, 7);
    double magnitude = 0.0;
    for (int i = 0; i < 32; ++i) {
      magnitude += std::fabs(gb[i] * x[i] / scale);
      ASSERT_NEAR(dw[b * 32 + i], gb[i] * surrogate.weight_gradient(i, x[i], scale), 1e-7 * std::fabs(gb[i]));
    }
    EXPECT_NEAR(ds[b], surrogate.scale_gradient(x, scale, gb), 1e-6 * magnitude);
  }
}

TEST(Q4_0, LearnedScaleOfZeroActsAsItsLimit) {
  Floats w = padded({1.0f, -1.0f}), out(32), dw(32), ds(1);
  const Floats tiny{1e-9f};
  ASSERT_TRUE(fake_quantize_q4_0_learned(w, tiny, out).ok());
  for (float v : out) EXPECT_EQ(v, 0.0f);
  fake_quantize_q4_0_learned_backward(w, tiny, Floats(32, 1.0f), dw, ds);
  EXPECT_EQ(ds[0], 7.0f - 8.0f);
  EXPECT_EQ(dw[0], 0.0f);
  EXPECT_EQ(dw[2], 1.0f);
}

TEST(Q4_0, RefusesWhatItCannotHold) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  for (float bad : {nan, inf, -inf, 524160.0f}) {
    Floats w = normal(96, 1.0f, 19), out(96);
    w[70] = bad;
    Blocks b(3);
    std::memset(static_cast<void*>(b.data()), 0x5a, sizeof(Q4_0Block) * 3);
    const Blocks before = b;
    const Status s = encode_row(w, b);
    EXPECT_EQ(s.code(), Code::kCorrupt);
    EXPECT_NE(s.message().find("weight 70"), std::string::npos) << s.message();
    EXPECT_TRUE(same_bytes(b, before));
    EXPECT_EQ(fake_quantize_q4_0(w, out).code(), Code::kCorrupt);
  }
  Floats w(33), out(33);
  Blocks b(1);
  EXPECT_EQ(encode_row(w, b).code(), Code::kInvalidArgument);
  EXPECT_EQ(fake_quantize_q4_0(w, out).code(), Code::kInvalidArgument);
  w.resize(32);
  EXPECT_EQ(encode_row_with_scales(w, Floats{0.1f}, b).code(), Code::kInvalidArgument);  // not a half
  EXPECT_EQ(encode_row_with_scales(w, Floats{inf}, b).code(), Code::kInvalidArgument);
  EXPECT_EQ(encode_row_with_scales(w, Floats{0.5f, 0.5f}, b).code(), Code::kInvalidArgument);
  out.resize(32);
  EXPECT_EQ(fake_quantize_q4_0_learned(w, Floats{1e9f}, out).code(), Code::kCorrupt);
  EXPECT_TRUE(encode_row({}, {}).ok());
}

}  // namespace
}  // namespace facet
