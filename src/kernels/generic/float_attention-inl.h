// float_attention-inl.h: dot products with cached keys and mixes of cached values, in floats.  In the target's unnamed
// namespace.

// Rows of queries are taken kQueryRows at a time: a key or value is loaded, and made float, once for all of them.
constexpr int kQueryRows = 8;
constexpr int kSums = kLanes == 8 ? 8 : 16;  // vectors of them in registers: AVX2 has 16 registers, the others 32
constexpr int kKeysAhead = 4096;             // bytes: the keys that come next are asked for so early
constexpr int kRunBytes = 16384;             // of values, which stay in the first-level cache while strips of them pass
constexpr int kRunMost = 128;                // positions

// body(Rows<R>{}, first row) over rows in blocks of kBlock, then of half as many, and so on.
template <int R>
struct Rows {
  static constexpr int kCount = R;
};
template <int kBlock, typename Body>
FACET_INLINE void for_row_blocks(int n_rows, const Body& body, int r = 0) {
  for (; r + kBlock <= n_rows; r += kBlock) body(Rows<kBlock>{}, r);
  if constexpr (kBlock > 1) for_row_blocks<kBlock / 2>(n_rows, body, r);
}
// How many vectors beside each other the sums of R rows leave room for: 1, 2 or 4.
template <int R>
constexpr int kBeside = R > kSums / 2   ? 1
                        : R > kSums / 4 ? 2
                                        : 4;

// The scale behind the codes of a kQ8 vector.
FACET_INLINE float own_scale(const void* vector, int size) {
  float scale;
  __builtin_memcpy(&scale, static_cast<const char*>(vector) + size, sizeof scale);
  return scale;
}

// R rows against 4 keys (beyond n: the last one again).  Each dot product is one chain of multiply-adds per lane, then
// one tree: it does not depend on what is computed beside it.
template <typename E, int R>
FACET_INLINE void score_tile(float* scores, std::ptrdiff_t scores_stride, const float* const* queries,
                             const typename E::Type* const* key, Four scale, int n, int size) {
  constexpr int K = kBeside<R>;
  F sum[4][R];
#pragma GCC unroll 4
  for (int first = 0; first < 4; first += K) {
    F part[R][K];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int j = 0; j < K; ++j) part[r][j] = zero();
    int i = 0;
    for (; i + kLanes <= size; i += kLanes) {
      F k[K];
#pragma GCC unroll 4
      for (int j = 0; j < K; ++j) k[j] = E::get(key[first + j] + i);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const F q = load(queries[r] + i);
#pragma GCC unroll 4
        for (int j = 0; j < K; ++j) part[r][j] = mul_add(q, k[j], part[r][j]);
      }
    }
    if (const int rest = size - i; rest > 0) {
      FACET_UNROLL_REST
      for (int r = 0; r < R; ++r) {
        const F q = load_first(queries[r] + i, rest);
        FACET_UNROLL_REST
        for (int j = 0; j < K; ++j) part[r][j] = mul_add(q, E::get_first(key[first + j] + i, rest), part[r][j]);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int j = 0; j < K; ++j) sum[first + j][r] = part[r][j];
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const F all[4] = {sum[0][r], sum[1][r], sum[2][r], sum[3][r]};
    store_first_4(scores + r * scores_stride, mul(sums_of_4(all), scale), n);
  }
}

template <typename E, bool kOwnScale = false>
void scores_of(float* scores, std::ptrdiff_t scores_stride, const float* const* queries, int n_rows, const char* keys,
               std::ptrdiff_t stride_bytes, float scale_k, int n_positions, int size) {
  using T = typename E::Type;
  Four scale = four(scale_k);
  for (int p = 0; p < n_positions; p += 4) {
    const int n = n_positions - p < 4 ? n_positions - p : 4;
    const T* key[4];
    for (int j = 0; j < 4; ++j) key[j] = reinterpret_cast<const T*>(keys + (p + (j < n ? j : n - 1)) * stride_bytes);
    for (std::ptrdiff_t line = 0; line < 4 * stride_bytes; line += 64)
      __builtin_prefetch(keys + p * stride_bytes + kKeysAhead + line);
    if constexpr (kOwnScale)
      scale = mul(four(scale_k), four(own_scale(key[0], size), own_scale(key[1], size), own_scale(key[2], size),
                                      own_scale(key[3], size)));
    for_row_blocks<kQueryRows>(n_rows, [&](auto rows, int r) FACET_INLINE_LAMBDA {
      score_tile<E, decltype(rows)::kCount>(scores + r * scores_stride + p, scores_stride, queries + r, key, scale, n,
                                            size);
    });
  }
}

