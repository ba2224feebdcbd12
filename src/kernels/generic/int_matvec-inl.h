// int_matvec-inl.h: products of 8-bit activations with quantized weights for one token, or a few.  In the target's
// unnamed namespace.  Rows are read once, as they lie; results are the same bits as int_tile-inl.h gives.
//
// Limit: memory.  A core reads some 20 GB/s, 6 bytes per cycle; Q4_0 has 18 bytes per block, so a block may cost 3
// cycles.  Each further token adds its multiply-adds, but no second unpacking.

// Up to so many tokens, as checking drafts has, it does not pay to unpack weights into a panel (int_tile-inl.h).
constexpr int kFewTokens = 16;
constexpr int kTokensAtOnce = 4;  // their sums stay in registers

// What eight rows need of each block of x, made once per kVecBlocks blocks.
constexpr int kVecBlocks = 512;
struct VecInputs {
  std::int32_t offsets[kVecBlocks];  // what the offset of the weights' codes adds to a dot product
  float scales[kVecBlocks];
};
template <int kOffset>
FACET_INLINE void set_vec_inputs(const Q8_0Block* x, int n_blocks, VecInputs* inputs) {
  for (int b = 0; b < n_blocks; b += 8) {
    const BlockSums eight = block_sums(x + b, n_blocks - b);
    store_32(inputs->offsets + b, _mm256_mullo_epi32(eight.sums, _mm256_set1_epi32(kOffset)));
    _mm256_storeu_ps(inputs->scales + b, eight.scales);
  }
}
FACET_INLINE __m256i twice_16(const void* p) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(static_cast<const __m128i*>(p)));
}

FACET_INLINE __m256 load_results(const float* y, SideBySide of) {
  float values[8] = {};
  for (int r = 0; r < of.n; ++r) values[r] = y[of.row + r * of.step];
  return _mm256_loadu_ps(values);
}
FACET_INLINE void store_results(float* y, __m256 v, SideBySide of) {
  float values[8];
  _mm256_storeu_ps(values, v);
  for (int r = 0; r < of.n; ++r) y[of.row + r * of.step] = values[r];
}
template <typename Type>
FACET_INLINE __m256 scales_of_8(const Type* const* rows, int b) {
  __m128i scales = _mm_cvtsi32_si128(rows[0][b].scale.bits);
  scales = _mm_insert_epi16(scales, rows[1][b].scale.bits, 1);
  scales = _mm_insert_epi16(scales, rows[2][b].scale.bits, 2);
  scales = _mm_insert_epi16(scales, rows[3][b].scale.bits, 3);
  scales = _mm_insert_epi16(scales, rows[4][b].scale.bits, 4);
  scales = _mm_insert_epi16(scales, rows[5][b].scale.bits, 5);
  scales = _mm_insert_epi16(scales, rows[6][b].scale.bits, 6);
  scales = _mm_insert_epi16(scales, rows[7][b].scale.bits, 7);
  return _mm256_cvtph_ps(scales);
}

