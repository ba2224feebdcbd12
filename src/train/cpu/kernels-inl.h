// kernels-inl.h: the text of every target.  A target file defines FACET_LANES (floats per vector), FACET_MR and
// FACET_TARGET (the table's name) and includes this once.  GCC/Clang vector types do the rest; -ffp-contract=fast, set
// for these files only, turns a * b + c into fused multiply-adds where the target has them.

#include <cstddef>
#include <cstdint>

#include "train/cpu/kernels.h"

#if defined(FACET_BF16)
#include <immintrin.h>
#endif

namespace facet::train::cpu {
namespace {

constexpr int kLanes = FACET_LANES, kMr = FACET_MR, kNv = 2, kNr = kNv * kLanes;

typedef float V __attribute__((vector_size(4 * FACET_LANES)));
typedef float VUnaligned __attribute__((vector_size(4 * FACET_LANES), aligned(4), may_alias));
typedef std::int32_t VI __attribute__((vector_size(4 * FACET_LANES)));

#define FACET_INLINE inline __attribute__((always_inline))
#define FACET_LAMBDA __attribute__((always_inline))

FACET_INLINE V load(const float* p) { return *reinterpret_cast<const VUnaligned*>(p); }
FACET_INLINE void store(float* p, V v) { *reinterpret_cast<VUnaligned*>(p) = v; }
// x - 0 is x for every x, so this is one broadcast; x + 0 is not (-0).
FACET_INLINE V splat(float x) { return x - V{}; }
FACET_INLINE V load_part(const float* p, int n) {
  V v{};
  for (int i = 0; i < n; ++i) v[i] = p[i];
  return v;
}
FACET_INLINE void store_part(float* p, V v, int n) {
  for (int i = 0; i < n; ++i) p[i] = v[i];
}
FACET_INLINE float sum(V v) {
  float s = 0;
  for (int i = 0; i < kLanes; ++i) s += v[i];
  return s;
}
FACET_INLINE V max(V a, V b) { return a > b ? a : b; }
FACET_INLINE V select(VI mask, V a, V b) { return mask ? a : b; }

// Calls body(offset, count) for the vectors of a row: count is kLanes but for the last.  body's own loads decide by
// count.
template <typename Body>
FACET_INLINE void for_vectors(std::ptrdiff_t n, const Body& body) {
  std::ptrdiff_t i = 0;
  for (; i + kLanes <= n; i += kLanes) body(i, kLanes);
  if (i < n) body(i, static_cast<int>(n - i));
}
FACET_INLINE V get(const float* p, int count) { return count == kLanes ? load(p) : load_part(p, count); }
FACET_INLINE void put(float* p, V v, int count) {
  if (count == kLanes)
    store(p, v);
  else
    store_part(p, v, count);
}

// exp to about 1 ulp on [-87.3, 88.7]; beyond that the value at the end.  Cody-Waite reduction by ln 2 in two parts,
// then Cephes' polynomial of degree 6 on [-ln2/2, ln2/2].  NaN stays NaN.
FACET_INLINE V exp(V x) {
  const V low = splat(-87.336544f), high = splat(88.722836f);
  x = x < low ? low : x;
  x = x > high ? high : x;
  const V shift = splat(12582912.0f);  // 1.5 * 2^23: adding it leaves round(x) in the low mantissa bits
  V t = x * splat(1.44269504088896341f) + shift;
  VI exponent = reinterpret_cast<VI>(t) - reinterpret_cast<VI>(shift);
  V n = t - shift;
  V r = x - n * splat(0.693359375f);
  r = r - n * splat(-2.12194440e-4f);
  V p = splat(1.9875691500e-4f);
  p = p * r + splat(1.3981999507e-3f);
  p = p * r + splat(8.3334519073e-3f);
  p = p * r + splat(4.1665795894e-2f);
  p = p * r + splat(1.6666665459e-1f);
  p = p * r + splat(5.0000001201e-1f);
  V y = p * (r * r) + r + splat(1.0f);
  return y * reinterpret_cast<V>((exponent + 127) << 23);
}

// Cephes: a polynomial near 0, where 1 - 2 / (e^2x + 1) would lose its digits.
FACET_INLINE V tanh(V x) {
  V magnitude = x < V{} ? -x : x;
  V z = x * x;
  V p = splat(-5.70498872745e-3f);
  p = p * z + splat(2.06390887954e-2f);
  p = p * z + splat(-5.37397155531e-2f);
  p = p * z + splat(1.33314422036e-1f);
  p = p * z + splat(-3.33332819422e-1f);
  V near = p * z * x + x;
  V far = splat(1.0f) - splat(2.0f) / (exp(magnitude + magnitude) + splat(1.0f));
  far = x < V{} ? -far : far;
  return magnitude < splat(0.625f) ? near : far;
}

// ---- matrix products

void pack_b(float* dst, const float* b, std::ptrdiff_t k_stride, std::ptrdiff_t n_stride, int k, int n) noexcept {
  if (n_stride == 1 && n == kNr) {
    for (int p = 0; p < k; ++p, dst += kNr, b += k_stride)
      for (int j = 0; j < kNv; ++j) store(dst + j * kLanes, load(b + j * kLanes));
    return;
  }
  if (n < kNr)
    for (std::ptrdiff_t i = 0; i < std::ptrdiff_t{k} * kNr; ++i) dst[i] = 0;
  // Column by column in short runs of k: reads run along memory when k_stride is 1, writes stay in cache.
  constexpr int kRun = 32;
  for (int first = 0; first < k; first += kRun) {
    int last = first + kRun < k ? first + kRun : k;
    for (int j = 0; j < n; ++j)
      for (int p = first; p < last; ++p) dst[std::ptrdiff_t{p} * kNr + j] = b[p * k_stride + j * n_stride];
  }
}

void pack_a(float* dst, const float* a, std::ptrdiff_t m_stride, std::ptrdiff_t k_stride, int m, int k) noexcept {
  int whole = m_stride == 1 ? m / kMr * kMr : 0;
  // Row by row of what lies in memory, so that each cache line is read once.
  for (int p = 0; p < k; ++p)
    for (int i = 0; i < whole; i += kMr)
      __builtin_memcpy(dst + std::ptrdiff_t{i} * k + p * kMr, a + p * k_stride + i, sizeof(float) * kMr);
  for (int strip = whole; strip < m; strip += kMr) {
    float* to = dst + std::ptrdiff_t{strip} * k;
    const float* from = a + strip * m_stride;
    for (int p = 0; p < k; ++p)
      for (int i = 0; i < kMr; ++i) to[p * kMr + i] = strip + i < m ? from[i * m_stride + p * k_stride] : 0.0f;
  }
}

// What a product multiplies: words that micro() broadcasts from a and loads from b.
struct F32Words {
  using Word = float;
  static FACET_INLINE V load_words(const Word* p) { return load(p); }
  static FACET_INLINE V splat_word(Word w) { return splat(w); }
  static FACET_INLINE V add_product(V sum, V a, V b) { return sum + a * b; }
};

#if defined(FACET_BF16)
// Pairs of bfloat16 that follow each other along k.
struct Bf16Words {
  using Word = std::int32_t;
  typedef Word WordsUnaligned __attribute__((vector_size(64), aligned(4), may_alias));
  static FACET_INLINE VI load_words(const Word* p) { return *reinterpret_cast<const WordsUnaligned*>(p); }
  static FACET_INLINE void store_words(Word* p, VI v) { *reinterpret_cast<WordsUnaligned*>(p) = v; }
  static FACET_INLINE VI splat_word(Word w) { return (VI)_mm512_set1_epi32(w); }
  static FACET_INLINE V add_product(V sum, VI a, VI b) {
    return (V)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
  }
};

FACET_INLINE VI rounded_to_bf16(V v) {  // in the low halves
  return (VI)_mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)v));
}
FACET_INLINE V load_masked(const float* p, __mmask16 mask) { return (V)_mm512_maskz_loadu_ps(mask, p); }
// 32 floats that follow each other -> 16 pairs.
FACET_INLINE VI pairs_along(const float* p) { return (VI)_mm512_cvtne2ps_pbh((__m512)load(p + 16), (__m512)load(p)); }
FACET_INLINE VI pairs_along_part(const float* p, int n) {  // n < 32, the rest 0
  auto mask = (std::uint32_t{1} << n) - 1;
  return (VI)_mm512_cvtne2ps_pbh((__m512)load_masked(p + 16, static_cast<__mmask16>(mask >> 16)),
                                 (__m512)load_masked(p, static_cast<__mmask16>(mask)));
}
// Two rows of k, `mask` of their columns -> pairs.
FACET_INLINE VI pairs_across(const float* even, const float* odd, __mmask16 mask) {
  VI pairs = rounded_to_bf16(load_masked(even, mask));
  return odd == nullptr ? pairs : pairs | (rounded_to_bf16(load_masked(odd, mask)) << 16);
}

