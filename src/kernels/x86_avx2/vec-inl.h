// vec-inl.h: what AVX2, FMA and F16C offer to the shared kernels: 8 lanes.  The same names in x86_avx512/vec-inl.h.
// Dot products of bytes are in dots-inl.h, or in generic/vnni_dots-inl.h for CPUs that have AVX-VNNI.
// Included inside the target's unnamed namespace, after the intrinsics and table.h.

using F = __m256;   // kLanes floats
using I = __m256i;  // kLanes int32, or kBytes bytes
using Mask = __m256;
constexpr int kLanes = 8, kBytes = 32;

FACET_INLINE F zero() { return _mm256_setzero_ps(); }
FACET_INLINE F set(float v) { return _mm256_set1_ps(v); }
FACET_INLINE F load(const float* p) { return _mm256_loadu_ps(p); }
FACET_INLINE void store(float* p, F v) { _mm256_storeu_ps(p, v); }
// The first n < kLanes only: no other byte is touched; the other lanes are 0.
FACET_INLINE I first_lanes(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
FACET_INLINE F load_first(const float* p, int n) { return _mm256_maskload_ps(p, first_lanes(n)); }
FACET_INLINE void store_first(float* p, F v, int n) { _mm256_maskstore_ps(p, first_lanes(n), v); }

FACET_INLINE F add(F a, F b) { return _mm256_add_ps(a, b); }
FACET_INLINE F sub(F a, F b) { return _mm256_sub_ps(a, b); }
FACET_INLINE F mul(F a, F b) { return _mm256_mul_ps(a, b); }
FACET_INLINE F div(F a, F b) { return _mm256_div_ps(a, b); }
FACET_INLINE F mul_add(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }       // a * b + c
FACET_INLINE F neg_mul_add(F a, F b, F c) { return _mm256_fnmadd_ps(a, b, c); }  // c - a * b
// The second operand where either is NaN.
FACET_INLINE F min(F a, F b) { return _mm256_min_ps(a, b); }
FACET_INLINE F max(F a, F b) { return _mm256_max_ps(a, b); }
FACET_INLINE F abs(F a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
FACET_INLINE F with_sign(F magnitude, F sign) {
  return _mm256_or_ps(magnitude, _mm256_and_ps(_mm256_set1_ps(-0.0f), sign));
}
FACET_INLINE F round_even(F a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
FACET_INLINE Mask less(F a, F b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
FACET_INLINE Mask equal(F a, F b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
FACET_INLINE unsigned bits(Mask m) { return static_cast<unsigned>(_mm256_movemask_ps(m)); }
FACET_INLINE F select(Mask m, F yes, F no) { return _mm256_blendv_ps(no, yes, m); }
// 2^n for integers n in [-126, 127].
FACET_INLINE F exp2_of_integer(F n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
// Round half to even; NaN gives 0.
FACET_INLINE I to_int_nan_zero(F a) {
  return _mm256_and_si256(_mm256_cvtps_epi32(a), _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_ORD_Q)));
}
FACET_INLINE float reduce_max(F a) {
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}
// Lane j: the sum of v[j]'s lanes, by one fixed tree.
FACET_INLINE Four sums_of_4(const F v[4]) { return sums_of_4_ymm(v[0], v[1], v[2], v[3]); }

// Of the bit patterns of numbers >= 0, which is the order of the numbers, with NaN above all.
FACET_INLINE F max_bits(F a, F b) {
  return _mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256(a), _mm256_castps_si256(b)));
}
FACET_INLINE float reduce_max_bits(F a) {
  const I v = _mm256_castps_si256(a);
  __m128i m = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  m = _mm_max_epi32(m, _mm_unpackhi_epi64(m, m));
  return _mm_cvtss_f32(_mm_castsi128_ps(_mm_max_epi32(m, _mm_shuffle_epi32(m, 0x55))));
}

// Sums in f64.
struct Sum64 {
  __m256d low = _mm256_setzero_pd(), high = _mm256_setzero_pd();
  FACET_INLINE void add(F v) {
    low = _mm256_add_pd(low, _mm256_cvtps_pd(_mm256_castps256_ps128(v)));
    high = _mm256_add_pd(high, _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1)));
  }
  FACET_INLINE void add_square(F v) {
    const __m256d a = _mm256_cvtps_pd(_mm256_castps256_ps128(v)), b = _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1));
    low = _mm256_fmadd_pd(a, a, low);
    high = _mm256_fmadd_pd(b, b, high);
  }
  FACET_INLINE double total() const { return sum_of_pd(_mm256_add_pd(low, high)); }
};

