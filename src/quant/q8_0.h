// q8_0.h: the Q8_0 block of GGUF.  Law: docs/formats/q8_0.md.
#pragma once

#include <cstdint>
#include <span>

#include "base/half.h"
#include "facet/status.h"

namespace facet {

// 32 consecutive weights of one row.  weight[i] = scale * code[i], code in -127..127 (-128 is legal to read).
struct Q8_0Block {
  static constexpr int kWeights = 32;
  Half scale;
  std::int8_t codes[kWeights];
};
static_assert(sizeof(Q8_0Block) == 34);  // 8.5 bits per weight

// ggml's reference rule: scale = absmax / 127, code = round-half-away(w / scale) by the reciprocal.  Errors as q4_0.h.
Status encode_row(std::span<const float> w, std::span<Q8_0Block> out);
void decode_row(std::span<const Q8_0Block> in, std::span<float> w) noexcept;

}  // namespace facet