void pack_b_bf16(std::int32_t* dst, const float* b, std::ptrdiff_t k_stride, std::ptrdiff_t n_stride, int k,
                 int n) noexcept {
  if (n_stride == 1) {
    __mmask16 masks[kNv];
    for (int j = 0; j < kNv; ++j) {
      int left = n - j * kLanes;
      masks[j] = static_cast<__mmask16>(left >= kLanes ? 0xffff : left > 0 ? (1 << left) - 1 : 0);
    }
    for (int p = 0; p < k; p += 2, b += 2 * k_stride, dst += kNr)
      for (int j = 0; j < kNv; ++j) {
        const float* even = b + j * kLanes;
        Bf16Words::store_words(dst + j * kLanes, pairs_across(even, p + 1 < k ? even + k_stride : nullptr, masks[j]));
      }
    return;
  }
  int words = (k + 1) / 2;
  if (n < kNr)
    for (std::ptrdiff_t i = 0; i < std::ptrdiff_t{words} * kNr; ++i) dst[i] = 0;
  for (int first = 0; first < k; first += 32) {
    int count = k - first < 32 ? k - first : 32;
    for (int j = 0; j < n; ++j) {
      const float* from = b + first * k_stride + j * n_stride;
      alignas(64) std::int32_t pairs[16];
      Bf16Words::store_words(pairs, count == 32 ? pairs_along(from) : pairs_along_part(from, count));
      for (int p = 0; p < (count + 1) / 2; ++p) dst[std::ptrdiff_t{first / 2 + p} * kNr + j] = pairs[p];
    }
  }
}

