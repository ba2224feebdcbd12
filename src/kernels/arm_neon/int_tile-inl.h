// int_tile-inl.h: products of 8-bit activations with quantized weights for several tokens.  In the target's unnamed
// namespace.
//
// A cell is a vector of four sums: kCellRows rows by kCellTokens tokens, as the target's product of bytes makes them
// (*_cells-inl.h).  kPanelRows rows by kIntChunk columns of weights are unpacked to signed bytes once per kIntBlock
// tokens, in the order in which a cell reads them, and the activations are put into theirs; nothing is summed across
// lanes.
//
// Sums of codes are exact.  Block formats then add sum * (d_w * d_x) to the f32 result block by block, in order, fused:
// the order of table.h, so that all targets and all ways to cut the work give the same bits.
//
// Limit: products of bytes, two or four per cycle.  Block formats pay three more instructions for every 8 (SDOT) or 4
// (SMMLA) of them.

constexpr int kIntBlock = 64, kChunkBlocks = 8, kIntChunk = 32 * kChunkBlocks, kPanelRows = 64;
constexpr int kRowCells = kPanelRows / kCellRows, kTokenCells = kIntBlock / kCellTokens;

// Formats of weights and activations.  codes(r, c, n): columns [c, c + n) of row r, n <= 32.  Columns behind n: zeros
// for 8 bits, so for activations, anything for others.  kMins: each 32 weights have a minimum, which is taken off all
// of them: times the sum of the activations.
struct CodesQ4_0 {
  static constexpr bool kBlocks = true, kMins = false;
  const Q4_0Block* w;
  int k;
  FACET_INLINE const Q4_0Block& block(int r, int c) const { return w[(std::ptrdiff_t{r} * k + c) / 32]; }
  FACET_INLINE float scale(int r, int c) const { return half_to_float(block(r, c).scale); }
  FACET_INLINE Codes codes(int r, int c, int) const { return unpack_q4_0(block(r, c).codes); }
};
struct CodesQ8_0 {
  static constexpr bool kBlocks = true, kMins = false;
  const Q8_0Block* w;
  int k;
  FACET_INLINE const Q8_0Block& block(int r, int c) const { return w[(std::ptrdiff_t{r} * k + c) / 32]; }
  FACET_INLINE float scale(int r, int c) const { return half_to_float(block(r, c).scale); }
  FACET_INLINE Codes codes(int r, int c, int) const { return unpack_i8(block(r, c).codes); }
  // Of activations, what minima are multiplied by: exact (12 bits by 11).
  FACET_INLINE float min(int r, int c) const {
    const Codes v = codes(r, c, 32);
    const int8x16_t ones = vdupq_n_s8(1);
    return scale(r, c) *
           static_cast<float>(vaddvq_s32(vdotq_s32(vdotq_s32(vdupq_n_s32(0), v.low, ones), v.high, ones)));
  }
};
struct CodesQ4_K {
  static constexpr bool kBlocks = true, kMins = true;
  const Q4_KBlock* w;
  int k;
  FACET_INLINE const Q4_KBlock& block(int r, int c) const {
    return w[(std::ptrdiff_t{r} * k + c) / Q4_KBlock::kWeights];
  }
  static FACET_INLINE int group(int c) { return c % Q4_KBlock::kWeights / Q4_KBlock::kGroup; }
  FACET_INLINE Codes codes(int r, int c, int) const { return unpack_q4_k(block(r, c), group(c)); }
  FACET_INLINE float scale(int r, int c) const {
    const Q4_KBlock& from = block(r, c);
    return half_to_float(from.scale) * static_cast<float>(group_q4_k(from, group(c)).scale);
  }
  FACET_INLINE float min(int r, int c) const {
    const Q4_KBlock& from = block(r, c);
    return half_to_float(from.min_unit) * static_cast<float>(group_q4_k(from, group(c)).min);
  }
};
template <int kBits>
struct CodesRow {
  static constexpr bool kBlocks = false, kMins = false;
  const std::uint8_t* w;
  int k;
  FACET_INLINE Codes codes(int r, int c, int n) const {
    return unpack_row<kBits>(w + r * row_size_bytes(kBits, k), c, n);
  }
};
FACET_INLINE CodesQ8_0 codes_of(const Q8_0Block* x, int k) { return {x, k}; }
FACET_INLINE CodesRow<8> codes_of(const std::int8_t* x, int k) { return {reinterpret_cast<const std::uint8_t*>(x), k}; }

