// eight_rows-inl.h: for int_matvec-inl.h, 64 weights of each of eight rows at once where 256 bits hold 32: half of the
// instructions, the same bits.  In the target's unnamed namespace.

// Which words go into the four lanes of a register: 8 from each of four on; 32 and more are those of a second register.
struct WordsFrom {
  alignas(64) std::int16_t words[32];
  constexpr WordsFrom(int a, int b, int c, int d) : words() {
    const int from[4] = {a, b, c, d};
    for (int i = 0; i < 32; ++i) words[i] = static_cast<std::int16_t>(from[i / 8] + i % 8);
  }
};
// Two blocks of weights are 18 words: a scale, 8 of codes, a scale, 8 of codes.  Two of activations are 34: each a
// scale, 8 of codes for low nibbles, 8 for high ones; so the latter are loaded from the third word on.
constexpr int kHighFrom = 2;
constexpr WordsFrom kCodesOfTwo(1, 32 + 1, 10, 32 + 10), kLowOfTwo(1, 1, 18, 18),
    kHighOfTwo(9 - kHighFrom, 9 - kHighFrom, 26 - kHighFrom, 26 - kHighFrom);

template <>
struct TwoBlocks<BlockQ4_0> {
  // Lanes: rows p and p + 4 of block b, then of block b + 1.  The offset of the codes is taken off before they are
  // added, so sums of 8 products (8128 at most) and of 16 fit in 16 bits, and packing halves the work of adding them.
  template <int T>
  static FACET_INLINE void add(const Q4_0Block* const* rows, int b, const Q8_0Block* const* x, const VecInputs* inputs,
                               __m256* sums) {
    const I codes_of_two = int_load(kCodesOfTwo.words), nibble = _mm512_set1_epi8(15);
    const I ones = _mm512_set1_epi16(1), eights = _mm512_set1_epi8(8);
    I x_low[T], x_high[T], begin[T];
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      x_low[t] = _mm512_permutexvar_epi16(int_load(kLowOfTwo.words), int_load(x[t]));
      x_high[t] = _mm512_permutexvar_epi16(int_load(kHighOfTwo.words),
                                           int_load(reinterpret_cast<const std::int16_t*>(x[t]) + kHighFrom));
      begin[t] = int_sub(int_zero(), add_fours(add_fours(int_zero(), eights, x_low[t]), eights, x_high[t]));
    }
    I two[8], halves[2][T];
#pragma GCC unroll 8
    for (int r = 0; r < 8; ++r) two[r] = _mm512_maskz_loadu_epi16((1u << 18) - 1, rows[r] + b);
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      I dots[2][T];
#pragma GCC unroll 2
      for (int i = 0; i < 2; ++i) {
        const int r = 2 * half + i;
        const I codes = _mm512_permutex2var_epi16(two[r], codes_of_two, two[r + 4]);
        const I low = _mm512_and_si512(codes, nibble), high = _mm512_and_si512(_mm512_srli_epi16(codes, 4), nibble);
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) dots[i][t] = add_fours(add_fours(begin[t], low, x_low[t]), high, x_high[t]);
      }
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) halves[half][t] = _mm512_madd_epi16(_mm512_packs_epi32(dots[0][t], dots[1][t]), ones);
    }
    const F scales = _mm512_cvtph_ps(
        BlockQ4_0::scales_of_two([&](int r) FACET_INLINE_LAMBDA { return _mm512_castsi512_si256(two[r]); }));
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      const F dots = to_float(_mm512_madd_epi16(_mm512_packs_epi32(halves[0][t], halves[1][t]), ones));
      const float* x_scales = inputs[t].scales + b;
      sums[t] = _mm256_fmadd_ps(low_half(dots), _mm256_mul_ps(low_half(scales), _mm256_set1_ps(x_scales[0])), sums[t]);
      sums[t] =
          _mm256_fmadd_ps(high_half(dots), _mm256_mul_ps(high_half(scales), _mm256_set1_ps(x_scales[1])), sums[t]);
    }
  }
};