void pack_a_bf16(std::int32_t* dst, const float* a, std::ptrdiff_t m_stride, std::ptrdiff_t k_stride, int m,
                 int k) noexcept {
  std::ptrdiff_t words = (k + 1) / 2;
  if (k_stride == 1) {  // row by row
    for (int i = 0; i < m; ++i, dst += words, a += m_stride)
      for (int p = 0; p < k; p += 32) {
        int count = k - p < 32 ? k - p : 32;
        if (count == 32) {
          Bf16Words::store_words(dst + p / 2, pairs_along(a + p));
        } else {
          auto mask = static_cast<__mmask16>((1 << ((count + 1) / 2)) - 1);
          _mm512_mask_storeu_epi32(dst + p / 2, mask, (__m512i)pairs_along_part(a + p, count));
        }
      }
    return;
  }
  for (int strip = 0; strip < m; strip += kMr, dst += kMr * words) {
    int left = m - strip < kMr ? m - strip : kMr;
    auto read = static_cast<__mmask16>((1 << left) - 1), write = static_cast<__mmask16>((1 << kMr) - 1);
    for (int p = 0; p < k; p += 2) {
      const float* even = a + strip + p * k_stride;
      _mm512_mask_storeu_epi32(dst + std::ptrdiff_t{p / 2} * kMr, write,
                               (__m512i)pairs_across(even, p + 1 < k ? even + k_stride : nullptr, read));
    }
  }
}
#endif