// Of block formats.  sums<T>(rows, b, x, inputs, out): the exact dot products of block b of eight rows with the blocks
// x[0..T), which are the inputs' block b.  scales(rows, b, out): the scales of blocks b and b + 1.
struct BlockQ4_0 {
  using Type = Q4_0Block;
  static constexpr int kOffset = 8;
  static constexpr bool kMayBeNeighbours = true;
  // Rows r and r + 4 share a vector, so that their 16 bytes of codes are cut into nibbles together.  In 16 bits sums of
  // up to 16 products of codes 0..15 fit (30720 < 2^15), so packing halves the work of adding across lanes.
  template <int T>
  static FACET_INLINE void sums(const Type* const* rows, int b, const Q8_0Block* const* x, const VecInputs* inputs,
                                __m256i* out) {
    const __m256i mask = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1);
    __m256i rows_01[T], rows_23[T];
#pragma GCC unroll 2
    for (int p = 0; p < 2; ++p) {
      __m256i dots[2][T];
#pragma GCC unroll 2
      for (int i = 0; i < 2; ++i) {
        const int r = 2 * p + i;
        const __m128i* from = reinterpret_cast<const __m128i*>(rows[r][b].codes);
        const __m128i* other = reinterpret_cast<const __m128i*>(rows[r + 4][b].codes);
        const __m256i v =
            _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(from)), _mm_loadu_si128(other), 1);
        const __m256i low = _mm256_and_si256(v, mask), high = _mm256_and_si256(_mm256_srli_epi16(v, 4), mask);
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t)
          dots[i][t] = dot_small_2(low, twice_16(x[t]->codes), high, twice_16(x[t]->codes + 16));
      }
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t)
        (p == 0 ? rows_01 : rows_23)[t] = _mm256_madd_epi16(_mm256_packs_epi32(dots[0][t], dots[1][t]), ones);
    }
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t)
      out[t] = _mm256_sub_epi32(_mm256_madd_epi16(_mm256_packs_epi32(rows_01[t], rows_23[t]), ones),
                                _mm256_set1_epi32(inputs[t].offsets[b]));
  }
  static FACET_INLINE void scales(const Type* const* rows, int b, __m256* out) {
    const __m256i both = scales_of_two(
        [&](int r) FACET_INLINE_LAMBDA { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows[r] + b)); });
    out[0] = _mm256_cvtph_ps(_mm256_castsi256_si128(both));
    out[1] = _mm256_cvtph_ps(_mm256_extracti128_si256(both, 1));
  }
  // The scales of one block of eight rows, then of the next one.  begin(r): the first 32 bytes of the former, which
  // cover both scales of row r: at byte 0, and at byte 18, in the upper half.
  template <typename Begin>
  static FACET_INLINE __m256i scales_of_two(const Begin& begin) {
    __m256i pairs[4];
#pragma GCC unroll 4
    for (int r = 0; r < 4; ++r) pairs[r] = _mm256_unpacklo_epi16(begin(2 * r), begin(2 * r + 1));
    const __m256i rows_0123 = _mm256_unpacklo_epi32(pairs[0], pairs[1]);
    const __m256i rows_4567 = _mm256_unpacklo_epi32(pairs[2], pairs[3]);
    return _mm256_blend_epi32(_mm256_unpacklo_epi64(rows_0123, rows_4567), _mm256_unpackhi_epi64(rows_0123, rows_4567),
                              0xf0);
  }
};
struct BlockQ8_0 {
  using Type = Q8_0Block;
  static constexpr int kOffset = 0;
  static constexpr bool kMayBeNeighbours = false;  // no faster
  template <int T>
  static FACET_INLINE void sums(const Type* const* rows, int b, const Q8_0Block* const* x, const VecInputs*,
                                __m256i* out) {
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      const __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x[t]->codes));
      const __m256i begin = dot_bytes_begin(codes);
      __m256i dots[8];
#pragma GCC unroll 8
      for (int r = 0; r < 8; ++r)
        dots[r] = add_dot_bytes(begin, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows[r][b].codes)), codes);
      out[t] = int_sums_of_8(dots);
    }
  }
  static FACET_INLINE void scales(const Type* const* rows, int b, __m256* out) {
    for (int i = 0; i < 2; ++i) out[i] = scales_of_8(rows, b + i);
  }
};

// sums[t] += the products of block b of eight rows with block b of each of T tokens, x[t]; scale: the eight rows' own.
template <typename Block, int T>
FACET_INLINE void add_block(const typename Block::Type* const* rows, int b, __m256 scale, const Q8_0Block* const* x,
                            const VecInputs* inputs, __m256* sums) {
  __m256i dots[T];
  Block::template sums<T>(rows, b, x, inputs, dots);
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t)
    sums[t] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots[t]), _mm256_mul_ps(scale, _mm256_set1_ps(inputs[t].scales[b])),
                              sums[t]);
}
// The same for blocks b and b + 1, in this order.  x[t]: block b.  Targets have their own ways for formats.
template <typename Block>
struct TwoBlocks {
  template <int T>
  static FACET_INLINE void add(const typename Block::Type* const* rows, int b, const Q8_0Block* const* x,
                               const VecInputs* inputs, __m256* sums) {
    __m256 scales[2];
    Block::scales(rows, b, scales);
    const Q8_0Block* next[T];
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) next[t] = x[t] + 1;
    add_block<Block, T>(rows, b, scales[0], x, inputs, sums);
    add_block<Block, T>(rows, b + 1, scales[1], next, inputs, sums);
  }
};

