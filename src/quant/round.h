// round.h: saturating round-half-even that every compiler vectorises: no library call, no branch, SSE2 is enough.
#pragma once

#include <bit>
#include <cstdint>

// Before a loop whose iterations touch only element i of each array, so that input and output may be the same memory.
#if defined(__clang__)
#define FACET_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define FACET_INDEPENDENT _Pragma("GCC ivdep")
#endif

namespace facet {

// min or max where v is outside [min, max]; NaN comes through, so a broken value stays visible (std::clamp would do the
// same, but its references keep g++ from vectorising).
inline float saturate(float v, float min, float max) {
  v = v > max ? max : v;
  return v < min ? min : v;
}

// Round half to even for |v| <= 2^22, never -0.  Adding 1.5 * 2^23 lands in [2^23, 2^24), where the spacing of f32 is
// exactly 1, so the addition itself rounds v to an integer by the FPU's rule, ties to even; the subtraction of two
// floats that close is exact.
//   v = 2.5: 12582914.5 -> 12582914 -> 2     v = 3.5: 12582915.5 -> 12582916 -> 4     v = -0.5: 12582911.5 -> 12582912
//   -> +0
// Needs SSE arithmetic (f32 intermediates) and no -ffast-math, which would cancel the constant; -ffp-contract is off
// too.
inline float round_half_even(float v) {
  constexpr float kShift = 12582912.0f;  // 1.5 * 2^23
  return (v + kShift) - kShift;
}

// The code of v = x / scale on the integer grid [min, max].  Saturating first keeps round_half_even in its range and
// gives the same result as saturating last, for the bounds are integers and rounding is monotone.
inline float code_of(float v, float min, float max) { return round_half_even(saturate(v, min, max)); }

// condition ? x : +0, as a mask: g++ keeps a branch for the conditional form and gives up on the loop.
inline float keep_if(bool condition, float x) {
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) & (0u - static_cast<std::uint32_t>(condition)));
}

}  // namespace facet
