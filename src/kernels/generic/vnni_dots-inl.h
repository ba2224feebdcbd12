// vnni_dots-inl.h: dot products of bytes where the CPU has vpdpbusd (AVX-512 VNNI, AVX-VNNI), add_fours of
// <target>/vec-inl.h.  It sums four products of an unsigned and a signed byte into 32 bits: nothing saturates, 8-bit
// codes need only the offset that makes them unsigned.  In the target's unnamed namespace; the same names as in
// x86_avx2/dots-inl.h, where those that need a word have it.

constexpr int kMaxPackedCode = 255;
FACET_INLINE __m256i add_dot_small(__m256i acc, __m256i u, __m256i s) { return add_fours(acc, u, s); }
FACET_INLINE __m256i dot_small(__m256i u, __m256i s) { return add_dot_small(_mm256_setzero_si256(), u, s); }
FACET_INLINE __m256i dot_small_2(__m256i u0, __m256i s0, __m256i u1, __m256i s1) {
  return add_dot_small(dot_small(u0, s0), u1, s1);
}
// 128 * (sum of s) less, for what add_dot_bytes adds too much.
FACET_INLINE __m256i dot_bytes_begin(__m256i s) {
  return _mm256_sub_epi32(_mm256_setzero_si256(), dot_small(_mm256_set1_epi8(-128), s));
}
FACET_INLINE __m256i add_dot_bytes(__m256i acc, __m256i w, __m256i s) {
  return add_dot_small(acc, _mm256_xor_si256(w, _mm256_set1_epi8(-128)), s);
}
constexpr int kVectorsAtOnce = 1;  // rows take turns: the sums of each wait for one another
template <int kBits, int kVectors, int D>
FACET_INLINE void add_plane_dots(I* acc, const std::uint8_t* w, const std::int8_t* x, std::ptrdiff_t stride) {
  static_assert(kVectors == 1);
  constexpr int kMask = (1 << kBits) - 1;
  const I v = int_load(w);
  auto add = [&](int plane, I codes) FACET_INLINE_LAMBDA {
#pragma GCC unroll 4
    for (int d = 0; d < D; ++d)
      acc[d] = add_fours(acc[d], bytes_and(codes, kMask), int_load(x + d * stride + plane * kBytes));
  };
  add(0, v);
  add(1, bytes_shift_right<kBits>(v));
  if constexpr (kBits == 2) {
    add(2, bytes_shift_right<2 * kBits>(v));
    add(3, bytes_shift_right<3 * kBits>(v));
  }
}

template <int kColumns>
struct WholeBytes {
  static constexpr int kGroup = kBytes, kOffset = 128, kCopyOfGroup = kGroup, kCopyBytes = kColumns + kGroup;
  static FACET_INLINE std::int32_t arrange(const std::int8_t* x, int n, std::int8_t* out) {
    __builtin_memcpy(out, x, n);
    __builtin_memset(out + n, 0, (kGroup - n % kGroup) % kGroup);
    std::int32_t sum = 0;
    for (int c = 0; c < n; c += 32) sum += sum_of_bytes(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(out + c)));
    return sum;
  }
  template <int kVectors, int D>
  static FACET_INLINE void add_dots(I* acc, const std::uint8_t* w, const std::int8_t* x, std::ptrdiff_t stride) {
    static_assert(kVectors == 1);
    const I codes = bytes_xor(int_load(w), 0x80);
#pragma GCC unroll 4
    for (int d = 0; d < D; ++d) acc[d] = add_fours(acc[d], codes, int_load(x + d * stride));
  }
};

template <int T>
FACET_INLINE void dot_tile(const std::uint8_t* stream_0, const std::uint8_t* stream_1, const std::int8_t* x,
                           std::ptrdiff_t x_stride, I sums[T][2]) {
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) sums[t][0] = sums[t][1] = int_zero();
#pragma GCC unroll 8
  for (int step = 0; step < 8; ++step) {
    const I w0 = int_load(stream_0 + step * kBytes), w1 = int_load(stream_1 + step * kBytes);
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
      std::int32_t four;
      __builtin_memcpy(&four, x + t * x_stride + step * 4, 4);
      const I s = int_set(four);
      sums[t][0] = add_fours(sums[t][0], w0, s);
      sums[t][1] = add_fours(sums[t][1], w1, s);
    }
  }
}