// Eight rows at a time, so that the sums across lanes and the scales of a block are vectors too.  T tokens; those of y
// are y_stride apart.
template <typename Block, int T, bool kNeighbours>
void matvec_blocks_of(float* y, std::ptrdiff_t y_stride, const Q8_0Block* x, const typename Block::Type* w,
                      int row_begin, int row_end, int k) {
  using Type = typename Block::Type;
  constexpr int kPairsPerLine = sizeof(Type) < 32 ? 2 : 1;  // pairs of blocks to a cache line
  VecInputs inputs[T];
  const int row_blocks = k / 32;
  int first = 0;
  do {  // once even for k = 0: the sums are zero
    const int n_blocks = row_blocks - first < kVecBlocks ? row_blocks - first : kVecBlocks;
    for (int t = 0; t < T; ++t)
      set_vec_inputs<Block::kOffset>(x + std::ptrdiff_t{t} * row_blocks + first, n_blocks, &inputs[t]);
    for (int i = 0; i < groups_of<8>(row_begin, row_end); ++i) {
      const SideBySide group = side_by_side<8, kNeighbours>(i, row_begin, row_end);
      const Type* rows[8];
      set_rows<8>(w + first, row_blocks, group, rows);
      __m256 sums[T];
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) sums[t] = first == 0 ? _mm256_setzero_ps() : load_results(y + t * y_stride, group);
      auto inputs_at = [&](int b, const Q8_0Block** blocks) FACET_INLINE_LAMBDA {
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) blocks[t] = x + std::ptrdiff_t{t} * row_blocks + first + b;
      };
      auto add_two = [&](int b) FACET_INLINE_LAMBDA {
        const Q8_0Block* blocks[T];
        inputs_at(b, blocks);
        TwoBlocks<Block>::template add<T>(rows, b, blocks, inputs, sums);
      };
      // Before pair 0 and 1 of the blocks from b on.
      auto ask = [&](int b, int pair) FACET_INLINE_LAMBDA {
        if constexpr (kNeighbours) {
          const char* next = reinterpret_cast<const char*>(rows[0]) + (row_blocks + b) * 8 * sizeof(Type);
          ask_for_piece<4 * 8 * sizeof(Type), 2>(next, pair);
        } else if (pair == 0 || kPairsPerLine == 1) {
#pragma GCC unroll 8
          for (const Type* row : rows) ask_ahead(row + b + 2 * pair);
        }
      };
      int b = 0;
      for (; b + 4 <= n_blocks; b += 4)
#pragma GCC unroll 2
        for (int pair = 0; pair < 2; ++pair) {
          ask(b, pair);
          add_two(b + 2 * pair);
        }
      for (; b + 2 <= n_blocks; b += 2) add_two(b);
      if (b < n_blocks) {
        const Q8_0Block* blocks[T];
        inputs_at(b, blocks);
        add_block<Block, T>(rows, b, scales_of_8(rows, b), blocks, inputs, sums);
      }
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) store_results(y + t * y_stride, sums[t], group);
    }
    first += n_blocks;
  } while (first < row_blocks);
}
template <typename Block, int T>
void matvec_blocks(float* y, std::ptrdiff_t y_stride, const Q8_0Block* x, const typename Block::Type* w, int row_begin,
                   int row_end, int k) {
  // Of longer rows a part is read at a time, which is not in the order of memory.
  if (Block::kMayBeNeighbours && reads_neighbours && k / 32 <= kVecBlocks)
    return matvec_blocks_of<Block, T, Block::kMayBeNeighbours>(y, y_stride, x, w, row_begin, row_end, k);
  matvec_blocks_of<Block, T, false>(y, y_stride, x, w, row_begin, row_end, k);
}

