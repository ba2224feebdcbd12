// q4_k.h: the Q4_K block of GGUF.  Law: docs/formats/q4_k.md; golden bytes: tests/golden/q4_k/.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/half.h"
#include "facet/status.h"

namespace facet {

// 256 consecutive weights of one row, in 8 groups of 32 with a scale and a minimum each, in units of the block's:
// weight = (scale * group scale) * code - (min_unit * group minimum); code in 0..15, the group's numbers in 0..63.
// Groups lie in pairs: weight l of groups 2 p and 2 p + 1 is the low and the high nibble of codes[32 p + l].
struct Q4_KBlock {
  static constexpr int kWeights = 256, kGroup = 32, kGroups = kWeights / kGroup;
  Half scale;
  Half min_unit;
  std::uint8_t groups[12];  // six bits each: see group_of
  std::uint8_t codes[128];
};
static_assert(sizeof(Q4_KBlock) == 144);  // 4.5 bits per weight

// Round-to-nearest: a group spans from its smallest weight, or 0 if that is positive, to its largest in 15 steps; the
// block's units are the largest group's over 63.  (ggml searches instead; its blocks are read all the same.)  Errors as
// q4_0.h.
Status encode_row(std::span<const float> w, std::span<Q4_KBlock> out);
// Exact up to the one rounding of the subtraction.
void decode_row(std::span<const Q4_KBlock> in, std::span<float> w) noexcept;

struct Q4_KGroup {
  std::uint8_t scale, min;  // 0..63
};
Q4_KGroup group_of(const Q4_KBlock& block, int g) noexcept;
void set_group(Q4_KBlock& block, int g, Q4_KGroup group) noexcept;

// The codes of a block in the order of its weights.
std::array<std::uint8_t, Q4_KBlock::kWeights> unpack_codes(const Q4_KBlock& block) noexcept;
// Puts 256 codes (0..15) where they belong; the rest stays.
void pack_codes(std::span<const std::uint8_t> codes, Q4_KBlock& block) noexcept;

}  // namespace facet