// Limit on Zen 3: 12 fused multiply-adds (6 cycles) against 8 loads (4 cycles) per step of k with 6 x 16; 12
// accumulators, two of b and one broadcast fit 16 registers.  Measured: 83 to 93 GFLOP/s of a peak of 91 on shapes 2046
// x {192..1024} x {192..1024}.
template <class P, int kRows, bool kRowMajor>
FACET_INLINE void micro(float* c, std::ptrdiff_t c_row, const typename P::Word* a, std::ptrdiff_t stride,
                        const typename P::Word* b, int k, bool accumulate) {
  V acc[kRows][kNv];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < kNv; ++j) acc[i][j] = V{};
  for (int p = 0; p < k; ++p) {
    decltype(P::load_words(b)) bv[kNv];
#pragma GCC unroll 4
    for (int j = 0; j < kNv; ++j) bv[j] = P::load_words(b + j * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      auto av = P::splat_word(kRowMajor ? a[i * stride] : a[i]);
#pragma GCC unroll 4
      for (int j = 0; j < kNv; ++j) acc[i][j] = P::add_product(acc[i][j], av, bv[j]);
    }
    a += kRowMajor ? 1 : stride;
    b += kNr;
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < kNv; ++j) {
      float* to = c + i * c_row + j * kLanes;
      store(to, accumulate ? load(to) + acc[i][j] : acc[i][j]);
    }
}

template <class P, int kRows, bool kRowMajor>
void micro_of(int rows, float* c, std::ptrdiff_t c_row, const typename P::Word* a, std::ptrdiff_t stride,
              const typename P::Word* b, int k, bool accumulate) noexcept {
  if (rows == kRows)
    micro<P, kRows, kRowMajor>(c, c_row, a, stride, b, k, accumulate);
  else if constexpr (kRows > 1)
    micro_of<P, kRows - 1, kRowMajor>(rows, c, c_row, a, stride, b, k, accumulate);
}

template <class P, bool kRowMajor>
void multiply_in(float* c, std::ptrdiff_t c_row, std::ptrdiff_t c_col, const typename P::Word* a,
                 std::ptrdiff_t a_strip, std::ptrdiff_t stride, const typename P::Word* b, std::ptrdiff_t b_panel,
                 int m, int n, int k, bool accumulate) noexcept {
  for (int j = 0; j < n; j += kNr, b += b_panel) {
    const typename P::Word* strip = a;
    for (int i = 0; i < m; i += kMr, strip += a_strip) {
      int rows = m - i < kMr ? m - i : kMr;
      float* to = c + i * c_row + j * c_col;
      if (n - j >= kNr && c_col == 1) {
        micro_of<P, kMr, kRowMajor>(rows, to, c_row, strip, stride, b, k, accumulate);
        continue;
      }
      alignas(64) float edge[kMr * kNr];
      micro_of<P, kMr, kRowMajor>(rows, edge, kNr, strip, stride, b, k, false);
      int columns = n - j < kNr ? n - j : kNr;
      for (int q = 0; q < columns; ++q)
        for (int r = 0; r < rows; ++r) {
          float* element = to + r * c_row + q * c_col;
          *element = accumulate ? *element + edge[r * kNr + q] : edge[r * kNr + q];
        }
    }
  }
}

template <class P>
void multiply(float* c, std::ptrdiff_t c_row, std::ptrdiff_t c_col, const typename P::Word* a, std::ptrdiff_t a_strip,
              std::ptrdiff_t a_row, std::ptrdiff_t a_col, const typename P::Word* b, std::ptrdiff_t b_panel, int m,
              int n, int k, bool accumulate) noexcept {
  if (a_col == 1)
    multiply_in<P, true>(c, c_row, c_col, a, a_strip, a_row, b, b_panel, m, n, k, accumulate);
  else
    multiply_in<P, false>(c, c_row, c_col, a, a_strip, a_col, b, b_panel, m, n, k, accumulate);
}

// ---- norms, rotation, activation

void rms_norm(float* y, float* inv_rms, const float* x, const float* w, const float* residual, float scale, int n,
              std::ptrdiff_t rows, float eps) noexcept {
  for (std::ptrdiff_t r = 0; r < rows; ++r, x += n, y += n) {
    V squares{};
    for_vectors(n, [&](std::ptrdiff_t i, int count) FACET_LAMBDA {
      V v = get(x + i, count);
      squares += v * v;
    });
    float inv = 1.0f / __builtin_sqrtf(sum(squares) / static_cast<float>(n) + eps);
    inv_rms[r] = inv;
    for_vectors(n, [&](std::ptrdiff_t i, int count) FACET_LAMBDA {
      V v = get(x + i, count) * splat(inv);
      if (w != nullptr) v *= get(w + i, count);
      if (residual != nullptr) v += get(residual + i, count);
      put(y + i, v * splat(scale), count);
    });
    if (residual != nullptr) residual += n;
  }
}

