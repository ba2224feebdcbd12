// float_attention-inl.h: dot products with cached keys and mixes of cached values, in floats.  In the target's unnamed
// namespace.

// Rows of queries are taken kQueryRows at a time: a key or value is loaded, and made float, once for all of them.
constexpr int kQueryRows = kLanes == 16 ? 4 : 2;  // with 4 keys or 4 vectors of values: 16 or 8 sums in registers
constexpr int kKeysAhead = 4096;                  // bytes: the keys that come next are asked for so early
constexpr int kRunBytes = 16384;  // of values, which stay in the first-level cache while strips of them pass

// body(Rows<R>{}, first row) over rows in blocks of kBlock and one smaller block.
template <int R>
struct Rows {
  static constexpr int kCount = R;
};
template <int R, typename Body>
FACET_INLINE void for_last_rows(int first, int n, const Body& body) {
  if constexpr (R > 0) {
    if (n == R) return body(Rows<R>{}, first);
    for_last_rows<R - 1>(first, n, body);
  }
}
template <int kBlock, typename Body>
FACET_INLINE void for_row_blocks(int n_rows, const Body& body) {
  int r = 0;
  for (; r + kBlock <= n_rows; r += kBlock) body(Rows<kBlock>{}, r);
  for_last_rows<kBlock - 1>(r, n_rows - r, body);
}

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
  F sum[R][4];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) sum[r][j] = zero();
  int i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    F k[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) k[j] = E::get(key[j] + i);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const F q = load(queries[r] + i);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) sum[r][j] = mul_add(q, k[j], sum[r][j]);
    }
  }
  if (const int rest = size - i; rest > 0) {
    FACET_UNROLL_REST
    for (int r = 0; r < R; ++r) {
      const F q = load_first(queries[r] + i, rest);
      FACET_UNROLL_REST
      for (int j = 0; j < 4; ++j) sum[r][j] = mul_add(q, E::get_first(key[j] + i, rest), sum[r][j]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) store_first_4(scores + r * scores_stride, mul(sums_of_4(sum[r]), scale), n);
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
template <typename E, int R, int V, bool kOwnScale>
FACET_INLINE void mix_tile(float* const* outs, int at, const float* probs, std::ptrdiff_t probs_stride,
                           const char* values, std::ptrdiff_t stride_bytes, float scale_v, int n_positions, int size) {
  F sum[R][V];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int j = 0; j < V; ++j) sum[r][j] = load(outs[r] + at + j * kLanes);
  for (int p = 0; p < n_positions; ++p) {
    const auto* value = reinterpret_cast<const typename E::Type*>(values + p * stride_bytes) + at;
    F v[V];
#pragma GCC unroll 4
    for (int j = 0; j < V; ++j) v[j] = E::get(value + j * kLanes);
    const float scale = kOwnScale ? scale_v * own_scale(values + p * stride_bytes, size) : scale_v;
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const F share = set(probs[r * probs_stride + p] * scale);
#pragma GCC unroll 4
      for (int j = 0; j < V; ++j) sum[r][j] = mul_add(share, v[j], sum[r][j]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int j = 0; j < V; ++j) store(outs[r] + at + j * kLanes, sum[r][j]);
}

template <typename E, bool kOwnScale>
FACET_INLINE void mix_run(float* const* outs, int n_rows, const float* probs, std::ptrdiff_t probs_stride,
                          const char* values, std::ptrdiff_t stride_bytes, float scale_v, int n_positions, int size) {
  int at = 0;
  NextRun next(values, n_positions * stride_bytes, size / (4 * kLanes));
  for (; at + 4 * kLanes <= size; at += 4 * kLanes) {
    next.ask();
    for_row_blocks<kQueryRows>(n_rows, [&](auto rows, int r) FACET_INLINE_LAMBDA {
      mix_tile<E, decltype(rows)::kCount, 4, kOwnScale>(outs + r, at, probs + r * probs_stride, probs_stride, values,
                                                        stride_bytes, scale_v, n_positions, size);
    });
  }
  for (; at + kLanes <= size; at += kLanes)
    for_row_blocks<kQueryRows>(n_rows, [&](auto rows, int r) FACET_INLINE_LAMBDA {
      mix_tile<E, decltype(rows)::kCount, 1, kOwnScale>(outs + r, at, probs + r * probs_stride, probs_stride, values,
                                                        stride_bytes, scale_v, n_positions, size);
    });
  if (const int rest = size - at; rest > 0)
    for (int r = 0; r < n_rows; ++r) {
      F sum = load_first(outs[r] + at, rest);
      for (int p = 0; p < n_positions; ++p) {
        const auto* value = reinterpret_cast<const typename E::Type*>(values + p * stride_bytes) + at;
        const float scale = kOwnScale ? scale_v * own_scale(values + p * stride_bytes, size) : scale_v;
        sum = mul_add(set(probs[r * probs_stride + p] * scale), E::get_first(value, rest), sum);
      }
      store_first(outs[r] + at, sum, rest);
    }
}

template <typename E, bool kOwnScale = false>
void mix_of(float* const* outs, int n_rows, const float* probs, std::ptrdiff_t probs_stride, const char* values,
            std::ptrdiff_t stride_bytes, float scale_v, int n_positions, int size) {
  const auto most = static_cast<int>(kRunBytes / stride_bytes), run = most > 1 ? most : 1;
  for (int p = 0; p < n_positions; p += run)
    mix_run<E, kOwnScale>(outs, n_rows, probs + p, probs_stride, values + p * stride_bytes, stride_bytes, scale_v,
                          n_positions - p < run ? n_positions - p : run, size);
}
