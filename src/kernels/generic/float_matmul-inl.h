// float_matmul-inl.h: products of f32 activations with weights of any type.  In the target's unnamed namespace.
//
// Both operands run along k, so every output has one vector of partial sums: lane l adds the products of columns
// l, l + kLanes, ... in order, then the lanes are added by one fixed tree (sums_of_4).  An output thus is one function
// of its row of x and its row of w, whatever else is computed beside it.
//
// Limit: two multiply-adds per cycle.  A tile of 4 rows and T tokens loads 4 + T vectors for 4 T multiply-adds; with
// T = 3 (16 registers) that is 7 loads for 12, within the two loads per cycle of AVX2 machines.
// Weights of other types are decoded once per kTokens tokens, kPanel rows and kChunk columns at a time: 16 KiB of
// floats, half of a first-level cache.  Few tokens are
// limited by memory: their rows are read as they lie (float_matvec).

constexpr int kPanel = 8, kFloatChunk = 512, kFloatBlock = 48;

// Where sums go; the row types multiply by their scale.
struct Output {
  float* y;
  std::ptrdiff_t stride;
  const float* row_scales;  // null: none
  float x_scale;
  FACET_INLINE void put_one(int t, int row, float sum) const {
    y[t * stride + row] = row_scales != nullptr ? sum * (row_scales[row] * x_scale) : sum;
  }
  FACET_INLINE void put(int t, int row, int n_rows, Four sums) const {
    if (row_scales != nullptr) {
      float s[4] = {};
      __builtin_memcpy(s, row_scales + row, (n_rows < 4 ? n_rows : 4) * sizeof(float));
      sums = mul(sums, mul(load_four(s), four(x_scale)));
    }
    store_first_4(y + t * stride + row, sums, n_rows < 4 ? n_rows : 4);
  }
};

struct Span {  // columns [0, n) of a chunk; first and last: is it the first, the last chunk of the row
  int n;
  bool first, last;
};

// R rows (a multiple of 4) at w, T tokens at x.  partial: their sums between chunks, kPanel per token.
template <int R, int T>
FACET_INLINE void float_tile(const float* const* w, const float* x, std::ptrdiff_t x_stride, Span span, F* partial,
                             const Output& out, int t0, int row, int n_rows) {
  F sum[T][R];
  if (span.first) {
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t)
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) sum[t][r] = zero();
  } else {
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t)
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) sum[t][r] = partial[t * kPanel + r];
  }
  int i = 0;
  for (; i + kLanes <= span.n; i += kLanes) {
    F v[T];
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) v[t] = load(x + t * x_stride + i);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const F u = load(w[r] + i);
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) sum[t][r] = mul_add(u, v[t], sum[t][r]);
    }
  }
  if (const int rest = span.n - i; rest > 0) {
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
      const F v = load_first(x + t * x_stride + i, rest);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) sum[t][r] = mul_add(load_first(w[r] + i, rest), v, sum[t][r]);
    }
  }
  if (span.last) {
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t)
#pragma GCC unroll 2
      for (int r = 0; r < R; r += 4)
        if (n_rows > r) out.put(t0 + t, row + r, n_rows - r, sums_of_4(&sum[t][r]));
  } else {
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t)
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) partial[t * kPanel + r] = sum[t][r];
  }
}

template <int T>
FACET_INLINE void float_rows(const float* const* w, const float* x, std::ptrdiff_t x_stride, Span span, F* partial,
                             const Output& out, int t0, int row, int n_rows) {
  if constexpr (T == 1) {
    float_tile<kPanel, 1>(w, x, x_stride, span, partial, out, t0, row, n_rows);
  } else {
    for (int r = 0; r < kPanel && r < n_rows; r += 4)
      float_tile<4, T>(w + r, x, x_stride, span, partial + r, out, t0, row + r, n_rows - r);
  }
}

template <int T>
FACET_INLINE void float_rest(int n, const float* const* w, const float* x, std::ptrdiff_t x_stride, Span span,
                             F* partial, const Output& out, int t0, int row, int n_rows) {
  if constexpr (T > 0) {
    if (n == T) return float_rows<T>(w, x, x_stride, span, partial, out, t0, row, n_rows);
    float_rest<T - 1>(n, w, x, x_stride, span, partial, out, t0, row, n_rows);
  }
}

