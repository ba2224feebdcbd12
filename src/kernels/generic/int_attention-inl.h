// int_attention-inl.h: attention to a kQ8 cache, in integers.  In the target's unnamed namespace.  (Not to kI8: a model
// trained with static scales has steps that the last bits of 16 do move.)
//
// Queries, and the shares by which values are mixed, become 16-bit integers in units of their largest element over
// 32767; products with codes and their sums in 32 bits are exact.  A multiply-add of 16-bit pairs does twice the work
// of one of floats, and codes widen to 16 bits in one step instead of two.
//
// Limit: decoding, memory; prompts, multiply-adds of 16-bit pairs.

constexpr float kWordsMost = 32767.0f;
constexpr int kMostWords = 512;     // of a query; longer ones take the float way
constexpr int kRunPositions = 32;   // whose values stay in the first-level cache while strips of them pass
constexpr int kMixPositions = 128;  // whose shares have one unit: 128 * 2^15 * 2^7 stays below 2^31

// n floats as integers, 0 where there is no unit for them (nothing but zeros or next to them, infinity, NaN).  Returns
// the unit, which carries the latter two on.
FACET_INLINE float to_words(const float* x, int n, std::int16_t* words) {
  const float largest = absmax(x, n);
  float per_unit = kWordsMost / largest;
  if (!(per_unit < __builtin_inff())) per_unit = 0;
  for (int i = 0; i < n; i += kLanes) {  // words has room for whole vectors
    const F v = i + kLanes <= n ? load(x + i) : load_first(x + i, n - i);
    store_i16(words + i, to_int_nan_zero(mul(v, set(per_unit))));
  }
  return largest / kWordsMost;
}

// The first n < kWords codes and zeros.
FACET_INLINE I words_of_first_codes(const std::int8_t* p, int n) {
  std::int8_t buffer[kWords] = {};
  __builtin_memcpy(buffer, p, n);
  return words_of_codes(buffer);
}

// R queries of `size` words against K keys.
template <int R, int K>
FACET_INLINE void word_dots(const std::int16_t (*queries)[kMostWords], const std::int8_t* const* keys, int size,
                            I sums[K][R]) {
  for (int j = 0; j < K; ++j)
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) sums[j][r] = int_zero();
  auto add = [&](const I* k, int i) FACET_INLINE_LAMBDA {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const I q = int_load(queries[r] + i);
#pragma GCC unroll 2
      for (int j = 0; j < K; ++j) sums[j][r] = add_dot_words(sums[j][r], q, k[j]);
    }
  };
  I k[K];
  int i = 0;
  for (; i + kWords <= size; i += kWords) {
#pragma GCC unroll 2
    for (int j = 0; j < K; ++j) k[j] = words_of_codes(keys[j] + i);
    add(k, i);
  }
  if (i == size) return;
  for (int j = 0; j < K; ++j) k[j] = words_of_first_codes(keys[j] + i, size - i);
  add(k, i);
}

// ask: for the keys that come next; once is enough for all rows.
template <int R>
FACET_INLINE void score_codes(float* scores, std::ptrdiff_t scores_stride, const float* const* queries,
                              const char* keys, std::ptrdiff_t stride_bytes, float scale_k, int n_positions, int size,
                              bool ask) {
  alignas(64) std::int16_t words[R][kMostWords];
  float units[R];
  for (int r = 0; r < R; ++r) {
    for (int i = size; i % kWords != 0; ++i) words[r][i] = 0;
    units[r] = to_words(queries[r], size, words[r]);
  }
  for (int p = 0; p < n_positions; p += 4) {
    const int n = n_positions - p < 4 ? n_positions - p : 4;
    const std::int8_t* key[4];
    for (int j = 0; j < 4; ++j)
      key[j] = reinterpret_cast<const std::int8_t*>(keys + (p + (j < n ? j : n - 1)) * stride_bytes);
    for (std::ptrdiff_t line = 0; ask && line < 4 * stride_bytes; line += 64)
      __builtin_prefetch(keys + p * stride_bytes + kKeysAhead + line);
    constexpr int kKeys = kBeside < R >> 2 ? 2 : kBeside<R>, kAtOnce = kKeys < 2 ? 2 : kKeys;
    I pairs[2][R];  // of two keys each
#pragma GCC unroll 2
    for (int first = 0; first < 4; first += kAtOnce) {
      I sums[kAtOnce][R];
#pragma GCC unroll 2
      for (int j = 0; j < kAtOnce; j += kKeys) word_dots<R, kKeys>(words, key + first + j, size, sums + j);
#pragma GCC unroll 2
      for (int j = 0; j < kAtOnce; j += 2)
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) pairs[(first + j) / 2][r] = halves_of_2(sums[j][r], sums[j + 1][r]);
    }
    const Four scale = mul(four(scale_k), four(own_scale(key[0], size), own_scale(key[1], size),
                                               own_scale(key[2], size), own_scale(key[3], size)));
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Four dots = _mm_cvtepi32_ps(sums_of_halves(pairs[0][r], pairs[1][r]));
      store_first_4(scores + r * scores_stride + p, mul(dots, mul(scale, four(units[r]))), n);
    }
  }
}

void scores_of_codes(float* scores, std::ptrdiff_t scores_stride, const float* const* queries, int n_rows,
                     const char* keys, std::ptrdiff_t stride_bytes, float scale_k, int n_positions, int size) {
  if (size > kMostWords)
    return scores_of<ElementI8, true>(scores, scores_stride, queries, n_rows, keys, stride_bytes, scale_k, n_positions,
                                      size);
  for_row_blocks<kQueryRows>(n_rows, [&](auto rows, int r) FACET_INLINE_LAMBDA {
    score_codes<decltype(rows)::kCount>(scores + r * scores_stride, scores_stride, queries + r, keys, stride_bytes,
                                        scale_k, n_positions, size, r == 0);
  });
}

