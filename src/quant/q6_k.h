// q6_k.h: the Q6_K block of GGUF.  Law: docs/formats/q6_k.md.
#pragma once

#include <cstdint>
#include <span>

#include "base/half.h"
#include "facet/status.h"

namespace facet {

// 256 consecutive weights of one row, in 16 groups with a scale each.  weight = scale * scales[group] * (code - 32),
// code in 0..63: four low bits and two high ones, stored apart.  Weights lie in halves of 128, those in quarters of 32:
// quarter q, weight l of half h has its low bits in nibble q / 2 of low[64 h + 32 (q % 2) + l], its high bits at 2 q of
// high[32 h + l], and group 8 h + 2 q + l / 16.
struct Q6_KBlock {
  static constexpr int kWeights = 256, kGroup = 16;
  std::uint8_t low[128];
  std::uint8_t high[64];
  std::int8_t scales[16];
  Half scale;
};
static_assert(sizeof(Q6_KBlock) == 210);  // 6.5625 bits per weight

// Round-to-nearest: a group's scale is its largest weight over -32, in steps of the largest such scale over 127.  (ggml
// searches 18 scales per group instead; its blocks are read all the same.)  Errors as q4_0.h.
Status encode_row(std::span<const float> w, std::span<Q6_KBlock> out);
// Exact up to the one rounding of scale * scales[group].
void decode_row(std::span<const Q6_KBlock> in, std::span<float> w) noexcept;

// Puts 256 codes (0..63) where they belong; the scales stay.
void pack_codes(std::span<const std::uint8_t> codes, Q6_KBlock& block) noexcept;

}  // namespace facet