// One side of a chunk: kWidth rows or tokens per cell and, for block formats, what their scales, perhaps their minima,
// are in its four sums.
template <bool kBlocks, bool kMins, int kCells, int kWidth>
struct Side {
  alignas(64) std::int8_t codes[kChunkBlocks][kCells][32 * kWidth];
  alignas(64) float scales[kBlocks ? kChunkBlocks : 1][kBlocks ? kCells : 1][4];
  alignas(64) float mins[kMins ? kChunkBlocks : 1][kMins ? kCells : 1][4];
};
template <bool kBlocks, bool kMins>
using Panel = Side<kBlocks, kMins, kRowCells, kCellRows>;
template <bool kBlocks, bool kMins>
using Inputs = Side<kBlocks, kMins, kTokenCells, kCellTokens>;

// n_cells cells of rows from `row` on and columns [c, c + n); rows from row_end on repeat the last.  A cell's sums are
// kept row by row, kInner to a row: 1 for activations, the other side's width for weights.
template <int kInner, typename Format, bool kMins, int kCells, int kWidth>
FACET_INLINE void pack_side(const Format& from, int row, int row_end, int n_cells, int c, int n,
                            Side<Format::kBlocks, kMins, kCells, kWidth>* side) {
  for (int b = 0; b * 32 < n; ++b)
    for (int cell = 0; cell < n_cells; ++cell) {
      const int at = c + 32 * b, width = n - 32 * b < 32 ? n - 32 * b : 32;
      Codes codes[kWidth];
      float scales[kWidth], mins[kWidth];
#pragma GCC unroll 4
      for (int j = 0; j < kWidth; ++j) {
        const int r = row + cell * kWidth + j, readable = r < row_end ? r : row_end - 1;
        codes[j] = from.codes(readable, at, width);
        if constexpr (Format::kBlocks) scales[j] = from.scale(readable, at);
        if constexpr (kMins) mins[j] = from.min(readable, at);
      }
      interleave(codes, side->codes[b][cell]);
      if constexpr (Format::kBlocks)
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) side->scales[b][cell][i] = scales[i / kInner % kWidth];
      if constexpr (kMins)
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) side->mins[b][cell][i] = mins[i / kInner % kWidth];
    }
}

// R cells of rows by T cells of tokens over the n columns of the chunk.  sums: of a cell of rows and one of tokens at
// [token cell * kRowCells + row cell]; of block formats the bits of f32.
template <bool kBlocks, bool kMins, int R, int T>
FACET_INLINE void int_tile(const Panel<kBlocks, kMins>& panel, const Inputs<kBlocks, kMins>& x, int row_cell,
                           int token_cell, int n, int32x4_t* sums) {
  int32x4_t sum[T][R];
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t)
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) sum[t][r] = sums[(token_cell + t) * kRowCells + row_cell + r];
  for (int b = 0; b * 32 < n; ++b) {
    const std::int8_t* w_codes = panel.codes[b][row_cell];
    const std::int8_t* x_codes = x.codes[b][token_cell];
    if constexpr (!kBlocks) {
      add_cells<R, T>(w_codes, x_codes, sum);
    } else {
      int32x4_t dots[T][R];
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t)
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) dots[t][r] = vdupq_n_s32(0);
      add_cells<R, T>(w_codes, x_codes, dots);
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t)
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) {
          const Four scale = mul(load_four(panel.scales[b][row_cell + r]), load_four(x.scales[b][token_cell + t]));
          Four y = vfmaq_f32(vreinterpretq_f32_s32(sum[t][r]), vcvtq_f32_s32(dots[t][r]), scale);
          if constexpr (kMins)
            y = vfmsq_f32(y, load_four(panel.mins[b][row_cell + r]), load_four(x.mins[b][token_cell + t]));
          sum[t][r] = vreinterpretq_s32_f32(y);
        }
    }
  }
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t)
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) sums[(token_cell + t) * kRowCells + row_cell + r] = sum[t][r];
}

