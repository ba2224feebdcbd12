// dot_cells-inl.h: cells of int_tile-inl.h by SDOT: four rows, one token.  Each of a cell's lanes sums for its own row;
// four columns of the token meet those of four rows in one instruction, which picks them out of 16.

constexpr int kCellRows = 4, kCellTokens = 1;
template <bool kBlocks>  // 2 x 4 cells: 8 sums, for block formats in f32 too, beside 4 vectors of tokens and one of
                         // rows
constexpr int kTileRows = 8;

// Four rows of 32 columns: columns 4 s .. 4 s + 3 of each at 16 s.
FACET_INLINE void interleave(const Codes (&rows)[4], std::int8_t* out) {
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    int32x4_t v[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) v[j] = vreinterpretq_s32_s8(half == 0 ? rows[j].low : rows[j].high);
    const int64x2_t a = vreinterpretq_s64_s32(vzip1q_s32(v[0], v[1])),
                    b = vreinterpretq_s64_s32(vzip2q_s32(v[0], v[1]));
    const int64x2_t c = vreinterpretq_s64_s32(vzip1q_s32(v[2], v[3])),
                    d = vreinterpretq_s64_s32(vzip2q_s32(v[2], v[3]));
    const int64x2_t steps[4] = {vzip1q_s64(a, c), vzip2q_s64(a, c), vzip1q_s64(b, d), vzip2q_s64(b, d)};
#pragma GCC unroll 4
    for (int s = 0; s < 4; ++s) vst1q_s8(out + 64 * half + 16 * s, vreinterpretq_s8_s64(steps[s]));
  }
}
FACET_INLINE void interleave(const Codes (&token)[1], std::int8_t* out) { store_codes(out, token[0]); }

template <int R, int T, int kStep>
FACET_INLINE void add_step(const std::int8_t* w, const int8x16_t x[T], int32x4_t (*sums)[R]) {
#pragma GCC unroll 2
  for (int r = 0; r < R; ++r) {
    const int8x16_t v = vld1q_s8(w + r * 32 * kCellRows + 16 * kStep);
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) sums[t][r] = vdotq_laneq_s32(sums[t][r], v, x[t], kStep % 4);
  }
}
// 32 columns of R cells of rows and T of tokens.
template <int R, int T>
FACET_INLINE void add_cells(const std::int8_t* w, const std::int8_t* x, int32x4_t (*sums)[R]) {
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    int8x16_t v[T];
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) v[t] = vld1q_s8(x + 32 * t + 16 * half);
    const std::int8_t* from = w + 64 * half;
    add_step<R, T, 0>(from, v, sums);
    add_step<R, T, 1>(from, v, sums);
    add_step<R, T, 2>(from, v, sums);
    add_step<R, T, 3>(from, v, sums);
  }
}

// The sums of the rows of 4 / kCellRows cells for one of their tokens.
FACET_INLINE int32x4_t four_rows(const int32x4_t* cells, int) { return *cells; }
