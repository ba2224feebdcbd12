// table.h: the inner loops of the engine, one table of functions per instruction set.
// Plain types only: target files include this, the block headers and intrinsics, and call nothing inline from std.
// ref is the meaning (scalar, obvious, no fast-math); every other target is a claim about it, tested op by op.
// Integer accumulations are exact and equal on all targets; float results agree as docs/kernels/numerics.md states.
// No op depends on how rows or tokens were split among threads: every output element is one function of its inputs.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quant/q4_0.h"
#include "quant/q4_k.h"
#include "quant/q6_k.h"
#include "quant/q8_0.h"

namespace facet::kernels {

// What a target needs, all present in the CPU and enabled by the OS.
struct CpuFeatures {
  bool avx2 = false;         // with FMA and F16C
  bool avx_vnni = false;     // with what avx2 needs
  bool avx512_vnni = false;  // with F, BW, DQ, VL
  bool neon_dot = false;     // Armv8.2 SDOT
  bool neon_i8mm = false;    // with SDOT
};

// y[t * y_stride + r] = sum over i < k of w[r, i] * x[t, i], for tokens t < m and weight rows row_begin <= r < row_end.
// Rows of x and w follow each other without gaps: a row of x is k floats, k/32 Q8_0 blocks or k int8 codes by the op's
// name; w points to row 0 of the matrix in the file's own bytes.  k: a multiple of the block for the block types, any
// for others.
using Matmul = void (*)(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin,
                        int row_end, int k) noexcept;
// As Matmul, for weights with one scale per row: the sum is multiplied by row_scales[r] * x_scale.
using MatmulRows = void (*)(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, const float* row_scales,
                            float x_scale, int m, int row_begin, int row_end, int k) noexcept;

// How keys and values lie in a cache: position p's vector of n values starts at base + p * stride_bytes.
// kI8: codes of one static scale.  kQ8: codes, and behind the last of them their own f32 scale.
enum class CacheType : int { kF32, kF16, kBF16, kI8, kQ8 };
constexpr std::ptrdiff_t cache_bytes(CacheType type, int n) {  // of n values
  switch (type) {
    case CacheType::kF32:
      return 4 * std::ptrdiff_t{n};
    case CacheType::kF16:
    case CacheType::kBF16:
      return 2 * std::ptrdiff_t{n};
    case CacheType::kI8:
      return n;
    case CacheType::kQ8:
      return std::ptrdiff_t{n} + 4;
  }
  return 0;
}

struct Table {
  const char* name;  // "ref" "avx2" "avx_vnni" "avx512_vnni" "neon_dot" "neon_i8mm"
  CpuFeatures needs;

  // Activations to integers; a NaN has code 0, and makes the scale of its q8 block NaN.  q8: ggml's runtime rule (per
  // 32: d = absmax/127 stored as half, codes = round_half_even(x * 127/absmax)).
  void (*quantize_q8)(Q8_0Block* out, const float* x, int k) noexcept;
  // Static scale s > 0: clamp(round_half_even(x / s), -128, 127), by division, as quant/static_int8.h.
  void (*quantize_static_i8)(std::int8_t* out, const float* x, float s, std::ptrdiff_t n) noexcept;
  // In place: y = clamp(rhe(y / s), -128, 127) * s.
  void (*fake_quantize_static_i8)(float* y, float s, std::ptrdiff_t n) noexcept;

  // Matmuls, named rhs type after lhs type.  f32 activations:
  Matmul matmul_f32_f32, matmul_f32_f16, matmul_f32_bf16, matmul_f32_q8_0, matmul_f32_q4_0, matmul_f32_q4_k,
      matmul_f32_q6_k;
  MatmulRows matmul_f32_i8, matmul_f32_i4, matmul_f32_i2;
  // q8 activations: integer dots per block of 32, then y = fma(sum, d_w * d_x, y) in f32, blocks in order (d_w * d_x is
  // exact, so all targets give the same bits).  q6_k: the integer dot of 32 weights is that of its two groups, each
  // times its scale.  q4_k: of unsigned codes; y = fma(sum, (d * scale) * d_x, y), then, s_x the exact sum of the 32
  // codes of x, y = fma(-(dmin * min), s_x * d_x, y); only the product with d_x in the former is rounded.
  Matmul matmul_q8_q8_0, matmul_q8_q4_0, matmul_q8_q4_k, matmul_q8_q6_k;
  // int8 activations with one static scale: exact int32 sums (k < 2^17), then float(sum) * (row_scales[r] * x_scale).
  MatmulRows matmul_i8_i8, matmul_i8_i4, matmul_i8_i2;