template <bool kBlocks, bool kMins, int R, int T>
FACET_INLINE void int_rest(const Panel<kBlocks, kMins>& panel, const Inputs<kBlocks, kMins>& x, int row_cell,
                           int token_cell, int n_cells, int n, int32x4_t* sums) {
  if constexpr (T > 0) {
    if (n_cells == T) return int_tile<kBlocks, kMins, R, T>(panel, x, row_cell, token_cell, n, sums);
    int_rest<kBlocks, kMins, R, T - 1>(panel, x, row_cell, token_cell, n_cells, n, sums);
  }
}

template <bool kBlocks, bool kMins>
FACET_NOINLINE void int_panel(const Panel<kBlocks, kMins>& panel, const Inputs<kBlocks, kMins>& x, int n_row_cells,
                              int n_token_cells, int n, int32x4_t* sums) {
  constexpr int R = kTileRows<kBlocks> / kCellRows, T = 4;
  for (int r = 0; r < n_row_cells; r += R) {
    int t = 0;
    for (; t + T <= n_token_cells; t += T) int_tile<kBlocks, kMins, R, T>(panel, x, r, t, n, sums);
    int_rest<kBlocks, kMins, R, T - 1>(panel, x, r, t, n_token_cells - t, n, sums);
  }
}

// X: Q8_0Block for block formats, int8 for others.  row_scales: null for block formats.
template <typename Format, typename X>
void matmul_int_tiles(const Format& weights, float* y, std::ptrdiff_t y_stride, const X* x, const float* row_scales,
                      float x_scale, int m, int row_begin, int row_end, int k) {
  constexpr bool kBlocks = Format::kBlocks;
  Panel<kBlocks, Format::kMins> panel;
  Inputs<kBlocks, Format::kMins> inputs;
  alignas(64) int32x4_t sums[kTokenCells * kRowCells];
  for (int t0 = 0; t0 < m; t0 += kIntBlock) {
    const int n_tokens = m - t0 < kIntBlock ? m - t0 : kIntBlock;
    const int n_token_cells = (n_tokens + kCellTokens - 1) / kCellTokens;
    for (int row = row_begin; row < row_end; row += kPanelRows) {
      const int n_rows = row_end - row < kPanelRows ? row_end - row : kPanelRows;
      const int n_row_cells = (n_rows + 7) / 8 * 8 / kCellRows;  // whole tiles
      for (int i = 0; i < n_token_cells * kRowCells; ++i) sums[i] = vdupq_n_s32(0);
      for (int c = 0; c < k; c += kIntChunk) {
        const int n = k - c < kIntChunk ? k - c : kIntChunk;
        pack_side<1>(codes_of(x, k), t0, t0 + n_tokens, n_token_cells, c, n, &inputs);
        pack_side<kCellTokens>(weights, row, row + n_rows, n_row_cells, c, n, &panel);
        int_panel(panel, inputs, n_row_cells, n_token_cells, n, sums);
      }
      for (int t = 0; t < n_tokens; ++t)
        for (int r = 0; r < n_rows; r += 4) {
          const int n_here = n_rows - r < 4 ? n_rows - r : 4;
          const int32x4_t* cells = sums + t / kCellTokens * kRowCells + r / kCellRows;
          const int32x4_t sum = four_rows(cells, t % kCellTokens);
          Four result = vreinterpretq_f32_s32(sum);
          if constexpr (!kBlocks) {
            float scales[4] = {};
            __builtin_memcpy(scales, row_scales + row + r, n_here * sizeof(float));
            result = mul(vcvtq_f32_s32(sum), mul(load_four(scales), four(x_scale)));
          }
          store_first_4(y + (t0 + t) * y_stride + row + r, result, n_here);
        }
    }
  }
}