template <int T>
struct BlockQ6_K<T, 16> {
  // For 64 weights, four groups: of two rows, lane by lane, four times the scale of the one and of the other.
  static constexpr WordsFrom words_of(int chunk) {
    WordsFrom from(0, 0, 0, 0);
    for (int i = 0; i < 32; ++i) from.words[i] = static_cast<std::int16_t>(4 * chunk + i / 8 + (i % 8 < 4 ? 0 : 16));
    return from;
  }
  static FACET_INLINE I scales_of_2(const Q6_KBlock& a, const Q6_KBlock& b) {
    const auto* first = reinterpret_cast<const __m128i*>(a.scales);
    const auto* second = reinterpret_cast<const __m128i*>(b.scales);
    return _mm512_cvtepi8_epi16(
        _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(first)), _mm_loadu_si128(second), 1));
  }
  // Weights [64 chunk, 64 chunk + 64) of a block, 0..63.  Their upper two bits lie at 2 (quarter) of the bytes that all
  // quarters of 128 weights share.
  template <int kChunk>
  static FACET_INLINE I unpack(const Q6_KBlock& block) {
    constexpr int kHalf = kChunk / 2;
    const I low = int_load(block.low + 64 * kHalf);
    const I high = _mm512_broadcast_i64x4(load_32(block.high + 32 * kHalf));
    const I shifts = _mm512_inserti64x4(_mm512_set1_epi16(kChunk % 2 == 0 ? 4 : 0), _mm256_set1_epi16(2), 1);
    const I upper = bytes_and(kChunk % 2 == 0 ? _mm512_sllv_epi16(high, shifts) : _mm512_srlv_epi16(high, shifts), 48);
    return _mm512_or_si512(bytes_and(kChunk % 2 == 0 ? low : _mm512_srli_epi16(low, 4), 15), upper);
  }
  // Rows 2 p and 2 p + 1 share dots[p]: lane by lane, a group of the weights, two sums of each row.
  static FACET_INLINE I sums_of_8(const I dots[4]) {
    I rows[2];  // lane by lane: a group, four rows
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      const F a = as_floats(dots[2 * i]), b = as_floats(dots[2 * i + 1]);
      rows[i] = int_add(as_ints(_mm512_shuffle_ps(a, b, 0x88)), as_ints(_mm512_shuffle_ps(a, b, 0xdd)));
    }
    const I even = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13), odd = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
    return int_add(_mm512_permutex2var_epi64(rows[0], even, rows[1]), _mm512_permutex2var_epi64(rows[0], odd, rows[1]));
  }
  template <typename Ask>
  static FACET_INLINE void add(const Q6_KBlock* const* blocks, const Q8_0Block* const* x, __m256* sums,
                               const Ask& ask) {
    const __m256 scales = scales_of_8(blocks, 0);
    I groups[4];
#pragma GCC unroll 4
    for (int p = 0; p < 4; ++p) groups[p] = scales_of_2(*blocks[2 * p], *blocks[2 * p + 1]);
    auto add_chunk = [&]<int kChunk>() FACET_INLINE_LAMBDA {
      static constexpr WordsFrom kScales = words_of(kChunk);
      ask(2 * kChunk);
      ask(2 * kChunk + 1);
      I codes[T], begin[T], dots[T][4];
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        codes[t] = _mm512_inserti64x4(_mm512_castsi256_si512(load_32(x[t][2 * kChunk].codes)),
                                      load_32(x[t][2 * kChunk + 1].codes), 1);
        begin[t] = int_sub(int_zero(), add_fours(int_zero(), _mm512_set1_epi8(32), codes[t]));
      }
#pragma GCC unroll 4
      for (int p = 0; p < 4; ++p) {
        const I one = unpack<kChunk>(*blocks[2 * p]), other = unpack<kChunk>(*blocks[2 * p + 1]);
        const I scale = _mm512_permutexvar_epi16(int_load(kScales.words), groups[p]);
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t)
          dots[t][p] = _mm512_madd_epi16(
              _mm512_packs_epi32(add_fours(begin[t], one, codes[t]), add_fours(begin[t], other, codes[t])), scale);
      }
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        const F both = to_float(sums_of_8(dots[t]));
        const __m256 halves[2] = {low_half(both), high_half(both)};
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i) {
          const float x_scale = half_to_float(x[t][2 * kChunk + i].scale);
          sums[t] = _mm256_fmadd_ps(halves[i], _mm256_mul_ps(scales, _mm256_set1_ps(x_scale)), sums[t]);
        }
      }
    };
    add_chunk.template operator()<0>();
    add_chunk.template operator()<1>();
    add_chunk.template operator()<2>();
    add_chunk.template operator()<3>();
  }
};
