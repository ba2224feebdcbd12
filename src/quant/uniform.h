// uniform.h: the loops of a saturating uniform quantizer, shared by every format with one.  Internal to quant/.
// In all of them: code q = code_of(w / divisor, min, max); the decoded weight is q * scale.  Input and output of one
// call may be the same memory.  They live in a translation unit of their own because bounds that g++ knows at compile
// time make it thread jumps through the saturation and leave the loops scalar (g++ 12: 2.3 ns per element against 0.3).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "quant/round.h"

namespace facet::uniform {

struct Range {
  float min, max;
};

void fake_quantize(const float* w, std::size_t n, float divisor, float scale, Range range, float* out);
// A NaN has code 0.
void quantize(const float* w, std::size_t n, float divisor, Range range, std::int32_t* codes);
void quantize(const float* w, std::size_t n, float divisor, Range range, std::int8_t* codes);
// dw = grad where min <= w / divisor <= max, else 0.  Returns sum of grad * (q - w / divisor | max | min).
double backward(const float* w, std::size_t n, float divisor, Range range, const float* grad, float* dw);
// Sums of o * w * q and o * q * q; and of o * (w - q * scale)^2.  o null: 1 everywhere.
struct Moments {
  double wq = 0.0, qq = 0.0;
};
Moments moments(const float* w, const float* o, std::size_t n, float scale, Range range);
double squared_error(const float* w, const float* o, std::size_t n, float scale, Range range);

// Round half up on a shifted axis, as ggml's Q4_0 has it: q = min(max, trunc(w * factor + shift)).  Needs w * factor +
// shift >= 0. Decoded: (q - zero) * scale.
struct Shifted {
  float shift = 8.5f, max = 15.0f, zero = 8.0f;
};
void fake_quantize(const float* w, std::size_t n, float factor, Shifted shifted, float scale, float* out);
void quantize(const float* w, std::size_t n, float factor, Shifted shifted, std::int32_t* codes);

}  // namespace facet::uniform