FACET_INLINE void ask_for_block(const Q6_KBlock* block) {
#pragma GCC unroll 4
  for (int line = 0; line < 4; ++line) ask_ahead(reinterpret_cast<const char*>(block) + 64 * line);
}
// The 16-bit scales of the sixteen groups of two blocks: words 2 g and 2 g + 1 of a group of 32 weights for each, in
// halves of four groups.
struct ScalesQ6_K {
  __m256i halves[2];
  // Of group g: four times that of its first 16 weights for each row in the lower lane, of the others in the upper.
  FACET_INLINE __m256i group(int g) const {
    const char i = static_cast<char>(2 * (g % 4)), j = static_cast<char>(i + 1);
    const char k = static_cast<char>(i + 8), l = static_cast<char>(i + 9);
    return _mm256_shuffle_epi8(
        halves[g / 4], _mm256_broadcastsi128_si256(_mm_setr_epi8(i, j, i, j, i, j, i, j, k, l, k, l, k, l, k, l)));
  }
};
FACET_INLINE ScalesQ6_K scales_of_2(const Q6_KBlock& a, const Q6_KBlock& b) {
  const __m256i bytes =
      _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(a.scales))),
                              _mm_loadu_si128(reinterpret_cast<const __m128i*>(b.scales)), 1);
  const __m256i even_odd = _mm256_shuffle_epi8(
      bytes, _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15)));
  const __m256i both = _mm256_permutevar8x32_epi32(even_odd, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  return {
      {_mm256_srai_epi16(_mm256_unpacklo_epi8(both, both), 8), _mm256_srai_epi16(_mm256_unpackhi_epi8(both, both), 8)}};
}

// Adds the products of a Q6_K block of eight rows with those of T tokens, eight blocks at x[t], to sums[t].  ask(g):
// for an eighth of the memory that comes next.  32 weights of the 8 rows at a time: the sums of four products fit in 16
// bits, with the offset (4 * 63 * 128 < 2^15) and without; so two rows share a vector there, and a multiply-add both
// scales and adds them.  AVX-512 has its own way.
template <int T, int kRegisterLanes = kLanes>
struct BlockQ6_K {
  template <typename Ask>
  static FACET_INLINE void add(const Q6_KBlock* const* blocks, const Q8_0Block* const* x, __m256* sums,
                               const Ask& ask) {
    const __m256 scales = scales_of_8(blocks, 0);
    ScalesQ6_K groups[4];
#pragma GCC unroll 4
    for (int p = 0; p < 4; ++p) groups[p] = scales_of_2(*blocks[2 * p], *blocks[2 * p + 1]);
#pragma GCC unroll 8
    for (int g = 0; g < 8; ++g) {
      ask(g);
      __m256i codes[T], offsets[T], dots[T][4];
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        codes[t] = load_32(x[t][g].codes);
        const __m256i offset_dots = dot_small(_mm256_set1_epi8(32), codes[t]);
        offsets[t] = _mm256_packs_epi32(offset_dots, offset_dots);
      }
#pragma GCC unroll 4
      for (int p = 0; p < 4; ++p) {
        const __m256i one = unpack_q6_k(*blocks[2 * p], g), other = unpack_q6_k(*blocks[2 * p + 1], g);
        const __m256i scale = groups[p].group(g);
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) {
          const __m256i fours = _mm256_packs_epi32(dot_small(one, codes[t]), dot_small(other, codes[t]));
          dots[t][p] = _mm256_madd_epi16(_mm256_sub_epi16(fours, offsets[t]), scale);
        }
      }
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t)
        sums[t] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(pair_sums_of_8(dots[t])),
                                  _mm256_mul_ps(scales, _mm256_set1_ps(half_to_float(x[t][g].scale))), sums[t]);
    }
  }
};

