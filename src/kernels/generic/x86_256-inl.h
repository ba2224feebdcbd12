// x86_256-inl.h: 256-bit pieces that both x86 targets use.  Included inside the target's unnamed namespace.

// Four floats: sums of four rows or keys, and what they are multiplied by.
using Four = __m128;
FACET_INLINE Four four(float v) { return _mm_set1_ps(v); }
FACET_INLINE Four four(float a, float b, float c, float d) { return _mm_setr_ps(a, b, c, d); }
FACET_INLINE Four load_four(const float* p) { return _mm_loadu_ps(p); }
FACET_INLINE Four mul(Four a, Four b) { return _mm_mul_ps(a, b); }

// Lane j: the sum of v_j's lanes, ((0 + 2) + (1 + 3)) + ((4 + 6) + (5 + 7)).
FACET_INLINE __m128 sums_of_4_ymm(__m256 v0, __m256 v1, __m256 v2, __m256 v3) {
  const __m256 a = _mm256_add_ps(_mm256_unpacklo_ps(v0, v1), _mm256_unpackhi_ps(v0, v1));  // 0101: two terms each
  const __m256 b = _mm256_add_ps(_mm256_unpacklo_ps(v2, v3), _mm256_unpackhi_ps(v2, v3));
  const __m256 c = _mm256_add_ps(_mm256_shuffle_ps(a, b, 0x44), _mm256_shuffle_ps(a, b, 0xee));  // 0123: four terms
  return _mm_add_ps(_mm256_castps256_ps128(c), _mm256_extractf128_ps(c, 1));
}
// 128 bits by 128 bits: of a and b in turn, elements 0 + 2 and 1 + 3.
FACET_INLINE __m256i halves_of_2(__m256i a, __m256i b) {
  return _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
}
// Lane j: the sum of v_j's lanes, where ab = halves_of_2(v_0, v_1), cd = halves_of_2(v_2, v_3).
FACET_INLINE __m128i sums_of_halves(__m256i ab, __m256i cd) {
  const __m256i sums = _mm256_add_epi32(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd));
  return _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
}
FACET_INLINE __m128i int_sums_of_4_ymm(__m256i v0, __m256i v1, __m256i v2, __m256i v3) {
  return sums_of_halves(halves_of_2(v0, v1), halves_of_2(v2, v3));
}
// Lane j: the sum of v[j]'s lanes.
FACET_INLINE __m256i int_sums_of_8(const __m256i v[8]) {
  __m256i c[2];
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    const __m256i* u = v + 4 * i;
    const __m256i a = _mm256_add_epi32(_mm256_unpacklo_epi32(u[0], u[1]), _mm256_unpackhi_epi32(u[0], u[1]));
    const __m256i b = _mm256_add_epi32(_mm256_unpacklo_epi32(u[2], u[3]), _mm256_unpackhi_epi32(u[2], u[3]));
    c[i] = _mm256_add_epi32(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
  }
  return _mm256_add_epi32(_mm256_permute2x128_si256(c[0], c[1], 0x20), _mm256_permute2x128_si256(c[0], c[1], 0x31));
}
// The same for lanes below 2^14 each way: in 16 bits, where a packing of two vectors is half the work of a
// transposition.
FACET_INLINE __m256i short_sums_of_8(const __m256i v[8]) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i pairs[4], fours[2];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) pairs[i] = _mm256_madd_epi16(_mm256_packs_epi32(v[2 * i], v[2 * i + 1]), ones);
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) fours[i] = _mm256_madd_epi16(_mm256_packs_epi32(pairs[2 * i], pairs[2 * i + 1]), ones);
  return _mm256_add_epi32(_mm256_permute2x128_si256(fours[0], fours[1], 0x20),
                          _mm256_permute2x128_si256(fours[0], fours[1], 0x31));
}
// Lane j, of rows 2 p and 2 p + 1 in v[p]: of each, two lanes of either 128 bits, the lower row's first.
FACET_INLINE __m256i pair_sums_of_8(const __m256i v[4]) {
  __m256i c[2];
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    const __m256 a = _mm256_castsi256_ps(v[2 * i]), b = _mm256_castsi256_ps(v[2 * i + 1]);
    c[i] = _mm256_add_epi32(_mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x88)),
                            _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xdd)));
  }
  return _mm256_add_epi32(_mm256_permute2x128_si256(c[0], c[1], 0x20), _mm256_permute2x128_si256(c[0], c[1], 0x31));
}
FACET_INLINE double sum_of_pd(__m256d v) {
  const __m128d s = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
  return _mm_cvtsd_f64(_mm_add_sd(s, _mm_unpackhi_pd(s, s)));
}
FACET_INLINE std::int32_t sum_of_bytes(__m256i v) {  // 32 signed bytes
  // Offset to unsigned: vpsadbw sums 8 of them into 64 bits; 32 * 128 too much.
  const __m256i sums = _mm256_sad_epu8(_mm256_xor_si256(v, _mm256_set1_epi8(-128)), _mm256_setzero_si256());
  const __m128i s = _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  return _mm_cvtsi128_si32(s) + _mm_extract_epi32(s, 2) - 32 * 128;
}

