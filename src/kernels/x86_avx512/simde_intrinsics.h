// simde_intrinsics.h: AVX-512 intrinsics in emulation, for tests: SIMDe's under their native names, and those SIMDe
// 0.7.4 lacks, made here of 256-bit halves.
#pragma once

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>
#include <simde/x86/fma.h>

#include <cstddef>
#include <cstdint>

namespace facet::kernels::emulated {
namespace {

union Wide {
  simde__m512 ps;
  simde__m512i si;
  simde__m512d pd;
  __m256 ps_half[2];
  __m256i si_half[2];
  __m256d pd_half[2];
  float f32[16];
  std::int32_t i32[16];
  std::int16_t i16[32];
};
union Half256 {
  __m256i v;
  std::int8_t i8[32];
  std::int16_t i16[16];
};

inline simde__m512 maskz_loadu_ps(simde__mmask16 mask, const void* p) {
  Wide r;
  for (int i = 0; i < 16; ++i) r.f32[i] = mask >> i & 1 ? static_cast<const float*>(p)[i] : 0.0f;
  return r.ps;
}
inline void mask_storeu_ps(void* p, simde__mmask16 mask, simde__m512 v) {
  const Wide r{.ps = v};
  for (int i = 0; i < 16; ++i)
    if (mask >> i & 1) static_cast<float*>(p)[i] = r.f32[i];
}
inline simde__m512i maskz_loadu_epi16(simde__mmask32 mask, const void* p) {
  Wide r;
  for (int i = 0; i < 32; ++i) r.i16[i] = mask >> i & 1 ? static_cast<const std::int16_t*>(p)[i] : std::int16_t{0};
  return r.si;
}
inline simde__m512 cvtepi32_ps(simde__m512i v) {
  Wide r{.si = v};
  for (int i = 0; i < 2; ++i) r.ps_half[i] = _mm256_cvtepi32_ps(r.si_half[i]);
  return r.ps;
}
inline simde__m512i cvtps_epi32(simde__m512 v) {
  Wide r{.ps = v};
  for (int i = 0; i < 2; ++i) r.si_half[i] = _mm256_cvtps_epi32(r.ps_half[i]);
  return r.si;
}
inline simde__m512i srai_epi32(simde__m512i v, int n) {
  Wide r{.si = v};
  for (int i = 0; i < 2; ++i) r.si_half[i] = _mm256_srai_epi32(r.si_half[i], n);
  return r.si;
}
inline simde__m512i madd_epi16(simde__m512i a, simde__m512i b) {
  const Wide v{.si = a}, w{.si = b};
  Wide r;
  for (int i = 0; i < 2; ++i) r.si_half[i] = _mm256_madd_epi16(v.si_half[i], w.si_half[i]);
  return r.si;
}
inline simde__m512d cvtps_pd(__m256 v) {
  Wide r;
  r.pd_half[0] = _mm256_cvtps_pd(_mm256_castps256_ps128(v));
  r.pd_half[1] = _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1));
  return r.pd;
}
inline simde__m512i cvtepi8_epi32(__m128i v) {
  Wide r;
  r.si_half[0] = _mm256_cvtepi8_epi32(v);
  r.si_half[1] = _mm256_cvtepi8_epi32(_mm_unpackhi_epi64(v, v));
  return r.si;
}
inline simde__m512i cvtepu16_epi32(__m256i v) {
  Wide r;
  r.si_half[0] = _mm256_cvtepu16_epi32(_mm256_castsi256_si128(v));
  r.si_half[1] = _mm256_cvtepu16_epi32(_mm256_extracti128_si256(v, 1));
  return r.si;
}
inline __m256i cvtepi32_epi16(simde__m512i v) {
  const Wide r{.si = v};
  Half256 h;
  for (int i = 0; i < 16; ++i) h.i16[i] = static_cast<std::int16_t>(r.i32[i]);
  return h.v;
}
inline simde__m512 cvtph_ps(__m256i v) {
  Wide r;
  r.ps_half[0] = _mm256_cvtph_ps(_mm256_castsi256_si128(v));
  r.ps_half[1] = _mm256_cvtph_ps(_mm256_extracti128_si256(v, 1));
  return r.ps;
}
template <int kRounding>
__m256i cvtps_ph(simde__m512 v) {
  const Wide r{.ps = v};
  return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm256_cvtps_ph(r.ps_half[0], kRounding)),
                                 _mm256_cvtps_ph(r.ps_half[1], kRounding), 1);
}
template <int kHalf>
__m256 extractf32x8_ps(simde__m512 v) {
  return Wide{.ps = v}.ps_half[kHalf];
}

}  // namespace
}  // namespace facet::kernels::emulated

#define _mm512_maskz_loadu_ps(mask, p) ::facet::kernels::emulated::maskz_loadu_ps(mask, p)
#define _mm512_maskz_loadu_epi16(mask, p) ::facet::kernels::emulated::maskz_loadu_epi16(mask, p)
#define _mm512_mask_storeu_ps(p, mask, v) ::facet::kernels::emulated::mask_storeu_ps(p, mask, v)
#define _mm512_cvtepi32_ps(v) ::facet::kernels::emulated::cvtepi32_ps(v)
#define _mm512_cvtps_epi32(v) ::facet::kernels::emulated::cvtps_epi32(v)
#undef _mm512_srai_epi32
#define _mm512_srai_epi32(v, n) ::facet::kernels::emulated::srai_epi32(v, n)
#undef _mm512_madd_epi16
#define _mm512_madd_epi16(a, b) ::facet::kernels::emulated::madd_epi16(a, b)
#define _mm512_cvtps_pd(v) ::facet::kernels::emulated::cvtps_pd(v)
#define _mm512_cvtepi8_epi32(v) ::facet::kernels::emulated::cvtepi8_epi32(v)
#define _mm512_cvtepu16_epi32(v) ::facet::kernels::emulated::cvtepu16_epi32(v)
#define _mm512_cvtepi32_epi16(v) ::facet::kernels::emulated::cvtepi32_epi16(v)
#define _mm512_cvtph_ps(v) ::facet::kernels::emulated::cvtph_ps(v)
#undef _mm512_cvtps_ph
#define _mm512_cvtps_ph(v, rounding) ::facet::kernels::emulated::cvtps_ph<(rounding)>(v)
#undef _mm512_extractf32x8_ps
#define _mm512_extractf32x8_ps(v, half) ::facet::kernels::emulated::extractf32x8_ps<(half)>(v)