template <int T, bool kNeighbours>
void matvec_q6_k_of(float* y, std::ptrdiff_t y_stride, const Q8_0Block* x, const Q6_KBlock* w, int row_begin,
                    int row_end, int k) {
  const int n_blocks = k / Q6_KBlock::kWeights;
  for (int i = 0; i < groups_of<8>(row_begin, row_end); ++i) {
    const SideBySide group = side_by_side<8, kNeighbours>(i, row_begin, row_end);
    const Q6_KBlock* blocks[8];
    set_rows<8>(w, n_blocks, group, blocks);
    [[maybe_unused]] const char* const begin = reinterpret_cast<const char*>(blocks[0]);
    __m256 sums[T];
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) sums[t] = _mm256_setzero_ps();
    for (int b = 0; b < n_blocks; ++b) {
      const Q8_0Block* inputs[T];
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) inputs[t] = x + std::ptrdiff_t{t} * (k / 32) + 8 * b;
      constexpr int kBytes = 8 * sizeof(Q6_KBlock);
      if constexpr (kNeighbours) ask_slowly_for<kBytes>(begin + (std::ptrdiff_t{n_blocks} + b) * kBytes);
      auto ask = [&]([[maybe_unused]] int g) FACET_INLINE_LAMBDA {
        if constexpr (!kNeighbours) ask_for_block(blocks[g]);
      };
      BlockQ6_K<T>::add(blocks, inputs, sums, ask);
      for (const Q6_KBlock*& block : blocks) ++block;
    }
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) store_results(y + t * y_stride, sums[t], group);
  }
}
template <int T>
void matvec_q6_k(float* y, std::ptrdiff_t y_stride, const Q8_0Block* x, const Q6_KBlock* w, int row_begin, int row_end,
                 int k) {
  if (reads_neighbours) return matvec_q6_k_of<T, true>(y, y_stride, x, w, row_begin, row_end, k);
  matvec_q6_k_of<T, false>(y, y_stride, x, w, row_begin, row_end, k);
}

// Q4_K: as matvec_blocks, 32 weights of 8 rows at a time.  What concerns x alone is made once for all rows.
void matvec_q4_k(float* y, const Q8_0Block* x, const Q4_KBlock* w, int row_begin, int row_end, int k) {
  constexpr int kMost = 32768;  // no model has rows as long
  if (k > kMost) return matmul_int_tiles(CodesQ4_K{w, k}, y, 0, x, nullptr, 1, 1, row_begin, row_end, k);
  alignas(32) float x_scales[kMost / 32], x_scaled_sums[kMost / 32];
  for (int b = 0; b < k / 32; b += 8) {
    const BlockSums eight = block_sums(x + b, 8);
    _mm256_store_ps(x_scales + b, eight.scales);
    _mm256_store_ps(x_scaled_sums + b, eight.scaled_sums);
  }
  const int n_blocks = k / Q4_KBlock::kWeights;
  for (int i = 0; i < groups_of<8>(row_begin, row_end); ++i) {
    const SideBySide group = side_by_side<8>(i, row_begin, row_end);
    const Q4_KBlock* blocks[8];
    set_rows<8>(w, n_blocks, group, blocks);
    __m256 sum = _mm256_setzero_ps();
    for (int b = 0; b < n_blocks; ++b) {
      const GroupsQ4_K groups = groups_of_8(blocks);
#pragma GCC unroll 8
      for (int g = 0; g < Q4_KBlock::kGroups; ++g) {
        for (int line = 0; line < 3; ++line) ask_ahead(reinterpret_cast<const char*>(blocks[g]) + 64 * line);
        const int at = Q4_KBlock::kGroups * b + g;
        const __m256i codes = load_32(x[at].codes);
        __m256i dots[8];
#pragma GCC unroll 8
        for (int r = 0; r < 8; ++r) dots[r] = dot_small(unpack_q4_k(*blocks[r], g), codes);
        const __m256 scale = _mm256_mul_ps(times_group(groups.scale, groups.scales, g), _mm256_set1_ps(x_scales[at]));
        sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(short_sums_of_8(dots)), scale, sum);
        sum = _mm256_fnmadd_ps(times_group(groups.min_unit, groups.mins, g), _mm256_set1_ps(x_scaled_sums[at]), sum);
      }
      for (const Q4_KBlock*& block : blocks) ++block;
    }
    store_results(y, sum, group);
  }
}