// Tokens [t0, t0 + n_tokens) of one panel of rows and one chunk; x points to the first token's first column of it.
FACET_NOINLINE void float_panel(const float* const* w, const float* x, std::ptrdiff_t x_stride, Span span, F* partial,
                                const Output& out, int t0, int n_tokens, int row, int n_rows) {
  int t = 0;
  for (; t + kFloatTokens <= n_tokens; t += kFloatTokens)
    float_rows<kFloatTokens>(w, x + t * x_stride, x_stride, span, partial + t * kPanel, out, t0 + t, row, n_rows);
  float_rest<kFloatTokens - 1>(n_tokens - t, w, x + t * x_stride, x_stride, span, partial + t * kPanel, out, t0 + t,
                               row, n_rows);
}

// Weights: columns(r, c, n, scratch) = where the floats of columns [c, c + n) of row r are, perhaps written to scratch.
template <typename Weights>
void matmul_floats(const Weights& weights, const Output& out, const float* x, int m, int row_begin, int row_end,
                   int k) {
  alignas(64) float scratch[kPanel][kFloatChunk];
  alignas(64) F partial[kFloatBlock * kPanel];
  for (int t0 = 0; t0 < m; t0 += kFloatBlock) {
    const int n_tokens = m - t0 < kFloatBlock ? m - t0 : kFloatBlock;
    for (int row = row_begin; row < row_end; row += kPanel) {
      const int n_rows = row_end - row < kPanel ? row_end - row : kPanel;
      int c = 0;
      do {  // once even for k = 0: the sums are zero
        const int n = k - c < kFloatChunk ? k - c : kFloatChunk;
        const float* w[kPanel];
        for (int r = 0; r < kPanel; ++r)  // beyond the end: the last row again
          w[r] = r < n_rows ? weights.columns(row + r, c, n, scratch[r]) : w[n_rows - 1];
        float_panel(w, x + std::ptrdiff_t{t0} * k + c, k, {n, c == 0, c + n == k}, partial, out, t0, n_tokens, row,
                    n_rows);
        c += n;
      } while (c < k);
    }
  }
}

