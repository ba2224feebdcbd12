// dots-inl.h: dot products of bytes by AVX2 alone.  The same names in generic/vnni_dots-inl.h.  Included inside the
// target's unnamed namespace, after vec-inl.h.

// The dot product of 32 unsigned codes and 32 signed ones in 8 partial sums.  Codes <= 63, for maddubs saturates at
// 2^15: 2 * 63 * 128 = 16128 is far from it.
FACET_INLINE __m256i dot_small(__m256i u, __m256i s) {
  return _mm256_madd_epi16(_mm256_maddubs_epi16(u, s), _mm256_set1_epi16(1));
}
// The dot products of u[i] and s[i], added; still in 8 partial sums.
FACET_INLINE __m256i dot_small_2(__m256i u0, __m256i s0, __m256i u1, __m256i s1) {
  const __m256i words = _mm256_add_epi16(_mm256_maddubs_epi16(u0, s0), _mm256_maddubs_epi16(u1, s1));
  return _mm256_madd_epi16(words, _mm256_set1_epi16(1));
}
// The same for signed codes of 8 bits; sums begin from dot_bytes_begin(s).  Saturation (2 * 128 * 128 = 2^15) rules
// maddubs out, so both sides widen to 16 bits.
FACET_INLINE __m256i dot_bytes_begin(__m256i) { return _mm256_setzero_si256(); }
FACET_INLINE __m256i add_dot_bytes(__m256i acc, __m256i w, __m256i s) {
  const __m256i low = _mm256_madd_epi16(_mm256_cvtepi8_epi16(_mm256_castsi256_si128(w)),
                                        _mm256_cvtepi8_epi16(_mm256_castsi256_si128(s)));
  const __m256i high = _mm256_madd_epi16(_mm256_cvtepi8_epi16(_mm256_extracti128_si256(w, 1)),
                                         _mm256_cvtepi8_epi16(_mm256_extracti128_si256(s, 1)));
  return _mm256_add_epi32(acc, _mm256_add_epi32(low, high));
}
// For int_matvec-inl.h: acc[d] += the products of kVectors vectors of codes, 2 or 4 bits each, with the activations
// x + d * stride, arranged by planes.  Sums stay in 16 bits: below 4 * 2 * 2 * 15 * 128 (4 bits), and of codes times 4,
// which save two shifts of three, below 4 * 2 * 2 * 12 * 128 (2 bits).
constexpr int kVectorsAtOnce = 4;
template <int kBits, int kVectors, int D>
FACET_INLINE void add_plane_dots(I* acc, const std::uint8_t* w, const std::int8_t* x, std::ptrdiff_t stride) {
  static_assert(kVectors <= kVectorsAtOnce);
  constexpr int kMask = (1 << kBits) - 1;
  I ones[D], fours[D];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const I low = int_load(w + v * kBytes), high = _mm256_srli_epi16(low, 4);
#pragma GCC unroll 4
    for (int d = 0; d < D; ++d) {
      const std::int8_t* s = x + d * stride + v * (kBytes * 8 / kBits);
      const I first = _mm256_maddubs_epi16(bytes_and(low, kMask), int_load(s));
      ones[d] = v == 0 ? first : add_words_in_place(ones[d], first);
      if constexpr (kBits == 4) {
        ones[d] = add_words_in_place(ones[d], _mm256_maddubs_epi16(bytes_and(high, kMask), int_load(s + kBytes)));
      } else {
        const I second = _mm256_maddubs_epi16(bytes_and(low, 4 * kMask), int_load(s + kBytes));
        fours[d] = v == 0 ? second : add_words_in_place(fours[d], second);
        ones[d] = add_words_in_place(ones[d], _mm256_maddubs_epi16(bytes_and(high, kMask), int_load(s + 2 * kBytes)));
        fours[d] =
            add_words_in_place(fours[d], _mm256_maddubs_epi16(bytes_and(high, 4 * kMask), int_load(s + 3 * kBytes)));
      }
    }
  }
#pragma GCC unroll 4
  for (int d = 0; d < D; ++d) {
    if constexpr (kBits == 2) ones[d] = add_words_in_place(ones[d], _mm256_srai_epi16(fours[d], 2));
    acc[d] = add_in_place(acc[d], _mm256_madd_epi16(ones[d], _mm256_set1_epi16(1)));
  }
}

// Rows of whole bytes for int_matvec-inl.h: activations wait widened to 16 bits.
template <int kColumns>
struct WholeBytes {
  static constexpr int kGroup = kBytes, kOffset = 0, kCopyOfGroup = 2 * kGroup, kCopyBytes = 2 * (kColumns + kGroup);
  static FACET_INLINE std::int32_t arrange(const std::int8_t* x, int n, std::int8_t* out) {
    for (int c = 0; c < n; c += 16, out += 32) {
      std::int8_t buffer[16] = {};
      if (n - c < 16) __builtin_memcpy(buffer, x + c, n - c);
      const void* p = n - c < 16 ? buffer : x + c;
      int_store(out, _mm256_cvtepi8_epi16(_mm_loadu_si128(static_cast<const __m128i*>(p))));
    }
    if ((n + 15) / 16 % 2 == 1) int_store(out, _mm256_setzero_si256());
    return 0;  // no offset to take off
  }
  template <int kVectors, int D>
  static FACET_INLINE void add_dots(I* acc, const std::uint8_t* w, const std::int8_t* x, std::ptrdiff_t stride) {
    const __m128i* p = reinterpret_cast<const __m128i*>(w);
#pragma GCC unroll 8
    for (int half = 0; half < 2 * kVectors; ++half) {
      const I words = _mm256_cvtepi8_epi16(_mm_loadu_si128(p + half));
#pragma GCC unroll 4
      for (int d = 0; d < D; ++d)
        acc[d] = add_in_place(acc[d], _mm256_madd_epi16(words, int_load(x + d * stride + half * kBytes)));
    }
  }
};

// One tile step: 2 streams of packed codes (see int_tile-inl.h) times 32 codes of each of T tokens.
// Packed codes are unsigned and <= 15, so that the 16 products of a lane fit in 16 bits: 16 * 15 * 128 = 30720 < 2^15.
constexpr int kMaxPackedCode = 15;
template <int T>
FACET_INLINE void dot_tile(const std::uint8_t* stream_0, const std::uint8_t* stream_1, const std::int8_t* x,
                           std::ptrdiff_t x_stride, I sums[T][2]) {
  I words[T][2];
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) words[t][0] = words[t][1] = int_zero();
    // A loop in earnest: unrolled, g++ 12 puts off the additions to the end and spills 128 products.
#pragma GCC unroll 1
  for (int step = 0; step < 8; ++step) {
    const I w0 = int_load(stream_0 + step * kBytes), w1 = int_load(stream_1 + step * kBytes);
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
      std::int32_t four;
      __builtin_memcpy(&four, x + t * x_stride + step * 4, 4);
      const I s = _mm256_set1_epi32(four);
      words[t][0] = add_words_in_place(words[t][0], _mm256_maddubs_epi16(w0, s));
      words[t][1] = add_words_in_place(words[t][1], _mm256_maddubs_epi16(w1, s));
    }
  }
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t)
    for (int i = 0; i < 2; ++i) sums[t][i] = _mm256_madd_epi16(words[t][i], _mm256_set1_epi16(1));
}

constexpr int kIntTokens = 4;