// Row formats.  A vector of kBytes weight bytes holds 8 / kBits planes: plane p has the codes of the columns p,
// p + 8 / kBits, ... of its group.  The activations are put into the same order once per kRowBlock rows, which costs
// less than putting every row's codes into theirs. Rows go kVecRows at a time: each has one chain of dot products,
// which wait for one another.  kVecChunk columns at a time, more than rows usually have: a part of each row is no long
// stream.
constexpr int kVecChunk = 16384, kRowBlock = 1024, kVecRows = kLanes == 16 ? 8 : 4;

template <int kBits>
struct Planes {
  static constexpr int kPlanes = 8 / kBits, kGroup = kBytes * kPlanes, kOffset = 1 << (kBits - 1);
  static constexpr int kCopyOfGroup = kGroup, kCopyBytes = kVecChunk + kGroup;

  // n columns of x, padded with zeros to whole groups.  Returns the sum of codes.
  static FACET_INLINE std::int32_t arrange(const std::int8_t* x, int n, std::int8_t* out) {
    std::int32_t sum = 0;
    for (int c = 0; c < n; c += kGroup, out += kGroup)
      for (int half = 0; half < kBytes; half += 32) {  // 32 bytes of each plane
        const int at = c + half * kPlanes, width = n - at;
        alignas(32) std::int8_t buffer[32 * kPlanes];
        const std::int8_t* p = x + at;
        if (width < 32 * kPlanes) {
          __builtin_memset(buffer, 0, sizeof(buffer));
          if (width > 0) __builtin_memcpy(buffer, p, width);
          p = buffer;
        }
        __m256i v[kPlanes];
        for (int i = 0; i < kPlanes; ++i) {
          v[i] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32 * i));
          sum += sum_of_bytes(v[i]);
        }
        split_planes(v, out + half, kBytes);
      }
    return sum;
  }
  // Bytes j with j % kPlanes == p of the vectors go to out + p * stride.
  static FACET_INLINE void split_planes(const __m256i* v, std::int8_t* out, int stride) {
    for (int p = 0; p < kPlanes; ++p) {
      if constexpr (kBits == 4) {
        const __m256i mask = _mm256_set1_epi16(255);
        const __m256i a = p == 0 ? _mm256_and_si256(v[0], mask) : _mm256_srli_epi16(v[0], 8);
        const __m256i b = p == 0 ? _mm256_and_si256(v[1], mask) : _mm256_srli_epi16(v[1], 8);
        store_32(out + p * stride, _mm256_permute4x64_epi64(_mm256_packus_epi16(a, b), 0xd8));  // 0 2 1 3
      } else {
        const __m256i mask = _mm256_set1_epi32(255);
        const __m128i shift = _mm_cvtsi32_si128(8 * p);
        __m256i u[4];
        for (int i = 0; i < 4; ++i) u[i] = _mm256_and_si256(_mm256_srl_epi32(v[i], shift), mask);
        const __m256i packed = _mm256_packus_epi16(_mm256_packus_epi32(u[0], u[1]), _mm256_packus_epi32(u[2], u[3]));
        store_32(out + p * stride, _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
      }
    }
  }
  // Adds the products of kVectors vectors at w with D rows of arranged activations, `stride` apart, to acc[0..D).
  template <int kVectors, int D>
  static FACET_INLINE void add_dots(I* acc, const std::uint8_t* w, const std::int8_t* x, std::ptrdiff_t stride) {
    add_plane_dots<kBits, kVectors, D>(acc, w, x, stride);
  }
};

template <>
struct Planes<8> : WholeBytes<kVecChunk> {};

