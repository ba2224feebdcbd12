#include "quant/q4_0.h"

#include <array>
#include <cmath>
#include <string>

#include "base/check.h"
#include "quant/blocks.h"
#include "quant/uniform.h"

namespace facet {
namespace {

constexpr std::size_t kN = Q4_0Block::kWeights;
constexpr uniform::Range kRange{-8.0f, 7.0f};  // codes less 8, where scales are given

// ggml's scale of one block.  factor turns a weight into code units, about 1 / scale.
struct StockScale {
  float scale, factor;
};

// Folds the upper half of 2 * kHalf maxima and minima onto the lower.  A constant width, or g++ adds alias checks.
template <std::size_t kHalf>
void fold(float* high, float* low) {
  for (std::size_t i = 0; i < kHalf; ++i) high[i] = high[i] > high[i + kHalf] ? high[i] : high[i + kHalf];
  for (std::size_t i = 0; i < kHalf; ++i) low[i] = low[i] < low[i + kHalf] ? low[i] : low[i + kHalf];
}

// The weight of largest magnitude, the first of them on a tie, sign kept: scale = extremum / -8.
StockScale stock_scale(const float* w) {
  float high[kN / 2], low[kN / 2];
  for (std::size_t i = 0; i < kN / 2; ++i) {
    const float a = w[i], b = w[i + kN / 2];
    high[i] = a > b ? a : b;
    low[i] = a < b ? a : b;
  }
  fold<kN / 4>(high, low);
  fold<kN / 8>(high, low);
  fold<kN / 16>(high, low);
  fold<1>(high, low);
  const float max = high[0], min = low[0];
  float extremum = max > -min ? max : min;
  if (max == -min) {  // a tie of magnitudes, or a block of zeros
    extremum = 0.0f;
    for (std::size_t i = 0; i < kN && extremum == 0.0f; ++i)
      if (std::fabs(w[i]) == max) extremum = w[i] == 0.0f ? 0.0f : w[i];
  }
  const float scale = extremum / -8.0f;
  // Zero, or so small that the reciprocal is infinite and ggml's code undefined: factor 0 gives code 8 throughout.  The
  // stored scale is zero then, so no code would make a difference.
  const float factor = 1.0f / scale;
  return {scale, std::isinf(factor) ? 0.0f : factor};
}

void pack(const std::int32_t* codes, std::uint8_t* packed) {
  for (std::size_t j = 0; j < kN / 2; ++j) packed[j] = static_cast<std::uint8_t>(codes[j] | codes[j + kN / 2] << 4);
}

// A scale as it is stored, and what weights are divided by: a scale that rounds to zero acts as the limit of ever
// smaller ones (every weight but 0 saturates), which keeps 0 / 0 out.
struct StoredScale {
  explicit StoredScale(float s)
      : value(to_float(to_half(s))), divisor(value == 0.0f ? std::copysign(0x1p-40f, s) : value) {}
  float value, divisor;
};

Status check_sizes(std::size_t n_weights, std::size_t n_blocks) {
  if (n_weights == n_blocks * kN) return {};
  return invalid_argument("q4_0: " + std::to_string(n_weights) + " weights for " + std::to_string(n_blocks) +
                          " blocks of 32; the row length must be a multiple of 32");
}

}  // namespace

Status encode_row(std::span<const float> w, std::span<Q4_0Block> out) {
  FACET_TRY(check_sizes(w.size(), out.size()));
  FACET_TRY(check_block_weights(w, kQ4_0MaxWeight, "q4_0"));
  for (std::size_t b = 0; b < out.size(); ++b) {
    const float* x = w.data() + b * kN;
    const StockScale s = stock_scale(x);
    std::int32_t codes[kN];
    uniform::quantize(x, kN, s.factor, uniform::Shifted{}, codes);
    out[b].scale = to_half(s.scale);
    pack(codes, out[b].codes);
  }
  return {};
}

void decode_row(std::span<const Q4_0Block> in, std::span<float> w) noexcept {
  FACET_CHECK(w.size() == in.size() * kN, "32 weights per block");
  for (std::size_t b = 0; b < in.size(); ++b) {
    const float scale = to_float(in[b].scale);
    float* x = w.data() + b * kN;
    for (std::size_t j = 0; j < kN / 2; ++j) {
      x[j] = static_cast<float>((in[b].codes[j] & 15) - 8) * scale;
      x[j + kN / 2] = static_cast<float>((in[b].codes[j] >> 4) - 8) * scale;
    }
  }
}

Status encode_row_with_scales(std::span<const float> w, std::span<const float> scales, std::span<Q4_0Block> out) {
  FACET_TRY(check_sizes(w.size(), out.size()));
  FACET_TRY(check_sizes(w.size(), scales.size()));
  FACET_TRY(check_block_weights(w, kMaxFinite, "q4_0"));
  for (std::size_t b = 0; b < scales.size(); ++b)
    if (!(to_float(to_half(scales[b])) == scales[b]) || !std::isfinite(scales[b]))
      return invalid_argument("q4_0: scale " + std::to_string(scales[b]) + " of block " + std::to_string(b) +
                              " is not a finite half; round it before choosing codes");
  for (std::size_t b = 0; b < out.size(); ++b) {
    const float* x = w.data() + b * kN;
    const float divisor = StoredScale(scales[b]).divisor;
    std::int32_t codes[kN];
    uniform::quantize(x, kN, divisor, kRange, codes);
    for (std::int32_t& c : codes) c += 8;
    out[b].scale = to_half(scales[b]);
    pack(codes, out[b].codes);
  }
  return {};
}

Status fake_quantize_q4_0(std::span<const float> w, std::span<float> out) {
  FACET_TRY(check_sizes(w.size(), w.size() / kN));
  if (out.size() != w.size()) return invalid_argument("q4_0: output and weights differ in length");
  FACET_TRY(check_block_weights(w, kQ4_0MaxWeight, "q4_0"));
  for (std::size_t begin = 0; begin < w.size(); begin += kN) {
    const float* x = w.data() + begin;
    const StockScale s = stock_scale(x);
    uniform::fake_quantize(x, kN, s.factor, uniform::Shifted{}, to_float(to_half(s.scale)), out.data() + begin);
  }
  return {};
}

Status fake_quantize_q4_0_learned(std::span<const float> w, std::span<const float> scales, std::span<float> out) {
  FACET_TRY(check_sizes(w.size(), scales.size()));
  if (out.size() != w.size()) return invalid_argument("q4_0: output and weights differ in length");
  FACET_TRY(check_block_weights(w, kMaxFinite, "q4_0"));
  for (std::size_t b = 0; b < scales.size(); ++b) {
    const StoredScale s(scales[b]);
    if (!std::isfinite(s.value))
      return corrupt("q4_0: scale " + std::to_string(scales[b]) + " of block " + std::to_string(b) +
                     " has no half; the largest is 65504");
    uniform::fake_quantize(w.data() + b * kN, kN, s.divisor, s.value, kRange, out.data() + b * kN);
  }
  return {};
}

void fake_quantize_q4_0_learned_backward(std::span<const float> w, std::span<const float> scales,
                                         std::span<const float> grad, std::span<float> dw, std::span<float> dscale) {
  FACET_CHECK(w.size() == scales.size() * kN && grad.size() == w.size() && dw.size() == w.size() &&
                  dscale.size() == scales.size(),
              "one gradient per weight, one scale per block of 32");
  for (std::size_t b = 0; b < scales.size(); ++b) {
    const float divisor = StoredScale(scales[b]).divisor;
    dscale[b] = static_cast<float>(
        uniform::backward(w.data() + b * kN, kN, divisor, kRange, grad.data() + b * kN, dw.data() + b * kN));
  }
}

}  // namespace facet
