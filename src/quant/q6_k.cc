#include "quant/q6_k.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/check.h"
#include "quant/blocks.h"

namespace facet {
namespace {

constexpr int kN = Q6_KBlock::kWeights, kGroup = Q6_KBlock::kGroup, kGroups = kN / kGroup;

// Where weight i of a block lies.
struct Place {
  int low, nibble, high, shift;
  explicit Place(int i) {
    const int half = i / 128, quarter = i % 128 / 32, l = i % 32;
    low = 64 * half + 32 * (quarter % 2) + l;
    nibble = 4 * (quarter / 2);
    high = 32 * half + l;
    shift = 2 * quarter;
  }
};

int get(const Q6_KBlock& block, int i) {
  const Place p(i);
  return (block.low[p.low] >> p.nibble & 15) | (block.high[p.high] >> p.shift & 3) << 4;
}

void encode_block(const float* w, Q6_KBlock& out) {
  float scales[kGroups], largest = 0;
  for (int g = 0; g < kGroups; ++g) {
    float extremum = 0;
    for (int i = 0; i < kGroup; ++i)
      if (std::fabs(w[g * kGroup + i]) > std::fabs(extremum)) extremum = w[g * kGroup + i];
    scales[g] = extremum / -32.0f;
    if (std::fabs(scales[g]) > std::fabs(largest)) largest = scales[g];
  }
  std::uint8_t codes[kN];
  out.scale = to_half(largest / -128.0f);
  const float unit = to_float(out.scale);
  for (int g = 0; g < kGroups; ++g) {
    const float steps = unit == 0 ? 0 : std::nearbyint(scales[g] / unit);
    out.scales[g] = static_cast<std::int8_t>(std::clamp(steps, -128.0f, 127.0f));
    const float step = unit * out.scales[g];
    for (int i = 0; i < kGroup; ++i) {
      const float code = step == 0 ? 0 : std::nearbyint(w[g * kGroup + i] / step);
      codes[g * kGroup + i] = static_cast<std::uint8_t>(std::clamp(code, -32.0f, 31.0f) + 32.0f);
    }
  }
  pack_codes(codes, out);
}

}  // namespace

void pack_codes(std::span<const std::uint8_t> codes, Q6_KBlock& block) noexcept {
  FACET_CHECK(codes.size() == kN, "256 codes per block");
  std::fill(std::begin(block.low), std::end(block.low), std::uint8_t{0});
  std::fill(std::begin(block.high), std::end(block.high), std::uint8_t{0});
  for (int i = 0; i < kN; ++i) {
    const Place p(i);
    block.low[p.low] = static_cast<std::uint8_t>(block.low[p.low] | (codes[i] & 15) << p.nibble);
    block.high[p.high] = static_cast<std::uint8_t>(block.high[p.high] | codes[i] >> 4 << p.shift);
  }
}

Status encode_row(std::span<const float> w, std::span<Q6_KBlock> out) {
  if (w.size() != out.size() * kN)
    return invalid_argument("q6_k: " + std::to_string(w.size()) + " weights for " + std::to_string(out.size()) +
                            " blocks of 256; the row length must be a multiple of 256");
  FACET_TRY(check_block_weights(w, kQ6_KMaxWeight, "q6_k"));
  for (std::size_t b = 0; b < out.size(); ++b) encode_block(w.data() + b * kN, out[b]);
  return {};
}

void decode_row(std::span<const Q6_KBlock> in, std::span<float> w) noexcept {
  FACET_CHECK(w.size() == in.size() * kN, "256 weights per block");
  for (std::size_t b = 0; b < in.size(); ++b) {
    const float unit = to_float(in[b].scale);
    for (int i = 0; i < kN; ++i)
      w[b * kN + i] = unit * in[b].scales[i / kGroup] * static_cast<float>(get(in[b], i) - 32);
  }
}

}  // namespace facet