// A whole vector that begins with the rest_bytes at p: these bytes and what follows them, or, where p lies behind
// `last`, a copy in buffer, with zeros.
FACET_INLINE const std::uint8_t* readable(const std::uint8_t* p, int rest_bytes, const std::uint8_t* last,
                                          std::uint8_t* buffer) {
  if (p <= last) return p;
  __builtin_memset(buffer, 0, kBytes);
  __builtin_memcpy(buffer, p, rest_bytes);
  return buffer;
}
// Of kVectors vectors from g on, of rows side by side.
template <int kRows, int kVectors>
FACET_INLINE void ask_ahead(const std::uint8_t* const* rows, int g) {
  constexpr int kPerLine = 64 / kBytes;
  if (kVectors < kPerLine && g % kPerLine != 0) return;
#pragma GCC unroll 8
  for (int j = 0; j < kRows; ++j)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; v += kPerLine) ask_ahead(rows[j] + (g + v) * kBytes);
}

// Adds the products of n columns at w, of the rows [r0, r1), with D rows of activations, arranged, to sums[d]: rows
// that are side by side follow each other there.  Vectors of weights may run into the rows that follow (their codes
// meet zeros), but do not begin behind `last`.
template <int kBits, int D>
FACET_INLINE void add_rows(std::int32_t (*sums)[kRowBlock], const std::int8_t (*x)[Planes<kBits>::kCopyBytes],
                           const std::uint8_t* w, std::ptrdiff_t row_bytes, const std::uint8_t* last, int r0, int r1,
                           int n) {
  using Format = Planes<kBits>;
  constexpr int kAtOnce = D == 1 ? kVecRows : kLanes == 8 ? 2 : D <= 3 ? 8 : 4;  // their sums stay in registers
  constexpr std::ptrdiff_t kStride = Format::kCopyBytes;
  const int whole = n / Format::kGroup, rest_bytes = static_cast<int>(row_size_bytes(kBits, n)) - whole * kBytes;
  for (int i = 0; i < groups_of<kVecRows>(r0, r1); ++i) {
    const std::uint8_t* row[kVecRows];
    set_rows<kVecRows>(w, row_bytes, side_by_side<kVecRows>(i, r0, r1), row);
    I acc[kVecRows][D];
    for (int j = 0; j < kVecRows; ++j)
      for (int d = 0; d < D; ++d) acc[j][d] = int_zero();
    for (int first = 0; first < kVecRows; first += kAtOnce) {
      auto add = [&]<int kVectors>(int g) FACET_INLINE_LAMBDA {
        ask_ahead<kAtOnce, kVectors>(row + first, g);
#pragma GCC unroll 8
        for (int j = first; j < first + kAtOnce; ++j)
          Format::template add_dots<kVectors, D>(acc[j], row[j] + g * kBytes, x[0] + g * Format::kCopyOfGroup, kStride);
      };
      int g = 0;
      for (; g + kVectorsAtOnce <= whole; g += kVectorsAtOnce) add.template operator()<kVectorsAtOnce>(g);
      for (; g < whole; ++g) add.template operator()<1>(g);
    }
    if (rest_bytes > 0)
      for (int j = 0; j < kVecRows; ++j) {
        std::uint8_t buffer[kBytes];
        const std::uint8_t* p = readable(row[j] + whole * kBytes, rest_bytes, last, buffer);
        Format::template add_dots<1, D>(acc[j], p, x[0] + whole * Format::kCopyOfGroup, kStride);
      }
    for (int d = 0; d < D; ++d)
      for (int j = 0; j < kVecRows; j += 4) {
        const I four[4] = {acc[j][d], acc[j + 1][d], acc[j + 2][d], acc[j + 3][d]};
        auto* to = reinterpret_cast<__m128i*>(sums[d] + i * kVecRows + j);
        _mm_storeu_si128(to, _mm_add_epi32(_mm_loadu_si128(to), int_sums_of_4(four)));
      }
  }
}
// result(r, i): the sums of row r are element i.
template <typename Result>
FACET_INLINE void for_each_sum(int r0, int r1, const Result& result) {
  for (int i = 0; i < groups_of<kVecRows>(r0, r1); ++i) {
    const SideBySide group = side_by_side<kVecRows>(i, r0, r1);
    for (int j = 0; j < group.n; ++j) result(group.row + j * group.step, i * kVecRows + j);
  }
}
// A sum of products with codes offset to unsigned, less what the offset brought, modulo 2^32.
FACET_INLINE std::int32_t without_offset(std::int32_t sum, std::int32_t x_sum, int offset) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(sum) -
                                   static_cast<std::uint32_t>(wrapped_product(offset, x_sum)));
}