// The shares of a block of positions in 16 bits, two and two.  Behind an odd last one a 0.
struct Shares {
  std::int32_t pairs[kMixPositions / 2][kQueryRows];
  float units[kQueryRows];
};

// Adds what R rows take of kWords values, from `at` of outs on, of each of n positions: of those of kHalf, or of both.
template <int R, int... kHalf>
FACET_INLINE void mix_halves(float* const* outs, int at, const Shares& shares, int first, const char* values,
                             std::ptrdiff_t stride_bytes, int n) {
  constexpr int kHalves = sizeof...(kHalf);
  I sums[kHalves][R];
#pragma GCC unroll 2
  for (int j = 0; j < kHalves; ++j)
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) sums[j][r] = int_zero();
  const auto* shares_of = shares.pairs + first / 2;
  auto add = [&](const char* a, const char* b) FACET_INLINE_LAMBDA {
    const I pairs[kHalves] = {pairs_of_codes<kHalf>(a, b)...};
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const I share = int_set((*shares_of)[r]);
#pragma GCC unroll 2
      for (int j = 0; j < kHalves; ++j) sums[j][r] = add_dot_words(sums[j][r], pairs[j], share);
    }
    ++shares_of;
  };
  for (const char* end = values + n / 2 * 2 * stride_bytes; values < end; values += 2 * stride_bytes)
    add(values, values + stride_bytes);
  if (n % 2 == 1) add(values, values);
  for (int r = 0; r < R; ++r) {
    I of_row[kHalves];
    for (int j = 0; j < kHalves; ++j) of_row[j] = sums[j][r];
    add_pair_sums<kHalf...>(outs[r] + at, of_row, set(shares.units[r]));
  }
}
template <int R>
FACET_INLINE void mix_words(float* const* outs, int at, const Shares& shares, int first, const char* values,
                            std::ptrdiff_t stride_bytes, int n) {
  if constexpr (kBeside < R >> 1) {
    mix_halves<R, 0, 1>(outs, at, shares, first, values, stride_bytes, n);
  } else {
    mix_halves<R, 0>(outs, at, shares, first, values, stride_bytes, n);
    mix_halves<R, 1>(outs, at, shares, first, values, stride_bytes, n);
  }
}

// The same for fewer than kWords values: by way of buffers.
template <int R>
void mix_last_words(float* const* outs, int at, const Shares& shares, const char* values, std::ptrdiff_t stride_bytes,
                    int n, int rest) {
  float sums[R][kWords];
  float* to[R];
  for (int r = 0; r < R; ++r) {
    for (int i = 0; i < kWords; ++i) sums[r][i] = i < rest ? outs[r][at + i] : 0;
    to[r] = sums[r];
  }
  char copies[kMixPositions][kWords] = {};
  for (int p = 0; p < n; ++p) __builtin_memcpy(copies[p], values + p * stride_bytes, rest);
  mix_words<R>(to, 0, shares, 0, copies[0], kWords, n);
  for (int r = 0; r < R; ++r) __builtin_memcpy(outs[r] + at, sums[r], rest * sizeof(float));
}

// ask: as for score_codes.
template <int R>
FACET_INLINE void mix_codes(float* const* outs, const float* probs, std::ptrdiff_t probs_stride, const char* values,
                            std::ptrdiff_t stride_bytes, const float* scales, int n, int size, bool ask) {
  Shares shares;
  for (int r = 0; r < R; ++r) {
    float x[kMixPositions];
    alignas(64) std::int16_t words[kMixPositions + 1];
    for (int p = 0; p < n; ++p) x[p] = probs[r * probs_stride + p] * scales[p];
    shares.units[r] = to_words(x, n, words);
    words[n] = 0;
    for (int p = 0; p < n; p += 2) {
      __builtin_memcpy(&shares.pairs[p / 2][r], words + p, sizeof(std::int32_t));
    }
  }
  const int whole = size / kWords * kWords;
  for (int p = 0; p < n; p += kRunPositions) {
    const int run = n - p < kRunPositions ? n - p : kRunPositions;
    const char* from = values + p * stride_bytes;
    NextRun next(from, run * stride_bytes, ask ? size / kWords : 0);
    for (int at = 0; at < whole; at += kWords) {
      next.ask();
      mix_words<R>(outs, at, shares, p, from + at, stride_bytes, run);
    }
  }
  if (whole < size) mix_last_words<R>(outs, whole, shares, values + whole, stride_bytes, n, size - whole);
}

void mix_of_codes(float* const* outs, int n_rows, const float* probs, std::ptrdiff_t probs_stride, const char* values,
                  std::ptrdiff_t stride_bytes, float scale_v, int n_positions, int size) {
  for (int first = 0; first < n_positions; first += kMixPositions) {
    const int n = n_positions - first < kMixPositions ? n_positions - first : kMixPositions;
    const char* from = values + first * stride_bytes;
    float scales[kMixPositions];
    for (int p = 0; p < n; ++p) scales[p] = scale_v * own_scale(from + p * stride_bytes, size);
    for_row_blocks<kQueryRows>(n_rows, [&](auto rows, int r) FACET_INLINE_LAMBDA {
      mix_codes<decltype(rows)::kCount>(outs + r, probs + r * probs_stride + first, probs_stride, from, stride_bytes,
                                        scales, n, size, r == 0);
    });
  }
}
