// int_tile-inl.h: products of 8-bit activations with quantized weights for several tokens.  In the target's unnamed
// namespace.
//
// kPanelVectors * kLanes rows by kIntChunk columns are unpacked once per kIntBlock tokens into streams: a stream holds
// kLanes rows, and its step s the codes of columns 4 s .. 4 s + 3 of each, one row per 32-bit lane.  Four codes of a
// token, broadcast, meet a step of a stream in one multiply-add of bytes, and each lane sums for its own row: no sum
// across lanes. Codes are stored with an offset that makes them unsigned; what it adds, offset * (sum of x), is taken
// off afterwards. Where 8-bit codes would overflow 16 bits (kMaxPackedCode = 15), they become two streams, high and low
// nibbles.
//
// Sums of codes are exact.  Block formats then add sum * (d_w * d_x) to the f32 result block by block, in order, fused:
// the order of table.h, so that all targets and all ways to cut the work give the same bits.
//
// Limit: multiply-adds of bytes, two per cycle of 4 * kLanes codes (AVX2: plus the additions of their 16-bit results).

constexpr int kIntBlock = 64, kChunkBlocks = 8, kIntChunk = 32 * kChunkBlocks, kPanelVectors = 4;
constexpr int kPanelRows = kPanelVectors * kLanes;

// Weight formats.  codes(r, c, n): columns [c, c + n) of row r, n <= 32, unsigned by kOffset.  kMins: each 32 weights
// have a minimum, which is taken off all of them.
struct CodesQ4_0 {
  static constexpr bool kBlocks = true, kMins = false;
  static constexpr int kOffset = 8, kMax = 15;
  const Q4_0Block* w;
  int k;
  FACET_INLINE const Q4_0Block& block(int r, int c) const { return w[(std::ptrdiff_t{r} * k + c) / 32]; }
  FACET_INLINE __m256i codes(int r, int c, int) const { return unpack_q4_0(block(r, c).codes); }
};
struct CodesQ8_0 {
  static constexpr bool kBlocks = true, kMins = false;
  static constexpr int kOffset = 128, kMax = 255;
  const Q8_0Block* w;
  int k;
  FACET_INLINE const Q8_0Block& block(int r, int c) const { return w[(std::ptrdiff_t{r} * k + c) / 32]; }
  FACET_INLINE __m256i codes(int r, int c, int) const { return unpack_i8(block(r, c).codes); }
};
struct CodesQ4_K {
  static constexpr bool kBlocks = true, kMins = true;
  static constexpr int kOffset = 0, kMax = 15;
  const Q4_KBlock* w;
  int k;
  FACET_INLINE const Q4_KBlock& block(int r, int c) const {
    return w[(std::ptrdiff_t{r} * k + c) / Q4_KBlock::kWeights];
  }
  FACET_INLINE __m256i codes(int r, int c, int) const {
    return unpack_q4_k(block(r, c), c % Q4_KBlock::kWeights / Q4_KBlock::kGroup);
  }
};
template <int kBits>
struct CodesRow {
  static constexpr bool kBlocks = false, kMins = false;
  static constexpr int kOffset = 1 << (kBits - 1), kMax = 2 * kOffset - 1;
  const std::uint8_t* w;
  int k;
  FACET_INLINE __m256i codes(int r, int c, int n) const {
    return unpack_row<kBits>(w + r * row_size_bytes(kBits, k), c, n);
  }
};

// Modulo 2^32: sums with an offset may pass 2^31 before the offset is taken off.
FACET_INLINE std::int32_t wrapped_product(int offset, std::int32_t x_sum) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(offset) * static_cast<std::uint32_t>(x_sum));
}

// The streams of a panel and, for block formats, the scales of its rows, perhaps their minima.
template <bool kBlocks, int kStreams, bool kMins>
struct Panel {
  alignas(64) std::uint8_t streams[kChunkBlocks][kPanelVectors][kStreams][8 * kBytes];
  alignas(64) float scales[kBlocks ? kChunkBlocks : 1][kPanelRows];
  alignas(64) float mins[kMins ? kChunkBlocks : 1][kPanelRows];
};
template <typename Codes>
using PanelOf = Panel<Codes::kBlocks, (Codes::kMax > kMaxPackedCode ? 2 : 1), Codes::kMins>;

