// half.h: IEEE binary16 and bfloat16 as 16-bit patterns.  All conversions to 16 bits round to nearest, ties to even,
// keep subnormals, and make NaN quiet; conversions to f32 are exact.  Same bits on every CPU.
#pragma once

#include <bit>
#include <cstdint>

namespace facet {

struct Half {
  std::uint16_t bits;
};
struct BFloat16 {
  std::uint16_t bits;
};

inline float to_float(Half h) {
  std::uint32_t sign = std::uint32_t(h.bits & 0x8000u) << 16;
  std::uint32_t magnitude = h.bits & 0x7fffu;
  if (magnitude >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
  // Placing the 15 bits at the top of an f32 and multiplying by 2^112 rebiases the exponent; exact for subnormals too.
  float value = std::bit_cast<float>(magnitude << 13) * 0x1p112f;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) | sign);
}

inline Half to_half(float value) {
  std::uint32_t u = std::bit_cast<std::uint32_t>(value);
  auto sign = static_cast<std::uint16_t>((u >> 16) & 0x8000u);
  u &= 0x7fffffffu;
  if (u > 0x7f800000u) return {static_cast<std::uint16_t>(sign | 0x7e00u)};   // NaN
  if (u >= 0x477ff000u) return {static_cast<std::uint16_t>(sign | 0x7c00u)};  // >= 65520 rounds to infinity
  if (u < 0x38800000u) {  // below 2^-14: adding 0.5 aligns the result to the subnormal step 2^-24, the FPU rounds
    float sum = std::bit_cast<float>(u) + 0.5f;
    return {static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(sum) - 0x3f000000u))};
  }
  u += 0xfffu + ((u >> 13) & 1u);
  return {static_cast<std::uint16_t>(sign | ((u - 0x38000000u) >> 13))};
}

inline float to_float(BFloat16 b) { return std::bit_cast<float>(std::uint32_t(b.bits) << 16); }

inline BFloat16 to_bfloat16(float value) {
  std::uint32_t u = std::bit_cast<std::uint32_t>(value);
  if ((u & 0x7fffffffu) > 0x7f800000u) return {static_cast<std::uint16_t>(u >> 16 | 0x40u)};
  u += 0x7fffu + ((u >> 16) & 1u);
  return {static_cast<std::uint16_t>(u >> 16)};
}

}  // namespace facet
