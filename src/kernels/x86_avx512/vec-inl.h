// vec-inl.h: what AVX-512 F, BW, DQ, VL and VNNI offer to the shared kernels: 16 lanes.  The same names as in
// x86_avx2/vec-inl.h, where those that need a word have it.  Included inside the target's unnamed namespace.

using F = __m512;
using I = __m512i;
using Mask = __mmask16;
constexpr int kLanes = 16, kBytes = 64;

FACET_INLINE F zero() { return _mm512_setzero_ps(); }
FACET_INLINE F set(float v) { return _mm512_set1_ps(v); }
FACET_INLINE F load(const float* p) { return _mm512_loadu_ps(p); }
FACET_INLINE void store(float* p, F v) { _mm512_storeu_ps(p, v); }
FACET_INLINE Mask first_lanes(int n) { return static_cast<Mask>((1u << n) - 1); }
FACET_INLINE F load_first(const float* p, int n) { return _mm512_maskz_loadu_ps(first_lanes(n), p); }
FACET_INLINE void store_first(float* p, F v, int n) { _mm512_mask_storeu_ps(p, first_lanes(n), v); }

FACET_INLINE F add(F a, F b) { return _mm512_add_ps(a, b); }
FACET_INLINE F sub(F a, F b) { return _mm512_sub_ps(a, b); }
FACET_INLINE F mul(F a, F b) { return _mm512_mul_ps(a, b); }
FACET_INLINE F div(F a, F b) { return _mm512_div_ps(a, b); }
FACET_INLINE F mul_add(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
FACET_INLINE F neg_mul_add(F a, F b, F c) { return _mm512_fnmadd_ps(a, b, c); }
FACET_INLINE F min(F a, F b) { return _mm512_min_ps(a, b); }
FACET_INLINE F max(F a, F b) { return _mm512_max_ps(a, b); }
FACET_INLINE F abs(F a) { return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), a); }
FACET_INLINE F with_sign(F magnitude, F sign) {
  return _mm512_or_ps(magnitude, _mm512_and_ps(_mm512_set1_ps(-0.0f), sign));
}
FACET_INLINE F round_even(F a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
FACET_INLINE Mask less(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
FACET_INLINE Mask equal(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
FACET_INLINE unsigned bits(Mask m) { return m; }
FACET_INLINE F select(Mask m, F yes, F no) { return _mm512_mask_blend_ps(m, no, yes); }
FACET_INLINE F exp2_of_integer(F n) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23));
}
FACET_INLINE I to_int_nan_zero(F a) {
  return _mm512_maskz_mov_epi32(_mm512_cmp_ps_mask(a, a, _CMP_ORD_Q), _mm512_cvtps_epi32(a));
}

FACET_INLINE __m256 low_half(F v) { return _mm512_castps512_ps256(v); }
FACET_INLINE __m256 high_half(F v) { return _mm512_extractf32x8_ps(v, 1); }
FACET_INLINE float reduce_max(F a) {
  const __m256 h = _mm256_max_ps(low_half(a), high_half(a));
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}
// Lanes i and i + 8 first, then as on 8 lanes.
FACET_INLINE Four sums_of_4(const F v[4]) {
  __m256 h[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) h[i] = _mm256_add_ps(low_half(v[i]), high_half(v[i]));
  return sums_of_4_ymm(h[0], h[1], h[2], h[3]);
}
FACET_INLINE F max_bits(F a, F b) {
  return _mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b)));
}
FACET_INLINE float reduce_max_bits(F a) {
  const __m256i h = _mm256_max_epi32(_mm256_castps_si256(low_half(a)), _mm256_castps_si256(high_half(a)));
  __m128i m = _mm_max_epi32(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1));
  m = _mm_max_epi32(m, _mm_unpackhi_epi64(m, m));
  return _mm_cvtss_f32(_mm_castsi128_ps(_mm_max_epi32(m, _mm_shuffle_epi32(m, 0x55))));
}

struct Sum64 {
  __m512d low = _mm512_setzero_pd(), high = _mm512_setzero_pd();
  FACET_INLINE void add(F v) {
    low = _mm512_add_pd(low, _mm512_cvtps_pd(low_half(v)));
    high = _mm512_add_pd(high, _mm512_cvtps_pd(high_half(v)));
  }
  FACET_INLINE void add_square(F v) {
    const __m512d a = _mm512_cvtps_pd(low_half(v)), b = _mm512_cvtps_pd(high_half(v));
    low = _mm512_fmadd_pd(a, a, low);
    high = _mm512_fmadd_pd(b, b, high);
  }
  FACET_INLINE double total() const {
    const __m512d s = _mm512_add_pd(low, high);
    return sum_of_pd(_mm256_add_pd(_mm512_castpd512_pd256(s), _mm512_extractf64x4_pd(s, 1)));
  }
};