// Values are read in strips across their positions, which no CPU foresees.  While one run of positions is mixed this
// asks for the run behind it, in the order of memory, a share of it with each strip.
struct NextRun {
  const char* next;
  std::ptrdiff_t share_bytes;
  FACET_INLINE NextRun(const char* values, std::ptrdiff_t run_bytes, int n_strips)
      : next(values + run_bytes), share_bytes(n_strips > 0 ? run_bytes / n_strips : 0) {}
  FACET_INLINE void ask() {
    for (std::ptrdiff_t line = 0; line < share_bytes; line += 64) __builtin_prefetch(next + line);
    next += share_bytes;
  }
};

// V vectors of R rows' outputs stay in registers while the positions pass.
template <typename E, int R, int V>
FACET_INLINE void mix_tile(float* const* outs, int at, const float (*shares)[R], const char* values,
                           std::ptrdiff_t stride_bytes, int n_positions) {
  F sum[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int j = 0; j < V; ++j) sum[r][j] = load(outs[r] + at + j * kLanes);
  for (int p = 0; p < n_positions; ++p) {
    const auto* value = reinterpret_cast<const typename E::Type*>(values + p * stride_bytes) + at;
    F v[V];
#pragma GCC unroll 4
    for (int j = 0; j < V; ++j) v[j] = E::get(value + j * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const F share = set(shares[p][r]);
#pragma GCC unroll 4
      for (int j = 0; j < V; ++j) sum[r][j] = mul_add(share, v[j], sum[r][j]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int j = 0; j < V; ++j) store(outs[r] + at + j * kLanes, sum[r][j]);
}

// ask: for the values that come next; once is enough for all rows.
template <typename E, int R, bool kOwnScale>
FACET_INLINE void mix_rows(float* const* outs, const float* probs, std::ptrdiff_t probs_stride, const char* values,
                           std::ptrdiff_t stride_bytes, float scale_v, int n_positions, int size, bool ask) {
  float shares[kRunMost][R];
  for (int p = 0; p < n_positions; ++p) {
    const float scale = kOwnScale ? scale_v * own_scale(values + p * stride_bytes, size) : scale_v;
    for (int r = 0; r < R; ++r) shares[p][r] = probs[r * probs_stride + p] * scale;
  }
  constexpr int kStrip = kBeside<R> * kLanes;
  NextRun next(values, n_positions * stride_bytes, ask ? size / kStrip : 0);
  int at = 0;
  for (; at + kStrip <= size; at += kStrip) {
    next.ask();
    mix_tile<E, R, kBeside<R>>(outs, at, shares, values, stride_bytes, n_positions);
  }
  if constexpr (kBeside < R >> 1)
    for (; at + kLanes <= size; at += kLanes) mix_tile<E, R, 1>(outs, at, shares, values, stride_bytes, n_positions);
  if (const int rest = size - at; rest > 0)
    for (int r = 0; r < R; ++r) {
      F sum = load_first(outs[r] + at, rest);
      for (int p = 0; p < n_positions; ++p) {
        const auto* value = reinterpret_cast<const typename E::Type*>(values + p * stride_bytes) + at;
        sum = mul_add(set(shares[p][r]), E::get_first(value, rest), sum);
      }
      store_first(outs[r] + at, sum, rest);
    }
}

template <typename E, bool kOwnScale = false>
void mix_of(float* const* outs, int n_rows, const float* probs, std::ptrdiff_t probs_stride, const char* values,
            std::ptrdiff_t stride_bytes, float scale_v, int n_positions, int size) {
  const std::ptrdiff_t fit = kRunBytes / stride_bytes;
  const int run = fit < 1 ? 1 : fit < kRunMost ? static_cast<int>(fit) : kRunMost;
  for (int p = 0; p < n_positions; p += run) {
    const int n = n_positions - p < run ? n_positions - p : run;
    for_row_blocks<kQueryRows>(n_rows, [&](auto rows, int r) FACET_INLINE_LAMBDA {
      mix_rows<E, decltype(rows)::kCount, kOwnScale>(outs + r, probs + r * probs_stride + p, probs_stride,
                                                     values + p * stride_bytes, stride_bytes, scale_v, n, size, r == 0);
    });
  }
}
