#include "quant/ggml_blocks.h"

#include <cstring>

#include "quant/q4_k.h"

namespace facet {
namespace {

// weight(block, code of 0..15, bit, float&) for each block of 32 with nibbles as Q4_0's and, where there are any, high
// bits.
template <typename Block, typename Weight>
void decode_nibbles(std::span<const Block> in, std::span<float> w, Weight weight) {
  for (std::size_t b = 0; b < in.size(); ++b)
    for (int i = 0; i < 32; ++i) {
      const int nibble = i < 16 ? in[b].codes[i] & 15 : in[b].codes[i - 16] >> 4;
      w[b * 32 + static_cast<std::size_t>(i)] = weight(in[b], nibble, i);
    }
}
template <typename Block>
int with_high_bit(const Block& block, int nibble, int i) {
  return nibble | (block.high[i / 8] >> (i % 8) & 1) << 4;
}

// Weight i of a block of 256 whose two-bit codes lie as Q2_K's: halves of 128 in 32 bytes, quarters of 32 by bits.
int two_bits(const std::uint8_t* codes, int i) { return codes[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3; }

}  // namespace

void decode_row(std::span<const Q4_1Block> in, std::span<float> w) noexcept {
  decode_nibbles(in, w, [](const Q4_1Block& b, int code, int) {
    return static_cast<float>(code) * to_float(b.scale) + to_float(b.min);
  });
}
void decode_row(std::span<const Q5_0Block> in, std::span<float> w) noexcept {
  decode_nibbles(in, w, [](const Q5_0Block& b, int code, int i) {
    return static_cast<float>(with_high_bit(b, code, i) - 16) * to_float(b.scale);
  });
}
void decode_row(std::span<const Q5_1Block> in, std::span<float> w) noexcept {
  decode_nibbles(in, w, [](const Q5_1Block& b, int code, int i) {
    return static_cast<float>(with_high_bit(b, code, i)) * to_float(b.scale) + to_float(b.min);
  });
}

void decode_row(std::span<const Q2_KBlock> in, std::span<float> w) noexcept {
  for (const Q2_KBlock& b : in) {
    for (int i = 0; i < 256; ++i) {
      const std::uint8_t group = b.groups[i / 16];
      const float scale = to_float(b.scale) * static_cast<float>(group & 15),
                  min = to_float(b.min_unit) * static_cast<float>(group >> 4);
      w[static_cast<std::size_t>(i)] = scale * static_cast<float>(two_bits(b.codes, i)) - min;
    }
    w = w.subspan(256);
  }
}

void decode_row(std::span<const Q3_KBlock> in, std::span<float> w) noexcept {
  for (const Q3_KBlock& b : in) {
    for (int i = 0; i < 256; ++i) {
      const int g = i / 16;
      const int low = g < 8 ? b.groups[g] & 15 : b.groups[g - 8] >> 4, top = b.groups[8 + g % 4] >> (g / 4 * 2) & 3;
      const int code = two_bits(b.codes, i) - (b.high[i % 32] >> (i / 32) & 1 ? 0 : 4);
      w[static_cast<std::size_t>(i)] =
          to_float(b.scale) * static_cast<float>((low | top << 4) - 32) * static_cast<float>(code);
    }
    w = w.subspan(256);
  }
}

void decode_row(std::span<const Q5_KBlock> in, std::span<float> w) noexcept {
  for (const Q5_KBlock& b : in) {
    Q4_KBlock groups{};  // for their packing, which is the same
    std::memcpy(groups.groups, b.groups, sizeof groups.groups);
    for (int i = 0; i < 256; ++i) {
      const int g = i / 32;
      const Q4_KGroup group = group_of(groups, g);
      const int code = (b.codes[g / 2 * 32 + i % 32] >> (g % 2 * 4) & 15) | (b.high[i % 32] >> g & 1) << 4;
      w[static_cast<std::size_t>(i)] = to_float(b.scale) * static_cast<float>(group.scale) * static_cast<float>(code) -
                                       to_float(b.min_unit) * static_cast<float>(group.min);
    }
    w = w.subspan(256);
  }
}

}  // namespace facet