void rms_norm_backward(float* dx, float* dw, double* dscale, const float* g, const float* x, const float* w,
                       const float* inv_rms, const float* residual, float scale, int n, std::ptrdiff_t rows) noexcept {
  for (std::ptrdiff_t r = 0; r < rows; ++r, x += n, g += n, dx += n) {
    float inv = inv_rms[r];
    V dot{}, dot_residual{};
    for_vectors(n, [&](std::ptrdiff_t i, int count) FACET_LAMBDA {
      V gx = get(g + i, count) * get(x + i, count);
      dot += w != nullptr ? gx * get(w + i, count) : gx;
      if (dscale != nullptr) dot_residual += get(g + i, count) * get(residual + i, count);
    });
    float total = sum(dot);
    if (dscale != nullptr) {
      *dscale += static_cast<double>(sum(dot_residual)) + static_cast<double>(total) * inv;
      residual += n;
    }
    V a = splat(scale * inv), b = splat(scale * inv * inv * inv * total / static_cast<float>(n));
    for_vectors(n, [&](std::ptrdiff_t i, int count) FACET_LAMBDA {
      V gv = get(g + i, count), xv = get(x + i, count);
      if (dw != nullptr) put(dw + i, get(dw + i, count) + gv * xv * a, count);
      V gw = w != nullptr ? gv * get(w + i, count) : gv;
      put(dx + i, gw * a - xv * b, count);
    });
  }
}

void rope(float* y, const float* x, const float* cos, const float* sin, float sign, int half, int heads) noexcept {
  for (int h = 0; h < heads; ++h, x += 2 * half, y += 2 * half)
    for_vectors(half, [&](std::ptrdiff_t i, int count) FACET_LAMBDA {
      V c = get(cos + i, count), s = get(sin + i, count) * splat(sign);
      V a = get(x + i, count), b = get(x + half + i, count);
      put(y + i, a * c - b * s, count);
      put(y + half + i, b * c + a * s, count);
    });
}

// 0.5 z (1 + tanh(u)) = z / (1 + e^-2u), u = sqrt(2/pi) (z + 0.044715 z^3): one exponential, and no cancellation for z
// << 0.
constexpr float kGeluScale = 2 * 0.7978845608028654f, kGeluCube = 0.044715f;

FACET_INLINE V gelu_sigmoid(V z) {
  V u = z * (splat(kGeluScale) + splat(kGeluScale * kGeluCube) * z * z);
  return splat(1.0f) / (splat(1.0f) + exp(-u));
}

void gelu_mul(float* y, const float* gate, const float* up, std::ptrdiff_t n) noexcept {
  for_vectors(n, [&](std::ptrdiff_t i, int count) FACET_LAMBDA {
    V z = get(gate + i, count);
    put(y + i, z * gelu_sigmoid(z) * get(up + i, count), count);
  });
}

void gelu_mul_backward(float* dgate, float* dup, const float* g, const float* gate, const float* up,
                       std::ptrdiff_t n) noexcept {
  for_vectors(n, [&](std::ptrdiff_t i, int count) FACET_LAMBDA {
    V z = get(gate + i, count), gv = get(g + i, count), u = get(up + i, count);
    V s = gelu_sigmoid(z);
    V slope = splat(kGeluScale) + splat(3 * kGeluScale * kGeluCube) * z * z;
    put(dup + i, gv * z * s, count);
    put(dgate + i, gv * u * (s + z * s * (splat(1.0f) - s) * slope), count);
  });
}

// ---- attention rows

FACET_INLINE VI columns_from(int first) {
  VI v{};
  for (int i = 0; i < kLanes; ++i) v[i] = i;  // folds to a constant
  return v + first;
}
// All ones where begin <= column < end.
FACET_INLINE VI inside(VI column, int begin, int end) { return (column >= begin) & (column < end); }

