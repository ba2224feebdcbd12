// emulated_intrinsics-inl.h: the one intrinsic of AVX-VNNI that is used, made of AVX2, for tests on CPUs without it.
#include <immintrin.h>

namespace facet::kernels::emulated {
namespace {

// Bytes 0 and 2 of each dword, then 1 and 3, widened to 16 bits: a pair of products (2 * 255 * 128) fits in 32.
inline __m256i dpbusd(__m256i acc, __m256i u, __m256i s) {
  const __m256i u_02 = _mm256_and_si256(u, _mm256_set1_epi16(255)), u_13 = _mm256_srli_epi16(u, 8);
  const __m256i s_02 = _mm256_srai_epi16(_mm256_slli_epi16(s, 8), 8), s_13 = _mm256_srai_epi16(s, 8);
  return _mm256_add_epi32(acc, _mm256_add_epi32(_mm256_madd_epi16(u_02, s_02), _mm256_madd_epi16(u_13, s_13)));
}

}  // namespace
}  // namespace facet::kernels::emulated

#undef _mm256_dpbusd_avx_epi32
#define _mm256_dpbusd_avx_epi32(acc, u, s) ::facet::kernels::emulated::dpbusd(acc, u, s)
