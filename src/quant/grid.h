// grid.h: weights that were quantized once and stored as floats since: their scale and codes, back again exactly
// (docs/formats/grid.md).
//
// A group of floats lies on a grid where integer codes and one scale give back every one of them: where code * scale,
// rounded to the type in which the floats were stored, is the float.  (Zeros of either sign count as equal.)  Which
// rule made the scale does not matter, for none is assumed.
#pragma once

#include <optional>
#include <span>

#include "quant/q4_0.h"
#include "tensor/dtype.h"

namespace facet {

struct GridFormat {
  int min, max;      // of codes; |min| = max + 1
  bool either_sign;  // the scale may be negative, which turns the range of codes around
  enum class Scale { kHalf, kF32 } scale;
};
inline constexpr GridFormat kQ4_0Grid{-8, 7, true, GridFormat::Scale::kHalf};
inline constexpr GridFormat kI4GroupGrid{-8, 7, true, GridFormat::Scale::kF32};  // of compressed-tensors' w4a16
constexpr GridFormat row_grid(int bits) {                                        // of the mobile format
  return {-(1 << (bits - 1)), (1 << (bits - 1)) - 1, false, GridFormat::Scale::kF32};
}

// A scale on whose grid w lies; its codes are round(w / scale).  stored: the float type w came from, kF32, kF16 or
// kBF16.  Of several scales that serve, that with the smallest codes, then the one of fewest significant bits, then the
// one next to the middle: the choice depends on the values alone, so recovering twice gives the same bytes.  The scale
// is negative where the codes need it, and where they do not but all zeros of w are negative, as decoding leaves them.
// Nothing but zeros: 0 (kHalf), 1e-8 (kF32: such formats want a positive one).  nullopt: w is on no such grid, or not
// finite.
std::optional<float> grid_scale(std::span<const float> w, DType stored, const GridFormat& format);

// The same for one block of 32 with its codes.  False: on no grid, and out is untouched.
bool recover_block(std::span<const float> w, DType stored, Q4_0Block& out);

}  // namespace facet