void softmax(float* s, std::ptrdiff_t s_row, float* log_sum, int begin, int end, int n, int rows) noexcept {
  for (int r = 0; r < rows; ++r, s += s_row) {
    V best = splat(-3.0e38f);
    for_vectors(n, [&](std::ptrdiff_t i, int count) FACET_LAMBDA {
      VI in = inside(columns_from(static_cast<int>(i)), begin + r, end + r < n ? end + r : n);
      best = max(best, select(in, get(s + i, count), best));
    });
    float top = best[0];
    for (int i = 1; i < kLanes; ++i) top = best[i] > top ? best[i] : top;
    V total{};
    for_vectors(n, [&](std::ptrdiff_t i, int count) FACET_LAMBDA {
      VI in = inside(columns_from(static_cast<int>(i)), begin + r, end + r < n ? end + r : n);
      V e = select(in, exp(get(s + i, count) - splat(top)), V{});
      total += e;
      put(s + i, e, count);
    });
    float z = sum(total);
    V inv = splat(1.0f / z);
    for_vectors(n, [&](std::ptrdiff_t i, int count) FACET_LAMBDA { put(s + i, get(s + i, count) * inv, count); });
    log_sum[r] = top + __builtin_logf(z);
  }
}

void softmax_again(float* s, std::ptrdiff_t s_row, const float* log_sum, int begin, int end, int n, int rows) noexcept {
  for (int r = 0; r < rows; ++r, s += s_row)
    for_vectors(n, [&](std::ptrdiff_t i, int count) FACET_LAMBDA {
      VI in = inside(columns_from(static_cast<int>(i)), begin + r, end + r < n ? end + r : n);
      put(s + i, select(in, exp(get(s + i, count) - splat(log_sum[r])), V{}), count);
    });
}

void softmax_backward(float* dp, const float* p, std::ptrdiff_t s_row, const float* g, const float* y,
                      std::ptrdiff_t g_row, int c, int n, int rows) noexcept {
  for (int r = 0; r < rows; ++r, dp += s_row, p += s_row, g += g_row, y += g_row) {
    V dot{};
    for_vectors(c, [&](std::ptrdiff_t i, int count) FACET_LAMBDA { dot += get(g + i, count) * get(y + i, count); });
    V delta = splat(sum(dot));
    for_vectors(n, [&](std::ptrdiff_t i, int count)
                       FACET_LAMBDA { put(dp + i, get(p + i, count) * (get(dp + i, count) - delta), count); });
  }
}

// ---- loss rows

// Caps in place; the largest value, and the first place that has it.
FACET_INLINE float cap_and_max(float* z, std::int64_t n, float cap, std::int64_t* place) {
  V best = splat(-3.0e38f);
  V inv = splat(cap > 0 ? 1.0f / cap : 0.0f);
  for_vectors(n, [&](std::ptrdiff_t i, int count) FACET_LAMBDA {
    V v = get(z + i, count);
    if (cap > 0) v = splat(cap) * tanh(v * inv);
    put(z + i, v, count);
    for (int j = count; j < kLanes; ++j) v[j] = -3.0e38f;
    best = max(v, best);
  });
  float top = best[0];
  for (int i = 1; i < kLanes; ++i) top = best[i] > top ? best[i] : top;
  *place = 0;
  for (std::int64_t i = 0; i < n; ++i)
    if (z[i] == top) {
      *place = i;
      break;
    }
  return top;
}

FACET_INLINE float log_sum_exp(const float* z, std::int64_t n, float top) {
  // Blocks of vectors are summed in f32, blocks in f64: 262144 terms keep their digits.
  double total = 0;
  constexpr std::ptrdiff_t kBlock = 512;
  for (std::ptrdiff_t first = 0; first < n; first += kBlock) {
    V part{};
    for_vectors(n - first < kBlock ? n - first : kBlock, [&](std::ptrdiff_t i, int count) FACET_LAMBDA {
      V e = exp(get(z + first + i, count) - splat(top));
      for (int j = count; j < kLanes; ++j) e[j] = 0;
      part += e;
    });
    total += static_cast<double>(sum(part));
  }
  return top + static_cast<float>(__builtin_log(total));
}

