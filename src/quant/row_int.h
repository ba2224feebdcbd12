// row_int.h: the mobile format's weights: symmetric int2, int4 or int8 codes with one f32 scale per row (or per row and
// group of columns).  Law: docs/formats/mobile.md.
// code = clamp(round_half_even(w / scale), min, max); weight = code * scale.  int2 codes are {-2,-1,0,1}.
// Packed: 4 bit: byte j = (v[2j]+8) | (v[2j+1]+8) << 4;  2 bit: four codes a byte, low bits first, offset 2;  8 bit:
// plain.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace facet {

struct IntRange {
  int min, max;
};
constexpr IntRange int_range(int bits) { return {-(1 << (bits - 1)), (1 << (bits - 1)) - 1}; }

// One group: n weights that share `scale` (> 0, finite).  bits in {2, 4, 8}.  All spans have n elements unless said.
void quantize_group(std::span<const float> w, float scale, int bits, std::span<std::int8_t> codes);
void dequantize_group(std::span<const std::int8_t> codes, float scale, std::span<float> w);
// decode(quantize(w)), exactly what the exported file decodes to.  w and out may be the same memory.
void fake_quantize_group(std::span<const float> w, float scale, int bits, std::span<float> out);
// Masked straight-through gradient (LSQ, Esser et al. 2019; spec/qat-training.md Q5) of fake_quantize_group:
// dw[i] = grad[i] inside [min, max], else 0.  Returns d(loss)/d(scale) = sum of grad * (q - w/s | max | min), in f64
// sums. dw may be grad's memory.  A NaN in w stays NaN in the output and in the scale's gradient, here and above.
double fake_quantize_group_backward(std::span<const float> w, float scale, int bits, std::span<const float> grad,
                                    std::span<float> dw);
// The same over a whole tensor: scales.size() groups of equal size, one after another (rows, or rows x groups).
void fake_quantize_groups(std::span<const float> w, std::span<const float> scales, int bits, std::span<float> out);
void fake_quantize_groups_backward(std::span<const float> w, std::span<const float> scales, int bits,
                                   std::span<const float> grad, std::span<float> dw, std::span<float> dscales);

// packed: ceil(n * bits / 8) bytes; pad codes are zero codes (offset form).
void pack_codes(std::span<const std::int8_t> codes, int bits, std::span<std::byte> packed);
void unpack_codes(std::span<const std::byte> packed, int bits, std::span<std::int8_t> codes);

}  // namespace facet
