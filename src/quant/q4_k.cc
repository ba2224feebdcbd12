#include "quant/q4_k.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/check.h"
#include "quant/blocks.h"

namespace facet {
namespace {

constexpr int kN = Q4_KBlock::kWeights, kGroup = Q4_KBlock::kGroup, kGroups = Q4_KBlock::kGroups;
constexpr float kMostCode = 15, kMostOfGroup = 63;

// value in units, 0..most; 0 where there is no unit.
std::uint8_t steps(float value, float unit, float most) {
  return unit == 0 ? 0 : static_cast<std::uint8_t>(std::clamp(std::nearbyint(value / unit), 0.0f, most));
}

void encode_block(const float* w, Q4_KBlock& out) {
  float scales[kGroups], mins[kGroups];
  for (int g = 0; g < kGroups; ++g) {
    const auto [low, high] = std::minmax_element(w + g * kGroup, w + (g + 1) * kGroup);
    mins[g] = std::max(-*low, 0.0f);
    scales[g] = (*high + mins[g]) / kMostCode;
  }
  out.scale = to_half(*std::max_element(scales, scales + kGroups) / kMostOfGroup);
  out.min_unit = to_half(*std::max_element(mins, mins + kGroups) / kMostOfGroup);
  const float scale_unit = to_float(out.scale), min_unit = to_float(out.min_unit);
  std::fill(std::begin(out.groups), std::end(out.groups), std::uint8_t{0});
  std::uint8_t codes[kN];
  for (int g = 0; g < kGroups; ++g) {
    const Q4_KGroup group{steps(scales[g], scale_unit, kMostOfGroup), steps(mins[g], min_unit, kMostOfGroup)};
    set_group(out, g, group);
    for (int i = g * kGroup; i < (g + 1) * kGroup; ++i)
      codes[i] = steps(w[i] + min_unit * group.min, scale_unit * group.scale, kMostCode);
  }
  pack_codes(codes, out);
}

}  // namespace

// Groups 0..3: scales in the low six bits of bytes 0..3, minima in those of bytes 4..7.  Groups 4..7: low four bits of
// both in bytes 8..11, the scale's in the low nibble; high two bits on top of bytes 0..3 and 4..7.
Q4_KGroup group_of(const Q4_KBlock& block, int g) noexcept {
  const std::uint8_t* p = block.groups;
  const int scale = g < 4 ? p[g] & 63 : (p[g + 4] & 15) | p[g - 4] >> 6 << 4;
  const int min = g < 4 ? p[g + 4] & 63 : p[g + 4] >> 4 | p[g] >> 6 << 4;
  return {static_cast<std::uint8_t>(scale), static_cast<std::uint8_t>(min)};
}

void set_group(Q4_KBlock& block, int g, Q4_KGroup group) noexcept {
  std::uint8_t* p = block.groups;
  auto put = [](std::uint8_t& byte, int mask, int bits) { byte = static_cast<std::uint8_t>((byte & ~mask) | bits); };
  if (g < 4) {
    put(p[g], 63, group.scale);
    put(p[g + 4], 63, group.min);
  } else {
    put(p[g + 4], 255, (group.scale & 15) | (group.min & 15) << 4);
    put(p[g - 4], 192, group.scale >> 4 << 6);
    put(p[g], 192, group.min >> 4 << 6);
  }
}

std::array<std::uint8_t, kN> unpack_codes(const Q4_KBlock& block) noexcept {
  std::array<std::uint8_t, kN> codes;
  for (int i = 0; i < kN; ++i) {
    const int pair = i / (2 * kGroup), high = i / kGroup % 2;
    codes[i] = block.codes[pair * kGroup + i % kGroup] >> (4 * high) & 15;
  }
  return codes;
}

void pack_codes(std::span<const std::uint8_t> codes, Q4_KBlock& block) noexcept {
  FACET_CHECK(codes.size() == kN, "256 codes per block");
  for (int j = 0; j < kN / 2; ++j) {
    const int low = j / kGroup * 2 * kGroup + j % kGroup;
    block.codes[j] = static_cast<std::uint8_t>(codes[low] | codes[low + kGroup] << 4);
  }
}

Status encode_row(std::span<const float> w, std::span<Q4_KBlock> out) {
  if (w.size() != out.size() * kN)
    return invalid_argument("q4_k: " + std::to_string(w.size()) + " weights for " + std::to_string(out.size()) +
                            " blocks of 256; the row length must be a multiple of 256");
  FACET_TRY(check_block_weights(w, kQ4_KMaxWeight, "q4_k"));
  for (std::size_t b = 0; b < out.size(); ++b) encode_block(w.data() + b * kN, out[b]);
  return {};
}

void decode_row(std::span<const Q4_KBlock> in, std::span<float> w) noexcept {
  FACET_CHECK(w.size() == in.size() * kN, "256 weights per block");
  for (std::size_t b = 0; b < in.size(); ++b) {
    const std::array<std::uint8_t, kN> codes = unpack_codes(in[b]);
    for (int g = 0; g < kGroups; ++g) {
      const Q4_KGroup group = group_of(in[b], g);
      const float scale = to_float(in[b].scale) * group.scale, min = to_float(in[b].min_unit) * group.min;
      for (int i = g * kGroup; i < (g + 1) * kGroup; ++i) w[b * kN + i] = scale * static_cast<float>(codes[i]) - min;
    }
  }
}

}  // namespace facet