// Scales and minima of the rows' blocks: a chunk is one block.
FACET_INLINE void pack_groups(const CodesQ4_K& weights, int row, int n_rows, int c, PanelOf<CodesQ4_K>* panel) {
  static_assert(kIntChunk == Q4_KBlock::kWeights);
  for (int r = 0; r < n_rows; r += 8) {
    const Q4_KBlock* blocks[8];
    for (int j = 0; j < 8; ++j) blocks[j] = &weights.block(row + (r + j < n_rows ? r + j : n_rows - 1), c);
    const GroupsQ4_K groups = groups_of_8(blocks);
    for (int g = 0; g < Q4_KBlock::kGroups; ++g) {
      _mm256_storeu_ps(panel->scales[g] + r, times_group(groups.scale, groups.scales, g));
      _mm256_storeu_ps(panel->mins[g] + r, times_group(groups.min_unit, groups.mins, g));
    }
  }
}

// Rows [row, row + n_rows) and columns [c, c + n); rows beyond repeat the last.
template <typename Codes>
void pack_panel(const Codes& weights, int row, int n_rows, int c, int n, PanelOf<Codes>* panel) {
  if constexpr (Codes::kMins) pack_groups(weights, row, n_rows, c, panel);
  for (int b = 0; b * 32 < n; ++b)
    for (int r = 0; r < n_rows; r += 8) {
      const int at = c + 32 * b, width = n - 32 * b < 32 ? n - 32 * b : 32;
      __m256i codes[8], steps[8];
#pragma GCC unroll 8
      for (int j = 0; j < 8; ++j) {
        const int from = row + (r + j < n_rows ? r + j : n_rows - 1);
        codes[j] = weights.codes(from, at, width);
        if constexpr (Codes::kBlocks && !Codes::kMins)
          panel->scales[b][r + j] = half_to_float(weights.block(from, at).scale);
      }
      transpose_8x8(codes, steps);
      std::uint8_t* out = panel->streams[b][r / kLanes][0] + r % kLanes * 4;
#pragma GCC unroll 8
      for (int s = 0; s < 8; ++s) {
        if constexpr (Codes::kMax <= kMaxPackedCode) {
          store_32(out + s * kBytes, steps[s]);
        } else {
          const __m256i low = _mm256_set1_epi8(15);
          store_32(out + s * kBytes, _mm256_and_si256(_mm256_srli_epi16(steps[s], 4), low));
          store_32(out + (8 + s) * kBytes, _mm256_and_si256(steps[s], low));
        }
      }
    }
}

// The activations of a chunk: block b of token t has its 32 codes at base + t * stride + b * kBlockBytes.
template <bool kBlocks>
struct Inputs {
  static constexpr int kBlockBytes = kBlocks ? sizeof(Q8_0Block) : 32;
  const std::int8_t* base;
  std::ptrdiff_t stride;
  alignas(32) std::int8_t tail[kBlocks ? 1 : kIntBlock][32];  // the last codes of rows that end within a block; zeros
  std::int32_t sums[kIntBlock][kBlocks ? kChunkBlocks : 1];   // of codes: per block, or so far of the whole row
  float scales[kIntBlock][kBlocks ? kChunkBlocks : 1];
  float scaled_sums[kIntBlock][kBlocks ? kChunkBlocks : 1];  // sums * scales, exact: 12 bits by 11
};

FACET_INLINE __m256i load_32(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }

FACET_INLINE __m256i partial_sums(__m256i codes) { return dot_small(_mm256_set1_epi8(1), codes); }

