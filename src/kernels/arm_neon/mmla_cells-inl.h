// mmla_cells-inl.h: cells of int_tile-inl.h by SMMLA: two rows by two tokens, eight columns per instruction.  A cell's
// sums are row 0 with tokens 0 and 1, row 1 with both.

constexpr int kCellRows = 2, kCellTokens = 2;
// 4 x 4 cells: 16 sums, with 4 vectors of tokens and one of rows.  Block formats have each sum in f32 too: 2 x 4.
template <bool kBlocks>
constexpr int kTileRows = kBlocks ? 4 : 8;

// Two rows or tokens of 32 columns: columns 8 s .. 8 s + 7 of each at 16 s.
FACET_INLINE void interleave(const Codes (&rows)[2], std::int8_t* out) {
  const int64x2_t a[2] = {vreinterpretq_s64_s8(rows[0].low), vreinterpretq_s64_s8(rows[0].high)};
  const int64x2_t b[2] = {vreinterpretq_s64_s8(rows[1].low), vreinterpretq_s64_s8(rows[1].high)};
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    vst1q_s8(out + 32 * half, vreinterpretq_s8_s64(vzip1q_s64(a[half], b[half])));
    vst1q_s8(out + 32 * half + 16, vreinterpretq_s8_s64(vzip2q_s64(a[half], b[half])));
  }
}

// 32 columns of R cells of rows and T of tokens.
template <int R, int T>
FACET_INLINE void add_cells(const std::int8_t* w, const std::int8_t* x, int32x4_t (*sums)[R]) {
#pragma GCC unroll 4
  for (int step = 0; step < 4; ++step) {
    int8x16_t v[T];
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) v[t] = vld1q_s8(x + 64 * t + 16 * step);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const int8x16_t u = vld1q_s8(w + 64 * r + 16 * step);
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) sums[t][r] = vmmlaq_s32(sums[t][r], u, v[t]);
    }
  }
}

// The sums of the rows of 4 / kCellRows cells for one of their tokens.
FACET_INLINE int32x4_t four_rows(const int32x4_t* cells, int token) {
  return token == 0 ? vuzp1q_s32(cells[0], cells[1]) : vuzp2q_s32(cells[0], cells[1]);
}