struct WeightsF32 {
  const float* w;
  int k;
  FACET_INLINE const float* columns(int r, int c, int, float*) const { return w + std::ptrdiff_t{r} * k + c; }
};
template <typename E>
struct WeightsNarrow {
  const typename E::Type* w;
  int k;
  FACET_INLINE const float* columns(int r, int c, int n, float* scratch) const {
    const typename E::Type* row = w + std::ptrdiff_t{r} * k + c;
    int i = 0;
    for (; i + kLanes <= n; i += kLanes) store(scratch + i, E::get(row + i));
    if (i < n) store(scratch + i, E::get_first(row + i, n - i));  // scratch holds whole vectors
    return scratch;
  }
};
struct WeightsQ8_0 {
  const Q8_0Block* w;
  int k;
  FACET_INLINE const float* columns(int r, int c, int n, float* scratch) const {
    const Q8_0Block* block = w + (std::ptrdiff_t{r} * k + c) / 32;
    for (int i = 0; i < n; i += 32, ++block) {
      const F scale = set(half_to_float(block->scale));
      for (int j = 0; j < 32; j += kLanes) store(scratch + i + j, mul(load_i8(block->codes + j), scale));
    }
    return scratch;
  }
};
struct WeightsQ4_0 {
  const Q4_0Block* w;
  int k;
  FACET_INLINE const float* columns(int r, int c, int n, float* scratch) const {
    const Q4_0Block* block = w + (std::ptrdiff_t{r} * k + c) / 32;
    for (int i = 0; i < n; i += 32, ++block) {
      const F scale = set(half_to_float(block->scale));
      alignas(32) std::int8_t codes[32];
      signed_q4_0(*block, codes);
      for (int j = 0; j < 32; j += kLanes) store(scratch + i + j, mul(load_i8(codes + j), scale));
    }
    return scratch;
  }
};
struct WeightsQ4_K {
  const Q4_KBlock* w;
  int k;
  FACET_INLINE const float* columns(int r, int c, int n, float* scratch) const {
    for (int i = 0; i < n; i += 32) {
      const std::ptrdiff_t at = std::ptrdiff_t{r} * k + c + i;
      const Q4_KBlock& block = w[at / Q4_KBlock::kWeights];
      const int g = static_cast<int>(at % Q4_KBlock::kWeights / Q4_KBlock::kGroup);
      const GroupQ4_K group = group_q4_k(block, g);
      const F scale = set(half_to_float(block.scale) * static_cast<float>(group.scale));
      const F min = set(half_to_float(block.min_unit) * static_cast<float>(group.min));
      alignas(32) std::int8_t codes[32];
      signed_q4_k(block, g, codes);
      for (int j = 0; j < 32; j += kLanes)  // products are exact: fused or not, rounded once
        store(scratch + i + j, sub(mul(load_i8(codes + j), scale), min));
    }
    return scratch;
  }
};
struct WeightsQ6_K {
  const Q6_KBlock* w;
  int k;
  FACET_INLINE const float* columns(int r, int c, int n, float* scratch) const {
    for (int i = 0; i < n; i += 32) {
      const std::ptrdiff_t at = std::ptrdiff_t{r} * k + c + i;
      const Q6_KBlock& block = w[at / Q6_KBlock::kWeights];
      const int s = static_cast<int>(at % Q6_KBlock::kWeights / 32);
      alignas(32) std::int8_t codes[32];
      signed_q6_k(block, s, codes);
      for (int j = 0; j < 32; j += kLanes) {
        const F scale = set(half_to_float(block.scale) * block.scales[2 * s + j / 16]);
        store(scratch + i + j, mul(load_i8(codes + j), scale));
      }
    }
    return scratch;
  }
};
// Codes without the row's scale; kBits 4 or 2 (8 is WeightsNarrow<ElementI8>).
template <int kBits>
struct WeightsRow {
  const std::uint8_t* w;
  int k;
  FACET_INLINE const float* columns(int r, int c, int n, float* scratch) const {
    const std::uint8_t* row = w + r * row_size_bytes(kBits, k) + row_size_bytes(kBits, c);
    for (int i = 0; i < n; i += 32) {
      alignas(32) std::int8_t codes[32];
      signed_row<kBits>(row, i, n - i < 32 ? n - i : 32, codes);
      for (int j = 0; j < 32; j += kLanes) store(scratch + i + j, load_i8(codes + j));
    }
    return scratch;
  }
};

