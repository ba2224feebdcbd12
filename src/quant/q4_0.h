// q4_0.h: the Q4_0 block of GGUF.  Law: docs/formats/q4_0.md.
// The only place that knows this layout; kernels, writers, PTQ and the trainer all include it.
#pragma once

#include <cstdint>
#include <span>

#include "base/half.h"
#include "facet/status.h"

namespace facet {

// 32 consecutive weights of one row.  weight[i] = scale * (code[i] - 8), code in 0..15.
struct Q4_0Block {
  static constexpr int kWeights = 32;
  Half scale;                        // signed: under ggml's rule the first largest-magnitude weight maps to code 0
  std::uint8_t codes[kWeights / 2];  // byte j: low nibble = weight j, high nibble = weight j + 16
};
static_assert(sizeof(Q4_0Block) == 18);  // 4.5 bits per weight

// Quantizes one row by ggml's rule (scale = -extremum / 8).  w: 32 * n floats; out: n blocks; no overlap; any
// alignment. Bit-identical on every CPU: scalar f32; codes use the f32 scale, the stored scale is that value rounded to
// half. kInvalidArgument: sizes disagree.  kCorrupt: a weight is NaN, infinite or so large (524160) that its scale has
// no half, and out is untouched.
Status encode_row(std::span<const float> w, std::span<Q4_0Block> out);

// Inverse; never fails.  Exact: a half times a small integer fits in f32.
void decode_row(std::span<const Q4_0Block> in, std::span<float> w) noexcept;

// Codes by round-half-even of w / scale with the given block scales (any sign, already representable as half),
// saturating: what a learned or searched scale deploys.  scales: one per block.
Status encode_row_with_scales(std::span<const float> w, std::span<const float> scales, std::span<Q4_0Block> out);

// What training sees: decode(encode(w)), exactly.  w and out may be the same memory.  Finite input (else kCorrupt, out
// undefined).
Status fake_quantize_q4_0(std::span<const float> w, std::span<float> out);

// The learned variant, "Q4_0-L" of spec/qat-training.md Q10: half-rounded scales are used for codes and values alike.
// Backward (masked LSQ): dw[i] = grad[i] where -8 <= w/s <= 7, else 0; dscale[b] = sum of grad * (q - v | 7 | -8).
Status fake_quantize_q4_0_learned(std::span<const float> w, std::span<const float> scales, std::span<float> out);
void fake_quantize_q4_0_learned_backward(std::span<const float> w, std::span<const float> scales,
                                         std::span<const float> grad, std::span<float> dw, std::span<float> dscale);

}  // namespace facet