// T tokens; those of y are y_stride apart.
template <int kBits, int T>
void matvec_rows(float* y, std::ptrdiff_t y_stride, const std::int8_t* x, const std::uint8_t* w,
                 const float* row_scales, float x_scale, int row_begin, int row_end, int k) {
  using Format = Planes<kBits>;
  alignas(64) std::int8_t arranged[T][Format::kCopyBytes];
  const std::ptrdiff_t row_bytes = row_size_bytes(kBits, k);
  const std::uint8_t* const last = w + row_end * row_bytes - kBytes;
  for (int r0 = row_begin; r0 < row_end; r0 += kRowBlock) {
    const int r1 = row_end - r0 < kRowBlock ? row_end : r0 + kRowBlock;
    std::int32_t sums[T][kRowBlock] = {}, x_sums[T] = {};
    for (int c = 0; c < k; c += kVecChunk) {
      const int n = k - c < kVecChunk ? k - c : kVecChunk;
      for (int t = 0; t < T; ++t) x_sums[t] += Format::arrange(x + std::ptrdiff_t{t} * k + c, n, arranged[t]);
      add_rows<kBits, T>(sums, arranged, w + row_size_bytes(kBits, c), row_bytes, last, r0, r1, n);
    }
    for (int t = 0; t < T; ++t)
      for_each_sum(r0, r1, [&](int r, int i) FACET_INLINE_LAMBDA {
        y[t * y_stride + r] =
            static_cast<float>(without_offset(sums[t][i], x_sums[t], Format::kOffset)) * (row_scales[r] * x_scale);
      });
  }
}

// Float activations, as three rows of digits (digits-inl.h), which meet each row of codes while it is there.
template <int kBits>
void matvec_digits(float* y, const float* x, float unit, const std::uint8_t* w, const float* row_scales, float x_scale,
                   int row_begin, int row_end, int k) {
  using Format = Planes<kBits>;
  alignas(64) std::int8_t digits[3 * kVecChunk];
  alignas(64) std::int8_t arranged[3][Format::kCopyBytes];
  const std::ptrdiff_t row_bytes = row_size_bytes(kBits, k);
  const std::uint8_t* const last = w + row_end * row_bytes - kBytes;
  for (int r0 = row_begin; r0 < row_end; r0 += kRowBlock) {
    const int r1 = row_end - r0 < kRowBlock ? row_end : r0 + kRowBlock;
    std::int32_t sums[3][kRowBlock] = {}, x_sums[3] = {};
    for (int c = 0; c < k; c += kVecChunk) {
      const int n = k - c < kVecChunk ? k - c : kVecChunk;
      split_digits(x + c, n, unit, digits, kVecChunk);
      for (int d = 0; d < 3; ++d) x_sums[d] += Format::arrange(digits + d * kVecChunk, n, arranged[d]);
      add_rows<kBits, 3>(sums, arranged, w + row_size_bytes(kBits, c), row_bytes, last, r0, r1, n);
    }
    for_each_sum(r0, r1, [&](int r, int i) FACET_INLINE_LAMBDA {
      double sum = 0;
      for (int d = 2; d >= 0; --d) sum = sum * 256 + without_offset(sums[d][i], x_sums[d], Format::kOffset);
      y[r] = static_cast<float>(sum * unit) * (row_scales[r] * x_scale);
    });
  }
}