FACET_INLINE F load_f16(const void* p) { return _mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p))); }
FACET_INLINE F load_bf16(const void* p) {
  return _mm512_castsi512_ps(
      _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(p))), 16));
}
FACET_INLINE F load_i8(const void* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p))));
}
FACET_INLINE void store_i8(void* p, I v) { _mm_storeu_si128(static_cast<__m128i*>(p), _mm512_cvtsepi32_epi8(v)); }
FACET_INLINE void store_i16(void* p, I v) {
  const __m256i low = _mm512_castsi512_si256(v), high = _mm512_extracti64x4_epi64(v, 1);
  _mm256_storeu_si256(static_cast<__m256i*>(p), _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8));
}
FACET_INLINE void store_f16(void* p, F v) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
FACET_INLINE void store_bf16(void* p, F v) {
  const I u = _mm512_castps_si512(v);
  const I odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
  const I rounded = _mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const I quiet = _mm512_or_si512(u, _mm512_set1_epi32(0x400000));
  const I high = _mm512_srli_epi32(_mm512_mask_mov_epi32(rounded, _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), quiet), 16);
  _mm256_storeu_si256(static_cast<__m256i*>(p), _mm512_cvtepi32_epi16(high));
}

FACET_INLINE F as_floats(I v) { return _mm512_castsi512_ps(v); }
FACET_INLINE I as_ints(F v) { return _mm512_castps_si512(v); }
FACET_INLINE I int_zero() { return _mm512_setzero_si512(); }
FACET_INLINE I int_set(std::int32_t v) { return _mm512_set1_epi32(v); }
FACET_INLINE I int_load(const void* p) { return _mm512_loadu_si512(p); }
FACET_INLINE void int_store(void* p, I v) { _mm512_storeu_si512(p, v); }
FACET_INLINE I int_add(I a, I b) { return _mm512_add_epi32(a, b); }
FACET_INLINE I int_sub(I a, I b) { return _mm512_sub_epi32(a, b); }
template <int kShift>
FACET_INLINE I int_shift_left(I a) {
  return _mm512_slli_epi32(a, kShift);
}
template <int kShift>
FACET_INLINE I int_shift_right(I a) {  // keeps the sign
  return _mm512_srai_epi32(a, kShift);
}
FACET_INLINE F to_float(I a) { return _mm512_cvtepi32_ps(a); }
FACET_INLINE I bytes_and(I a, int mask) { return _mm512_and_si512(a, _mm512_set1_epi8(static_cast<char>(mask))); }
template <int kShift>
FACET_INLINE I bytes_shift_right(I a) {
  return _mm512_srli_epi16(a, kShift);
}
FACET_INLINE __m128i int_sums_of_4(const I v[4]) {
  __m256i h[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) h[i] = _mm256_add_epi32(_mm512_castsi512_si256(v[i]), _mm512_extracti64x4_epi64(v[i], 1));
  return int_sums_of_4_ymm(h[0], h[1], h[2], h[3]);
}

// As on 256 bits.
FACET_INLINE I halves_of_2(I a, I b) { return int_add(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b)); }
FACET_INLINE __m128i sums_of_halves(I ab, I cd) {
  const I sums = int_add(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m256i h = _mm256_add_epi32(_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64(sums, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1));
}

constexpr int kWords = kBytes / 2;
FACET_INLINE I words_of_codes(const void* p) {
  return _mm512_cvtepi8_epi16(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
}
FACET_INLINE I add_dot_words(I acc, I a, I b) { return FACET_ADD_IN_PLACE(vpdpwssd, _mm512_dpwssd_epi32, acc, a, b); }
// Interleaved within 128 bits: half 0 has the pairs 0..7 and 16..23.
template <int kHalf>
FACET_INLINE I pairs_of_codes(const void* a, const void* b) {
  const __m256i v = _mm256_loadu_si256(static_cast<const __m256i*>(a));
  const __m256i w = _mm256_loadu_si256(static_cast<const __m256i*>(b));
  return _mm512_cvtepi8_epi16(kHalf == 0 ? _mm256_unpacklo_epi8(v, w) : _mm256_unpackhi_epi8(v, w));
}
template <int... kHalf>
FACET_INLINE void add_pair_sums(float* p, const I* sums, F unit) {
  static_assert(sizeof...(kHalf) == 2);  // there are registers for both
  const I first = _mm512_inserti64x4(sums[0], _mm512_castsi512_si256(sums[1]), 1);
  const I second = _mm512_permutex2var_epi64(sums[0], _mm512_setr_epi64(4, 5, 6, 7, 12, 13, 14, 15), sums[1]);
  store(p, mul_add(to_float(first), unit, load(p)));
  store(p + kLanes, mul_add(to_float(second), unit, load(p + kLanes)));
}

// acc + the sums of four products of an unsigned and a signed byte, for vnni_dots-inl.h.
FACET_INLINE I add_fours(I acc, I u, I s) { return FACET_ADD_IN_PLACE(vpdpbusd, _mm512_dpbusd_epi32, acc, u, s); }
FACET_INLINE __m256i add_fours(__m256i acc, __m256i u, __m256i s) {
  return FACET_ADD_IN_PLACE(vpdpbusd, _mm256_dpbusd_epi32, acc, u, s);
}
FACET_INLINE I bytes_xor(I a, int mask) { return _mm512_xor_si512(a, _mm512_set1_epi8(static_cast<char>(mask))); }

constexpr int kFloatTokens = 6;  // 4 rows x 6 tokens: 24 sums, 6 tokens' loads and a row in 32 registers
constexpr int kIntTokens = 8;    // 16 sums: each waits 4 cycles or more for itself