// T tokens, weights of which a vector becomes floats at once; R rows side by side.
template <typename E, int R, int T>
void float_matvec(const void* weights, const Output& out, const float* x, int t0, int row_begin, int row_end, int k) {
  using Type = typename E::Type;
  constexpr int kPerLine = 64 / sizeof(Type);
  static_assert(kPerLine % kLanes == 0 && R % 4 == 0);
  x += std::ptrdiff_t{t0} * k;
  for (int i = 0; i < groups_of<R>(row_begin, row_end); ++i) {
    const SideBySide group = side_by_side<R>(i, row_begin, row_end);
    const Type* rows[R];
    set_rows<R>(static_cast<const Type*>(weights), k, group, rows);
    F sum[T][R];
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t)
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) sum[t][r] = zero();
    // get(r): a vector of row r; input(t): one of token t.
    auto add = [&](const auto& get, const auto& input) FACET_INLINE_LAMBDA {
      F v[T];
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) v[t] = input(t);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const F u = get(r);
#pragma GCC unroll 8
        for (int t = 0; t < T; ++t) sum[t][r] = mul_add(u, v[t], sum[t][r]);
      }
    };
    int c = 0;
    for (; c + kPerLine <= k; c += kPerLine) {
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) ask_ahead(rows[r] + c);
      for (int j = c; j < c + kPerLine; j += kLanes)
        add([&](int r) FACET_INLINE_LAMBDA { return E::get(rows[r] + j); },
            [&](int t) FACET_INLINE_LAMBDA { return load(x + std::ptrdiff_t{t} * k + j); });
    }
    for (; c < k; c += kLanes) {
      const int n = k - c < kLanes ? k - c : kLanes;
      add([&](int r) FACET_INLINE_LAMBDA { return E::get_first(rows[r] + c, n); },
          [&](int t) FACET_INLINE_LAMBDA { return load_first(x + std::ptrdiff_t{t} * k + c, n); });
    }
    for (int t = 0; t < T; ++t) {
      float sums[R];
      for (int r = 0; r < R; r += 4) store_first_4(sums + r, sums_of_4(&sum[t][r]), 4);
      for (int r = 0; r < group.n; ++r) out.put_one(t0 + t, group.row + r * group.step, sums[r]);
    }
  }
}
template <typename E, int T>
FACET_INLINE void float_matvec_rest(int n, const void* weights, const Output& out, const float* x, int t0,
                                    int row_begin, int row_end, int k) {
  if constexpr (T > 0) {
    if (n == T) return float_matvec < E, T == 1 ? kPanel : 4, T > (weights, out, x, t0, row_begin, row_end, k);
    float_matvec_rest<E, T - 1>(n, weights, out, x, t0, row_begin, row_end, k);
  }
}
// Up to so many tokens, as checking drafts has, a row is read again for each kFloatTokens of them: from a cache.
constexpr int kFewFloatTokens = 8;
template <typename E, typename Weights>
FACET_INLINE void matmul_elements(const Weights& weights, const Output& out, const void* x, int m, int row_begin,
                                  int row_end, int k) {
  const float* inputs = static_cast<const float*>(x);
  if (m > kFewFloatTokens) return matmul_floats(weights, out, inputs, m, row_begin, row_end, k);
  over_cached_rows(m, kFloatTokens, row_begin, row_end, k * static_cast<std::ptrdiff_t>(sizeof(typename E::Type)),
                   [&](int t, int begin, int end) FACET_INLINE_LAMBDA {
                     const int n = m - t < kFloatTokens ? m - t : kFloatTokens;
                     float_matvec_rest<E, kFloatTokens>(n, weights.w, out, inputs, t, begin, end, k);
                   });
}

FACET_INLINE const float* floats(const void* p) { return static_cast<const float*>(p); }

void matmul_f32_f32(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                    int k) noexcept {
  matmul_elements<ElementF32>(WeightsF32{floats(w), k}, {y, y_stride, nullptr, 1}, x, m, row_begin, row_end, k);
}
void matmul_f32_f16(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                    int k) noexcept {
  matmul_elements<ElementF16>(WeightsNarrow<ElementF16>{static_cast<const std::uint16_t*>(w), k},
                              {y, y_stride, nullptr, 1}, x, m, row_begin, row_end, k);
}
void matmul_f32_bf16(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                     int k) noexcept {
  matmul_elements<ElementBF16>(WeightsNarrow<ElementBF16>{static_cast<const std::uint16_t*>(w), k},
                               {y, y_stride, nullptr, 1}, x, m, row_begin, row_end, k);
}
void matmul_f32_q8_0(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                     int k) noexcept {
  matmul_floats(WeightsQ8_0{static_cast<const Q8_0Block*>(w), k}, {y, y_stride, nullptr, 1}, floats(x), m, row_begin,
                row_end, k);
}
void matmul_f32_q4_0(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                     int k) noexcept {
  matmul_floats(WeightsQ4_0{static_cast<const Q4_0Block*>(w), k}, {y, y_stride, nullptr, 1}, floats(x), m, row_begin,
                row_end, k);
}
void matmul_f32_q4_k(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                     int k) noexcept {
  matmul_floats(WeightsQ4_K{static_cast<const Q4_KBlock*>(w), k}, {y, y_stride, nullptr, 1}, floats(x), m, row_begin,
                row_end, k);
}
void matmul_f32_q6_k(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                     int k) noexcept {
  matmul_floats(WeightsQ6_K{static_cast<const Q6_KBlock*>(w), k}, {y, y_stride, nullptr, 1}, floats(x), m, row_begin,
                row_end, k);
}
void matmul_f32_i8(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, const float* row_scales,
                   float x_scale, int m, int row_begin, int row_end, int k) noexcept {
  matmul_elements<ElementI8>(WeightsNarrow<ElementI8>{static_cast<const std::int8_t*>(w), k},
                             {y, y_stride, row_scales, x_scale}, x, m, row_begin, row_end, k);
}