  // y[i] = x[i] * w[i] / sqrt(mean(x^2) + eps); w null = no weight.  y may be x.  The sum runs in f64 in ref.
  void (*rms_norm)(float* y, const float* x, const float* w, int n, float eps) noexcept;
  // Pairs (i, i + half) of x[2 * half] rotate by the angles whose cosines and sines are given (half of each).
  void (*rope)(float* x, const float* cosines, const float* sines, int half) noexcept;
  // y[i] = gelu_tanh(gate[i]) * up[i].  y may be gate or up.
  void (*gelu_mul)(float* y, const float* gate, const float* up, std::ptrdiff_t n) noexcept;
  void (*add)(float* y, const float* x, std::ptrdiff_t n) noexcept;                  // y += x
  void (*scale)(float* y, float a, std::ptrdiff_t n) noexcept;                       // y *= a
  void (*add_scaled)(float* y, const float* x, float a, std::ptrdiff_t n) noexcept;  // y += a * x
  // x = exp(x - max) / sum, in place.
  void (*softmax)(float* x, std::ptrdiff_t n) noexcept;
  // x = cap * tanh(x / cap), in place.
  void (*softcap)(float* x, float cap, std::ptrdiff_t n) noexcept;
  // log(sum(exp(x))) in f64, and the index of the first largest element.
  double (*log_sum_exp)(const float* x, std::ptrdiff_t n) noexcept;
  std::ptrdiff_t (*argmax)(const float* x, std::ptrdiff_t n) noexcept;

  // Attention of several rows of queries to one run of cached positions, which lie stride_bytes apart.
  // scores[r * scores_stride + p] = dot(queries[r], key p) * scale_k, r < n_rows, p < n_positions; `size` values each.
  // kQ8: of the codes, times (scale_k * the key's own scale).  And the query may be rounded to integers of 16 bits.
  void (*attend_scores)(float* scores, std::ptrdiff_t scores_stride, const float* const* queries, int n_rows,
                        const void* keys, CacheType type, std::ptrdiff_t stride_bytes, float scale_k, int n_positions,
                        int size) noexcept;
  // A softmax that sees its row in pieces: x = exp(x - m), m the largest element so far; *most becomes m, *sum the sum
  // so far relative to it.  Returns exp(old *most - m), by which what was made of earlier pieces must be multiplied.
  // Begins with *most = -infinity, *sum = 0.
  float (*softmax_piece)(float* x, std::ptrdiff_t n, float* most, double* sum) noexcept;
  // For p in order: outs[r][i] = fma(probs[r * probs_stride + p] * scale_v, value p[i], outs[r][i]), i < size; so a
  // range of positions may be cut anywhere, and all targets give the same bits.  kQ8: values are codes, scale_v is
  // multiplied by the value's own scale first; the shares of 128 positions may be rounded to integers of 16 bits, so
  // that cuts and targets show in the last ones.
  void (*attend_mix)(float* const* outs, int n_rows, const float* probs, std::ptrdiff_t probs_stride,
                     const void* values, CacheType type, std::ptrdiff_t stride_bytes, float scale_v, int n_positions,
                     int size) noexcept;
  // Stores n values into one cache slot.  kI8: by quantize_static_i8 with `scale`; kQ8: the same with absmax / 127 (a
  // NaN becomes the scale); others: RNE.
  void (*store_cache)(void* slot, const float* x, CacheType type, float scale, int n) noexcept;
};

// How this CPU reads fastest the eight rows of Q4_0 or Q6_K that are multiplied at once; results do not depend on it.
// true: neighbours, the next eight being asked for in the order of memory meanwhile; false: rows far apart, each a long
// stream.  detect.cc sets it before main(); tests may change it.
extern bool reads_neighbours;

extern const Table kRef;
#if defined(FACET_HAVE_X86)
extern const Table kAvx2;
extern const Table kAvxVnni;
extern const Table kAvx512Vnni;
#endif
#if defined(FACET_HAVE_ARM)
extern const Table kNeonDot;
extern const Table kNeonI8mm;
#endif

}  // namespace facet::kernels