void loss_row(float* z, float* zt, std::int64_t n, LossRow* row) noexcept {
  float top = cap_and_max(z, n, row->softcap, &row->best);
  float lse = log_sum_exp(z, n, top);
  row->ce = static_cast<double>(lse) - static_cast<double>(z[row->label]);
  row->kl = 0;
  row->teacher_best = -1;
  float teacher_lse = 0;
  if (zt != nullptr) {
    float teacher_top = cap_and_max(zt, n, row->teacher_softcap, &row->teacher_best);
    teacher_lse = log_sum_exp(zt, n, teacher_top);
  }
  bool wanted = row->ce_scale != 0 || row->kl_scale != 0;
  if (zt == nullptr && !wanted) return;
  // d/dz_j of a CE + b KL is (a + b) q_j - a [j = label] - b p_j; the cap's slope is 1 - (z / cap)^2.
  float at_label = z[row->label];
  V student_scale = splat(row->ce_scale + row->kl_scale), teacher_scale = splat(row->kl_scale);
  V inv_cap = splat(row->softcap > 0 ? 1.0f / row->softcap : 0.0f);
  double kl = 0;
  constexpr std::ptrdiff_t kBlock = 512;
  for (std::ptrdiff_t first = 0; first < n; first += kBlock) {
    V part{};
    for_vectors(n - first < kBlock ? n - first : kBlock, [&](std::ptrdiff_t offset, int count) FACET_LAMBDA {
      std::ptrdiff_t i = first + offset;
      V v = get(z + i, count);
      V log_q = v - splat(lse);
      V d = student_scale * exp(log_q);
      if (zt != nullptr) {
        V log_p = get(zt + i, count) - splat(teacher_lse);
        V p = exp(log_p);
        for (int j = count; j < kLanes; ++j) p[j] = 0;
        part += p * (log_p - log_q);
        d -= teacher_scale * p;
      }
      V capped = v * inv_cap;
      if (wanted) put(z + i, d * (splat(1.0f) - capped * capped), count);
    });
    kl += static_cast<double>(sum(part));
  }
  row->kl = kl;
  if (wanted && row->ce_scale != 0) {
    float capped = row->softcap > 0 ? at_label / row->softcap : 0.0f;
    z[row->label] -= row->ce_scale * (1 - capped * capped);
  }
}

// ---- optimizer

void adamw(float* __restrict w, const float* __restrict g, float* __restrict m, float* __restrict v, std::ptrdiff_t n,
           const AdamWScalars* scalars) noexcept {
  const AdamWScalars s = *scalars;
  for (std::ptrdiff_t i = 0; i < n; ++i) {
    float gi = g[i] * s.grad_scale;
    float mi = s.beta1 * m[i] + s.one_minus_beta1 * gi;
    float vi = s.beta2 * v[i] + s.one_minus_beta2 * (gi * gi);
    m[i] = mi;
    v[i] = vi;
    w[i] = w[i] * s.decay - s.step_size * mi / (__builtin_sqrtf(vi) * s.inv_sqrt_c2 + s.eps);
  }
}

double sum_squares(const float* x, std::ptrdiff_t n) noexcept {
  double acc[16] = {};
  std::ptrdiff_t i = 0;
  for (; i + 16 <= n; i += 16)
    for (int j = 0; j < 16; ++j) acc[j] += static_cast<double>(x[i + j]) * static_cast<double>(x[i + j]);
  for (; i < n; ++i) acc[0] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  double total = 0;
  for (double a : acc) total += a;
  return total;
}

void add(float* __restrict y, const float* __restrict x, std::ptrdiff_t n) noexcept {
  for (std::ptrdiff_t i = 0; i < n; ++i) y[i] += x[i];
}

#if defined(FACET_BF16)
constinit const Bf16Products kBf16Products = {pack_b_bf16, pack_a_bf16, multiply<Bf16Words>};
#endif

}  // namespace

extern const Kernels FACET_TARGET;
constinit const Kernels FACET_TARGET = {FACET_TARGET_NAME,
                                        kMr,
                                        kNr,
                                        pack_b,
                                        pack_a,
                                        multiply<F32Words>,
                                        rms_norm,
                                        rms_norm_backward,
                                        rope,
                                        gelu_mul,
                                        gelu_mul_backward,
                                        softmax,
                                        softmax_again,
                                        softmax_backward,
                                        loss_row,
                                        adamw,
                                        sum_squares,
                                        add,
#if defined(FACET_BF16)
                                        &kBf16Products
#else
                                        nullptr
#endif
};

}  // namespace facet::train::cpu
