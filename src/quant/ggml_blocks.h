// ggml_blocks.h: blocks of other people's GGUF files: read, never written, and multiplied as the floats they decode to.
// Law: docs/formats/ggml_blocks.md.  Arithmetic as in ggml: f32, one rounding per operation, in the order given there.
#pragma once

#include <cstdint>
#include <span>

#include "base/half.h"

namespace facet {

// 32 weights: scale * code + min, code 0..15; nibbles as Q4_0's.
struct Q4_1Block {
  static constexpr int kWeights = 32;
  Half scale, min;
  std::uint8_t codes[16];
};
static_assert(sizeof(Q4_1Block) == 20);

// scale * (code - 16), code 0..31: nibbles as Q4_0's, and bit i of the 32 high bits for weight i.
struct Q5_0Block {
  static constexpr int kWeights = 32;
  Half scale;
  std::uint8_t high[4], codes[16];
};
static_assert(sizeof(Q5_0Block) == 22);

// scale * code + min, codes as Q5_0's.
struct Q5_1Block {
  static constexpr int kWeights = 32;
  Half scale, min;
  std::uint8_t high[4], codes[16];
};
static_assert(sizeof(Q5_1Block) == 24);

// 256 weights in 16 groups: scale * s * code - min_unit * m, code 0..3; a group's byte has s in its low nibble, m
// above.
struct Q2_KBlock {
  static constexpr int kWeights = 256;
  std::uint8_t groups[16], codes[64];
  Half scale, min_unit;
};
static_assert(sizeof(Q2_KBlock) == 84);

// scale * (s - 32) * code, code -4..3; s has six bits.
struct Q3_KBlock {
  static constexpr int kWeights = 256;
  std::uint8_t high[32], codes[64], groups[12];
  Half scale;
};
static_assert(sizeof(Q3_KBlock) == 110);

// As Q4_K with a fifth bit: bit g of high[i] for weight i of group g.
struct Q5_KBlock {
  static constexpr int kWeights = 256;
  Half scale, min_unit;
  std::uint8_t groups[12], high[32], codes[128];
};
static_assert(sizeof(Q5_KBlock) == 176);

void decode_row(std::span<const Q4_1Block> in, std::span<float> w) noexcept;
void decode_row(std::span<const Q5_0Block> in, std::span<float> w) noexcept;
void decode_row(std::span<const Q5_1Block> in, std::span<float> w) noexcept;
void decode_row(std::span<const Q2_KBlock> in, std::span<float> w) noexcept;
void decode_row(std::span<const Q3_KBlock> in, std::span<float> w) noexcept;
void decode_row(std::span<const Q5_KBlock> in, std::span<float> w) noexcept;

}  // namespace facet