// kLanes elements of narrower types, converted exactly.
FACET_INLINE F load_f16(const void* p) { return _mm256_cvtph_ps(_mm_loadu_si128(static_cast<const __m128i*>(p))); }
FACET_INLINE F load_bf16(const void* p) {
  return _mm256_castsi256_ps(
      _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p))), 16));
}
FACET_INLINE F load_i8(const void* p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(p))));
}
// kLanes results of narrower types.  Codes saturate; f16 and bf16 round half to even, NaN stays NaN.
FACET_INLINE void store_i8(void* p, I v) {
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  _mm_storel_epi64(static_cast<__m128i*>(p), _mm_packs_epi16(words, words));
}
FACET_INLINE void store_i16(void* p, I v) {
  _mm_storeu_si128(static_cast<__m128i*>(p),
                   _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1)));
}
FACET_INLINE void store_f16(void* p, F v) {
  _mm_storeu_si128(static_cast<__m128i*>(p), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
FACET_INLINE void store_bf16(void* p, F v) {
  const I u = _mm256_castps_si256(v);
  const I odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
  const I rounded = _mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const I quiet = _mm256_or_si256(u, _mm256_set1_epi32(0x400000));
  const I nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
  const I high = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
  _mm_storeu_si128(static_cast<__m128i*>(p),
                   _mm_packus_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1)));
}

// Integers.
FACET_INLINE F as_floats(I v) { return _mm256_castsi256_ps(v); }
FACET_INLINE I as_ints(F v) { return _mm256_castps_si256(v); }
FACET_INLINE I int_zero() { return _mm256_setzero_si256(); }
FACET_INLINE I int_set(std::int32_t v) { return _mm256_set1_epi32(v); }
FACET_INLINE I int_load(const void* p) { return _mm256_loadu_si256(static_cast<const I*>(p)); }
FACET_INLINE void int_store(void* p, I v) { _mm256_storeu_si256(static_cast<I*>(p), v); }
FACET_INLINE I int_add(I a, I b) { return _mm256_add_epi32(a, b); }
FACET_INLINE I int_sub(I a, I b) { return _mm256_sub_epi32(a, b); }
template <int kShift>
FACET_INLINE I int_shift_left(I a) {
  return _mm256_slli_epi32(a, kShift);
}
template <int kShift>
FACET_INLINE I int_shift_right(I a) {  // keeps the sign
  return _mm256_srai_epi32(a, kShift);
}
FACET_INLINE F to_float(I a) { return _mm256_cvtepi32_ps(a); }
FACET_INLINE I bytes_and(I a, int mask) { return _mm256_and_si256(a, _mm256_set1_epi8(static_cast<char>(mask))); }
template <int kShift>
FACET_INLINE I bytes_shift_right(I a) {  // bits cross bytes: mask afterwards
  return kShift == 0 ? a : _mm256_srli_epi16(a, kShift);
}
FACET_INLINE __m128i int_sums_of_4(const I v[4]) { return int_sums_of_4_ymm(v[0], v[1], v[2], v[3]); }

// Sums that stay in their registers: left to itself g++ 12 copies each of them once per step, and spills some.
FACET_INLINE I add_in_place(I sum, I v) {
  asm("vpaddd %1, %0, %0" : "+x"(sum) : "x"(v));
  return sum;
}
FACET_INLINE I add_words_in_place(I sum, I v) {
  asm("vpaddw %1, %0, %0" : "+x"(sum) : "x"(v));
  return sum;
}

// For int_attention-inl.h: kWords codes in 16 bits; sums of products of pairs of those.
constexpr int kWords = kBytes / 2;
FACET_INLINE I words_of_codes(const void* p) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(static_cast<const __m128i*>(p)));
}
FACET_INLINE I add_dot_words(I acc, I a, I b) { return add_in_place(acc, _mm256_madd_epi16(a, b)); }
// Half of kWords codes of a and of b, interleaved.
template <int kHalf>
FACET_INLINE I pairs_of_codes(const void* a, const void* b) {
  const __m128i v = _mm_loadu_si128(static_cast<const __m128i*>(a)),
                w = _mm_loadu_si128(static_cast<const __m128i*>(b));
  return _mm256_cvtepi8_epi16(kHalf == 0 ? _mm_unpacklo_epi8(v, w) : _mm_unpackhi_epi8(v, w));
}
// Adds unit * the sums of the pairs of those halves to the values that they belong to, of kWords at p.
template <int... kHalf>
FACET_INLINE void add_pair_sums(float* p, const I* sums, F unit) {
  auto add_half = [&](float* to)
                      FACET_INLINE_LAMBDA { store(to, mul_add(_mm256_cvtepi32_ps(*sums++), unit, load(to))); };
  (add_half(p + kHalf * kLanes), ...);
}

constexpr int kFloatTokens = 3;  // 4 rows x 3 tokens: 12 sums, 3 tokens' loads and a row fill the 16 registers