// Of eight blocks of activations, or of n and the first again.
struct BlockSums {
  __m256i sums;  // of codes
  __m256 scales, scaled_sums;
};
FACET_INLINE BlockSums block_sums(const Q8_0Block* x, int n) {
  __m256i partial[8];
  std::uint16_t halves[8];
#pragma GCC unroll 8
  for (int b = 0; b < 8; ++b) {
    const Q8_0Block& block = x[b < n ? b : 0];
    partial[b] = partial_sums(load_32(block.codes));
    halves[b] = block.scale.bits;
  }
  const __m256i sums = int_sums_of_8(partial);
  const __m256 scales = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(halves)));
  return {sums, scales, _mm256_mul_ps(_mm256_cvtepi32_ps(sums), scales)};
}

void set_inputs(const Q8_0Block* x, int n_tokens, int k, int c, int n, Inputs<true>* inputs) {
  const std::ptrdiff_t row_blocks = k / 32;
  const int n_blocks = n / 32;
  x += c / 32;
  inputs->base = x->codes;
  inputs->stride = row_blocks * static_cast<std::ptrdiff_t>(sizeof(Q8_0Block));
  for (int t = 0; t < n_tokens; ++t, x += row_blocks) {
    const BlockSums all = block_sums(x, n_blocks);
    store_32(inputs->sums[t], all.sums);
    _mm256_storeu_ps(inputs->scales[t], all.scales);
    _mm256_storeu_ps(inputs->scaled_sums[t], all.scaled_sums);
  }
}
void set_inputs(const std::int8_t* x, int n_tokens, int k, int c, int n, Inputs<false>* inputs) {
  const int whole = n / 32 * 32;
  inputs->base = x + c;
  inputs->stride = k;
  for (int t = 0; t < n_tokens; ++t) {
    const std::int8_t* codes = inputs->base + t * inputs->stride;
    __m256i sum = _mm256_setzero_si256();
    for (int i = 0; i < whole; i += 32) sum = _mm256_add_epi32(sum, partial_sums(load_32(codes + i)));
    if (whole < n) {
      __builtin_memset(inputs->tail[t], 0, 32);
      __builtin_memcpy(inputs->tail[t], codes + whole, n - whole);
      sum = _mm256_add_epi32(sum, partial_sums(load_32(inputs->tail[t])));
    }
    const __m128i total = int_sums_of_4_ymm(sum, sum, sum, sum);
    inputs->sums[t][0] = (c == 0 ? 0 : inputs->sums[t][0]) + _mm_cvtsi128_si32(total);
  }
}

// T tokens from t and the rows of 2 streams from `vector`, over the n columns of the chunk.  sums[t * kPanelVectors +
// v]: for token t and vector v of the panel; f32 of block formats, int32 with the offset still in it of others.
template <bool kBlocks, int kStreams, bool kMins, int T>
FACET_INLINE void int_tile(const Panel<kBlocks, kStreams, kMins>& panel, const Inputs<kBlocks>& x, int offset, int t,
                           int vector, int n, I* sums) {
  constexpr int kVectors = 2 / kStreams;
  for (int b = 0; b * 32 < n; ++b) {
    const bool in_tail = !kBlocks && n - b * 32 < 32;
    const std::int8_t* codes = in_tail ? x.tail[t] : x.base + t * x.stride + b * Inputs<kBlocks>::kBlockBytes;
    const std::uint8_t* stream = panel.streams[b][vector][0];
    I dots[T][2];
    dot_tile<T>(stream, stream + 8 * kBytes, codes, in_tail ? 32 : x.stride, dots);
    FACET_KEEP_IN_MEMORY;
#pragma GCC unroll 8
    for (int j = 0; j < T; ++j)
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        I& sum = sums[(t + j) * kPanelVectors + vector + v];
        const I dot = kStreams == 1 ? dots[j][v] : int_add(int_shift_left<4>(dots[j][0]), dots[j][1]);
        if constexpr (kBlocks) {
          const I exact = kMins ? dot : int_sub(dot, int_set(offset * x.sums[t + j][b]));  // minima: no offset
          const F scale = mul(load(panel.scales[b] + (vector + v) * kLanes), set(x.scales[t + j][b]));
          F result = mul_add(to_float(exact), scale, as_floats(sum));
          if constexpr (kMins)
            result = neg_mul_add(load(panel.mins[b] + (vector + v) * kLanes), set(x.scaled_sums[t + j][b]), result);
          sum = as_ints(result);
        } else {
          sum = int_add(sum, dot);
        }
      }
  }
}