FACET_INLINE float half_to_float(Half h) { return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(h.bits))); }

// Rows of 8 dwords to columns: out[j] = dword j of in[0..7].
FACET_INLINE void transpose_8x8(const __m256i in[8], __m256i out[8]) {
  __m256i a[8], b[8];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    a[2 * i] = _mm256_unpacklo_epi32(in[2 * i], in[2 * i + 1]);
    a[2 * i + 1] = _mm256_unpackhi_epi32(in[2 * i], in[2 * i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    b[4 * i + 0] = _mm256_unpacklo_epi64(a[4 * i], a[4 * i + 2]);
    b[4 * i + 1] = _mm256_unpackhi_epi64(a[4 * i], a[4 * i + 2]);
    b[4 * i + 2] = _mm256_unpacklo_epi64(a[4 * i + 1], a[4 * i + 3]);
    b[4 * i + 3] = _mm256_unpackhi_epi64(a[4 * i + 1], a[4 * i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    out[i] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x20);
    out[i + 4] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x31);
  }
}

// 32 codes of a row in their order, offset to unsigned.
FACET_INLINE __m256i unpack_q4_0(const std::uint8_t* codes) {  // 0..15
  const __m256i twice = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)));
  return _mm256_and_si256(_mm256_srlv_epi64(twice, _mm256_setr_epi64x(0, 0, 4, 4)), _mm256_set1_epi8(15));
}
// Weights [32 s, 32 s + 32) of a Q6_K block, 0..63: layout in quant/q6_k.h.
FACET_INLINE __m256i unpack_q6_k(const Q6_KBlock& block, int s) {
  const int half = s / 4, quarter = s % 4;
  const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block.low + 64 * half + 32 * (quarter % 2)));
  const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block.high + 32 * half));
  const __m256i nibbles = quarter < 2 ? low : _mm256_srli_epi16(low, 4);
  const __m256i pairs = quarter == 0   ? _mm256_slli_epi16(high, 4)
                        : quarter == 1 ? _mm256_slli_epi16(high, 2)
                        : quarter == 2 ? high
                                       : _mm256_srli_epi16(high, 2);
  return _mm256_or_si256(_mm256_and_si256(nibbles, _mm256_set1_epi8(15)),
                         _mm256_and_si256(pairs, _mm256_set1_epi8(48)));
}
// Weights [32 g, 32 g + 32) of a Q4_K block, 0..15.
FACET_INLINE __m256i unpack_q4_k(const Q4_KBlock& block, int g) {
  __m256i pair = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block.codes + g / 2 * 32));
  if (g % 2 == 1) pair = _mm256_srli_epi16(pair, 4);
  return _mm256_and_si256(pair, _mm256_set1_epi8(15));
}
// What eight Q4_K blocks say of their groups: lane r of each is of block r, byte j of it in scales[i] and mins[i] that
// of group 4 i + j.
struct GroupsQ4_K {
  __m256 scale, min_unit;
  __m256i scales[2], mins[2];
};
FACET_INLINE GroupsQ4_K groups_of_8(const Q4_KBlock* const blocks[8]) {
  __m256i v[4];  // the four dwords before the codes
#pragma GCC unroll 4
  for (int r = 0; r < 4; ++r)
    v[r] = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(blocks[r]))),
                                   _mm_loadu_si128(reinterpret_cast<const __m128i*>(blocks[r + 4])), 1);
  const __m256i a = _mm256_unpacklo_epi32(v[0], v[1]), b = _mm256_unpacklo_epi32(v[2], v[3]);
  const __m256i c = _mm256_unpackhi_epi32(v[0], v[1]), d = _mm256_unpackhi_epi32(v[2], v[3]);
  const __m256i units = _mm256_unpacklo_epi64(a, b), scales = _mm256_unpackhi_epi64(a, b);
  const __m256i mins = _mm256_unpacklo_epi64(c, d), both = _mm256_unpackhi_epi64(c, d);
  const __m256i six = _mm256_set1_epi8(63), four = _mm256_set1_epi8(15), top = _mm256_set1_epi8(48);
  const __m256i halves = _mm256_permute4x64_epi64(
      _mm256_packus_epi32(_mm256_and_si256(units, _mm256_set1_epi32(0xffff)), _mm256_srli_epi32(units, 16)), 0xd8);
  GroupsQ4_K out;
  out.scale = _mm256_cvtph_ps(_mm256_castsi256_si128(halves));
  out.min_unit = _mm256_cvtph_ps(_mm256_extracti128_si256(halves, 1));
  out.scales[0] = _mm256_and_si256(scales, six);
  out.mins[0] = _mm256_and_si256(mins, six);
  out.scales[1] = _mm256_or_si256(_mm256_and_si256(both, four), _mm256_and_si256(_mm256_srli_epi16(scales, 2), top));
  out.mins[1] = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(both, 4), four),
                                _mm256_and_si256(_mm256_srli_epi16(mins, 2), top));
  return out;
}
// Unit times the numbers of group g: exact.
FACET_INLINE __m256 times_group(__m256 unit, const __m256i numbers[2], int g) {
  const __m256i bytes = _mm256_srl_epi32(numbers[g / 4], _mm_cvtsi32_si128(g % 4 * 8));
  return _mm256_mul_ps(unit, _mm256_cvtepi32_ps(_mm256_and_si256(bytes, _mm256_set1_epi32(255))));
}
FACET_INLINE __m256i unpack_i4(const void* codes) {  // 16 bytes; 0..15
  const __m128i v = _mm_loadu_si128(static_cast<const __m128i*>(codes)), mask = _mm_set1_epi8(15);
  const __m128i low = _mm_and_si128(v, mask), high = _mm_and_si128(_mm_srli_epi16(v, 4), mask);
  return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_unpacklo_epi8(low, high)), _mm_unpackhi_epi8(low, high), 1);
}
// A byte's four codes spread over its dword: bits 76543210 -> 76 at 24, 54 at 16, 32 at 8, 10 at 0.
// v | v << 6 has the pairs 10 at 0 and 32 at 8; that | itself << 12 adds 54 at 16 and 76 at 24; the mask drops the
// rest.
FACET_INLINE __m256i unpack_i2(const void* codes) {  // 8 bytes; 0..3
  __m256i v = _mm256_cvtepu8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(codes)));
  v = _mm256_or_si256(v, _mm256_slli_epi32(v, 6));
  v = _mm256_or_si256(v, _mm256_slli_epi32(v, 12));
  return _mm256_and_si256(v, _mm256_set1_epi8(3));
}
FACET_INLINE __m256i unpack_i8(const void* codes) {  // 32 bytes; code + 128
  return _mm256_xor_si256(_mm256_loadu_si256(static_cast<const __m256i*>(codes)), _mm256_set1_epi8(-128));
}
FACET_INLINE std::uint16_t float_to_half_bits(float v) {
  return static_cast<std::uint16_t>(
      _mm_extract_epi16(_mm_cvtps_ph(_mm_set_ss(v), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), 0));
}
// n floats of s, n <= 4.
FACET_INLINE void store_first_4(float* p, __m128 s, int n) {
  if (n == 4) {
    _mm_storeu_ps(p, s);
  } else {
    float v[4];
    _mm_storeu_ps(v, s);
    for (int i = 0; i < n; ++i) p[i] = v[i];
  }
}
FACET_INLINE void store_32(void* p, __m256i v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }

FACET_INLINE std::ptrdiff_t row_size_bytes(int bits, int k) { return (static_cast<std::ptrdiff_t>(k) * bits + 7) / 8; }

// Codes [i, i + n) of a row of the mobile format, n <= 32, i a multiple of 32; offset to unsigned.  The lanes behind n
// hold some code.
template <int kBits>
FACET_INLINE __m256i unpack_row(const std::uint8_t* row, int i, int n) {
  constexpr int kWhole = 4 * kBits;  // bytes of 32 codes
  const std::uint8_t* p = row + i * kBits / 8;
  std::uint8_t buffer[kWhole];
  if (n < 32) {  // what lies behind the row may not exist
    __builtin_memset(buffer, 0, kWhole);
    __builtin_memcpy(buffer, p, row_size_bytes(kBits, n));
    p = buffer;
  }
  return kBits == 8 ? unpack_i8(p) : kBits == 4 ? unpack_i4(p) : unpack_i2(p);
}

// 32 codes of a row in their order, signed, for float_matmul-inl.h: of a Q4_0 block, of weights [32 s, 32 s + 32) of a
// Q4_K or Q6_K block, of a row as unpack_row has it.
FACET_INLINE void signed_q4_0(const Q4_0Block& block, std::int8_t* out) {
  store_32(out, _mm256_sub_epi8(unpack_q4_0(block.codes), _mm256_set1_epi8(8)));
}
FACET_INLINE void signed_q4_k(const Q4_KBlock& block, int g, std::int8_t* out) { store_32(out, unpack_q4_k(block, g)); }
FACET_INLINE void signed_q6_k(const Q6_KBlock& block, int s, std::int8_t* out) {
  store_32(out, _mm256_sub_epi8(unpack_q6_k(block, s), _mm256_set1_epi8(32)));
}
template <int kBits>
FACET_INLINE void signed_row(const std::uint8_t* row, int i, int n, std::int8_t* out) {
  store_32(out, _mm256_sub_epi8(unpack_row<kBits>(row, i, n), _mm256_set1_epi8(1 << (kBits - 1))));
}
