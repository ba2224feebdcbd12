// side_by_side-inl.h: rows of weights that one token, or a few, are multiplied with at once, each read as it lies.  In
// the target's unnamed namespace.

// Which rows are done side by side: n of them, `step` apart.  Neighbours end before the CPU's own prefetching has
// begun; rows that lie a share of all rows apart make as many long streams, each read in the order of memory.  Some
// CPUs read neighbours faster all the same (reads_neighbours, table.h).
struct SideBySide {
  int row, n, step;
};
// Group i of the rows [begin, end), kRows of them in all but the last one.
template <int kRows, bool kNeighbours = false>
FACET_INLINE SideBySide side_by_side(int i, int begin, int end) {
  const int whole = (end - begin) / kRows;
  if (i < whole) return kNeighbours ? SideBySide{begin + i * kRows, kRows, 1} : SideBySide{begin + i, kRows, whole};
  return {begin + whole * kRows, (end - begin) % kRows, 1};
}
template <int kRows>
FACET_INLINE int groups_of(int begin, int end) {
  return (end - begin + kRows - 1) / kRows;
}
// Within rows, how far ahead memory is asked for more.  From 256 to 384 bytes are as good; with 512 and more decoding
// loses up to a tenth (bench/results/2026-11-27-zen3-2-cores.md).
constexpr int kAheadBytes = 320;
FACET_INLINE void ask_ahead(const void* p) { __builtin_prefetch(static_cast<const char*>(p) + kAheadBytes); }
// For neighbours: the bytes behind them are asked for in the order of memory, at the pace at which these are used.
// Piece `piece` of kPieces of the kBytes from p on.
template <int kBytes, int kPieces>
FACET_INLINE void ask_for_piece(const char* p, int piece) {
  constexpr int kLines = (kBytes + 63) / 64;
#pragma GCC unroll 16
  for (int line = piece * kLines / kPieces; line < (piece + 1) * kLines / kPieces; ++line)
    __builtin_prefetch(p + 64 * line);
}
// A burst of 27 lines, as Q6_K needs, would cost what this gains: a loop leaves a cycle between them.
template <int kBytes>
FACET_INLINE void ask_slowly_for(const char* p) {
#pragma GCC unroll 1
  for (const char* const end = p + kBytes; p < end; p += 64) __builtin_prefetch(p);
}
// p[r]: row of.row + r * of.step of `row_size` elements, the last of them again where there are fewer than kRows.
template <int kRows, typename Type>
FACET_INLINE void set_rows(const Type* w, std::ptrdiff_t row_size, SideBySide of, const Type** p) {
  for (int r = 0; r < kRows; ++r) p[r] = w + (of.row + (r < of.n ? r : of.n - 1) * of.step) * row_size;
}

// matvec(t, begin, end) for tokens [0, m) in steps of `step`; where that takes several, over rows that stay in the
// second-level cache meanwhile.
template <typename Matvec>
FACET_INLINE void over_cached_rows(int m, int step, int row_begin, int row_end, std::ptrdiff_t row_bytes,
                                   const Matvec& matvec) {
  if (m > 0 && m <= step) return matvec(0, row_begin, row_end);
  constexpr int kCachedBytes = 128 << 10;
  const int fit = static_cast<int>(kCachedBytes / (row_bytes + 1)) / 8 * 8, rows = fit < 8 ? 8 : fit;
  for (int r = row_begin; r < row_end; r += rows)
    for (int t = 0; t < m; t += step) matvec(t, r, row_end - r < rows ? row_end : r + rows);
}