template <bool kBlocks, int kStreams, bool kMins, int T>
FACET_INLINE void int_rest(const Panel<kBlocks, kStreams, kMins>& panel, const Inputs<kBlocks>& x, int offset, int t,
                           int n_tokens, int vector, int n, I* sums) {
  if constexpr (T > 0) {
    if (n_tokens == T) return int_tile<kBlocks, kStreams, kMins, T>(panel, x, offset, t, vector, n, sums);
    int_rest<kBlocks, kStreams, kMins, T - 1>(panel, x, offset, t, n_tokens, vector, n, sums);
  }
}

template <bool kBlocks, int kStreams, bool kMins>
FACET_NOINLINE void int_panel(const Panel<kBlocks, kStreams, kMins>& panel, const Inputs<kBlocks>& x, int offset,
                              int n_tokens, int n_rows, int n, I* sums) {
  for (int v = 0; v * kLanes < n_rows; v += 2 / kStreams) {
    int t = 0;
    for (; t + kIntTokens <= n_tokens; t += kIntTokens)
      int_tile<kBlocks, kStreams, kMins, kIntTokens>(panel, x, offset, t, v, n, sums);
    int_rest<kBlocks, kStreams, kMins, kIntTokens - 1>(panel, x, offset, t, n_tokens - t, v, n, sums);
  }
}

// X: Q8_0Block for block formats, int8 for others.  row_scales: null for block formats.
template <typename Codes, typename X>
void matmul_int_tiles(const Codes& weights, float* y, std::ptrdiff_t y_stride, const X* x, const float* row_scales,
                      float x_scale, int m, int row_begin, int row_end, int k) {
  PanelOf<Codes> panel;
  Inputs<Codes::kBlocks> inputs;
  alignas(64) I sums[kIntBlock * kPanelVectors];
  const std::ptrdiff_t x_row = Codes::kBlocks ? k / 32 : k;
  for (int t0 = 0; t0 < m; t0 += kIntBlock) {
    const int n_tokens = m - t0 < kIntBlock ? m - t0 : kIntBlock;
    for (int t = 0; t < n_tokens; ++t) inputs.sums[t][0] = 0;  // for k = 0
    for (int row = row_begin; row < row_end; row += kPanelRows) {
      const int n_rows = row_end - row < kPanelRows ? row_end - row : kPanelRows;
      for (int i = 0; i < n_tokens * kPanelVectors; ++i) sums[i] = int_zero();
      for (int c = 0; c < k; c += kIntChunk) {
        const int n = k - c < kIntChunk ? k - c : kIntChunk;
        set_inputs(x + t0 * x_row, n_tokens, k, c, n, &inputs);
        pack_panel(weights, row, n_rows, c, n, &panel);
        int_panel(panel, inputs, Codes::kOffset, n_tokens, n_rows, n, sums);
      }
      for (int t = 0; t < n_tokens; ++t)
        for (int r = 0; r < n_rows; r += kLanes) {
          const int lanes = n_rows - r < kLanes ? n_rows - r : kLanes;
          const I sum = sums[t * kPanelVectors + r / kLanes];
          F result = as_floats(sum);
          if constexpr (!Codes::kBlocks) {
            const F scale = mul(load_first(row_scales + row + r, lanes), set(x_scale));
            result = mul(to_float(int_sub(sum, int_set(wrapped_product(Codes::kOffset, inputs.sums[t][0])))), scale);
          }
          store_first(y + (t0 + t) * y_stride + row + r, result, lanes);
        }
    }
  }
}
