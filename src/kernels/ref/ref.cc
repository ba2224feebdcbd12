// The reference table: every op as its line in table.h reads.  Sums and functions in f64, results rounded to f32 once;
// where table.h fixes an f32 order, that order.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <span>

#include "base/half.h"
#include "kernels/ref/matmul.h"
#include "quant/round.h"
#include "quant/static_int8.h"

namespace facet::kernels {
namespace ref {
namespace {

// Integer order of |x| is its order as a number, with NaN above all: a broken value reaches the block's scale.
float absmax_with_nan(const float* x, int n) {
  std::uint32_t most = 0;
  for (int i = 0; i < n; ++i) most = std::max(most, std::bit_cast<std::uint32_t>(x[i]) & 0x7fffffffu);
  return std::bit_cast<float>(most);
}

void quantize_q8(Q8_0Block* out, const float* x, int k) noexcept {
  for (int b = 0; b < k / Q8_0Block::kWeights; ++b, x += Q8_0Block::kWeights) {
    const float absmax = absmax_with_nan(x, Q8_0Block::kWeights);
    float factor = 127.0f / absmax;
    if (!std::isfinite(factor)) factor = 0.0f;  // nothing but zeros and subnormals below 2^-121, or a NaN
    out[b].scale = to_half(absmax / 127.0f);
    for (int i = 0; i < Q8_0Block::kWeights; ++i) {
      const float v = x[i] * factor;
      out[b].codes[i] = std::isnan(v) ? std::int8_t{0} : static_cast<std::int8_t>(round_half_even(v));
    }
  }
}

void quantize_static_i8(std::int8_t* out, const float* x, float s, std::ptrdiff_t n) noexcept {
  quantize_static_int8(std::span(x, n), s, std::span(out, n));
}

void fake_quantize_static_i8(float* y, float s, std::ptrdiff_t n) noexcept {
  fake_quantize_static_int8(std::span(y, n), s, std::span(y, n));
}

void rms_norm(float* y, const float* x, const float* w, int n, float eps) noexcept {
  double sum = 0.0;
  for (int i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * x[i];
  const float factor = static_cast<float>(1.0 / std::sqrt(sum / n + eps));
  for (int i = 0; i < n; ++i) y[i] = w == nullptr ? x[i] * factor : x[i] * factor * w[i];
}

void rope(float* x, const float* cosines, const float* sines, int half) noexcept {
  for (int i = 0; i < half; ++i) {
    const double a = x[i], b = x[i + half], c = cosines[i], s = sines[i];
    x[i] = static_cast<float>(a * c - b * s);
    x[i + half] = static_cast<float>(b * c + a * s);
  }
}

void gelu_mul(float* y, const float* gate, const float* up, std::ptrdiff_t n) noexcept {
  constexpr double kSqrt2OverPi = 0.79788456080286535588;
  for (std::ptrdiff_t i = 0; i < n; ++i) {
    const double z = gate[i], u = kSqrt2OverPi * (z + 0.044715 * z * z * z);
    y[i] = static_cast<float>(z / (1.0 + std::exp(-2.0 * u)) * up[i]);  // = z/2 (1 + tanh u), with no cancellation
  }
}

void add(float* y, const float* x, std::ptrdiff_t n) noexcept {
  for (std::ptrdiff_t i = 0; i < n; ++i) y[i] += x[i];
}

void scale(float* y, float a, std::ptrdiff_t n) noexcept {
  for (std::ptrdiff_t i = 0; i < n; ++i) y[i] *= a;
}

void add_scaled(float* y, const float* x, float a, std::ptrdiff_t n) noexcept {
  for (std::ptrdiff_t i = 0; i < n; ++i) y[i] += a * x[i];
}

void softmax(float* x, std::ptrdiff_t n) noexcept {
  if (n == 0) return;
  const double max = *std::max_element(x, x + n);
  double sum = 0.0;
  for (std::ptrdiff_t i = 0; i < n; ++i) sum += std::exp(x[i] - max);
  for (std::ptrdiff_t i = 0; i < n; ++i) x[i] = static_cast<float>(std::exp(x[i] - max) / sum);
}

void softcap(float* x, float cap, std::ptrdiff_t n) noexcept {
  for (std::ptrdiff_t i = 0; i < n; ++i) x[i] = static_cast<float>(cap * std::tanh(static_cast<double>(x[i]) / cap));
}

double log_sum_exp(const float* x, std::ptrdiff_t n) noexcept {
  const double max = *std::max_element(x, x + n);
  double sum = 0.0;
  for (std::ptrdiff_t i = 0; i < n; ++i) sum += std::exp(x[i] - max);
  return max + std::log(sum);
}

std::ptrdiff_t argmax(const float* x, std::ptrdiff_t n) noexcept { return std::max_element(x, x + n) - x; }

// Value i of a cached vector; kI8 without its scale.
float cached(const void* vector, CacheType type, int i) {
  switch (type) {
    case CacheType::kF32:
      return static_cast<const float*>(vector)[i];
    case CacheType::kF16:
      return to_float(static_cast<const Half*>(vector)[i]);
    case CacheType::kBF16:
      return to_float(static_cast<const BFloat16*>(vector)[i]);
    case CacheType::kI8:
    case CacheType::kQ8:
      return static_cast<const std::int8_t*>(vector)[i];
  }
  return 0.0f;
}
// What cached() numbers are to be multiplied by, beside the caller's scale.
float own_scale(const void* vector, CacheType type, int size) {
  float scale = 1.0f;
  if (type == CacheType::kQ8) std::memcpy(&scale, static_cast<const std::byte*>(vector) + size, sizeof scale);
  return scale;
}

void attend_scores(float* scores, std::ptrdiff_t scores_stride, const float* const* queries, int n_rows,
                   const void* keys, CacheType type, std::ptrdiff_t stride_bytes, float scale_k, int n_positions,
                   int size) noexcept {
  for (int r = 0; r < n_rows; ++r)
    for (int p = 0; p < n_positions; ++p) {
      const void* key = static_cast<const std::byte*>(keys) + p * stride_bytes;
      double sum = 0.0;
      for (int i = 0; i < size; ++i) sum += static_cast<double>(queries[r][i]) * cached(key, type, i);
      scores[r * scores_stride + p] = static_cast<float>(sum) * (scale_k * own_scale(key, type, size));
    }
}

float softmax_piece(float* x, std::ptrdiff_t n, float* most, double* sum) noexcept {
  float m = *most;
  for (std::ptrdiff_t i = 0; i < n; ++i) m = x[i] > m ? x[i] : m;
  const float before = std::exp(*most - m);
  *sum *= before;
  for (std::ptrdiff_t i = 0; i < n; ++i) *sum += x[i] = std::exp(x[i] - m);
  *most = m;
  return before;
}

void attend_mix(float* const* outs, int n_rows, const float* probs, std::ptrdiff_t probs_stride, const void* values,
                CacheType type, std::ptrdiff_t stride_bytes, float scale_v, int n_positions, int size) noexcept {
  for (int r = 0; r < n_rows; ++r)
    for (int p = 0; p < n_positions; ++p) {
      const void* value = static_cast<const std::byte*>(values) + p * stride_bytes;
      const float share = probs[r * probs_stride + p] * (scale_v * own_scale(value, type, size));
      for (int i = 0; i < size; ++i) outs[r][i] = std::fma(share, cached(value, type, i), outs[r][i]);
    }
}

void store_cache(void* slot, const float* x, CacheType type, float scale, int n) noexcept {
  switch (type) {
    case CacheType::kF32:
      std::copy_n(x, n, static_cast<float*>(slot));
      return;
    case CacheType::kF16:
      for (int i = 0; i < n; ++i) static_cast<Half*>(slot)[i] = to_half(x[i]);
      return;
    case CacheType::kBF16:
      for (int i = 0; i < n; ++i) static_cast<BFloat16*>(slot)[i] = to_bfloat16(x[i]);
      return;
    case CacheType::kI8:
      quantize_static_i8(static_cast<std::int8_t*>(slot), x, scale, n);
      return;
    case CacheType::kQ8: {
      float absmax = 0;
      for (int i = 0; i < n; ++i)
        if (!(std::fabs(x[i]) <= absmax)) absmax = std::isnan(absmax) ? absmax : std::fabs(x[i]);
      const float own = absmax / 127.0f;
      quantize_static_i8(static_cast<std::int8_t*>(slot), x, own, n);
      std::memcpy(static_cast<std::byte*>(slot) + n, &own, sizeof own);
      return;
    }
  }
}

}  // namespace
}  // namespace ref

constinit const Table kRef = {
    .name = "ref",
    .needs = {},
    .quantize_q8 = ref::quantize_q8,
    .quantize_static_i8 = ref::quantize_static_i8,
    .fake_quantize_static_i8 = ref::fake_quantize_static_i8,
    .matmul_f32_f32 = ref::matmul_f32_f32,
    .matmul_f32_f16 = ref::matmul_f32_f16,
    .matmul_f32_bf16 = ref::matmul_f32_bf16,
    .matmul_f32_q8_0 = ref::matmul_f32_q8_0,
    .matmul_f32_q4_0 = ref::matmul_f32_q4_0,
    .matmul_f32_q4_k = ref::matmul_f32_q4_k,
    .matmul_f32_q6_k = ref::matmul_f32_q6_k,
    .matmul_f32_i8 = ref::matmul_f32_rows<8>,
    .matmul_f32_i4 = ref::matmul_f32_rows<4>,
    .matmul_f32_i2 = ref::matmul_f32_rows<2>,
    .matmul_q8_q8_0 = ref::matmul_q8_q8_0,
    .matmul_q8_q4_0 = ref::matmul_q8_q4_0,
    .matmul_q8_q4_k = ref::matmul_q8_q4_k,
    .matmul_q8_q6_k = ref::matmul_q8_q6_k,
    .matmul_i8_i8 = ref::matmul_i8_rows<8>,
    .matmul_i8_i4 = ref::matmul_i8_rows<4>,
    .matmul_i8_i2 = ref::matmul_i8_rows<2>,
    .rms_norm = ref::rms_norm,
    .rope = ref::rope,
    .gelu_mul = ref::gelu_mul,
    .add = ref::add,
    .scale = ref::scale,
    .add_scaled = ref::add_scaled,
    .softmax = ref::softmax,
    .softcap = ref::softcap,
    .log_sum_exp = ref::log_sum_exp,
    .argmax = ref::argmax,
    .attend_scores = ref::attend_scores,
    .softmax_piece = ref::softmax_piece,
    .attend_mix = ref::attend_mix,
    .store_cache = ref::store_cache,
};

}  // namespace facet::kernels
