// Matrix products as their definition reads: decode 32 weights by the format's codec, multiply, add in f64 (or int32).
#include "kernels/ref/matmul.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "base/half.h"
#include "quant/row_int.h"

namespace facet::kernels::ref {
namespace {

constexpr int kChunk = 32;  // weights decoded at a time: one block, and whole bytes of every row format

std::size_t row_bytes(int bits, int k) { return (static_cast<std::size_t>(k) * bits + 7) / 8; }

// Decoders: weights [i, i + n) of row r as floats, n <= 32, i a multiple of 32.
struct F32 {
  const float* w;
  int k;
  void decode(int r, int i, int n, float* out) const { std::copy_n(w + std::ptrdiff_t{r} * k + i, n, out); }
};
template <typename T>
struct Float16 {
  const T* w;
  int k;
  void decode(int r, int i, int n, float* out) const {
    for (int j = 0; j < n; ++j) out[j] = to_float(w[std::ptrdiff_t{r} * k + i + j]);
  }
};
template <typename Block>
struct Blocks {
  const Block* w;
  int k;
  void decode(int r, int i, int n, float* out) const {
    decode_row(std::span(w + (std::ptrdiff_t{r} * k + i) / kChunk, 1), std::span(out, n));
  }
};
template <typename Block>
struct LongBlocks {  // a block is decoded whole for each 32 of its weights: slow and plain
  const Block* w;
  int k;
  void decode(int r, int i, int n, float* out) const {
    float block[Block::kWeights];
    decode_row(std::span(w + (std::ptrdiff_t{r} * k + i) / Block::kWeights, 1), block);
    std::copy_n(block + i % Block::kWeights, n, out);
  }
};
template <int kBits>
struct RowInt {
  const std::byte* w;
  int k;
  void codes(int r, int i, int n, std::int8_t* out) const {
    unpack_codes(std::span(w + r * row_bytes(kBits, k) + row_bytes(kBits, i), row_bytes(kBits, n)), kBits,
                 std::span(out, n));
  }
  void decode(int r, int i, int n, float* out) const {
    std::int8_t code[kChunk];
    codes(r, i, n, code);
    std::copy_n(code, n, out);
  }
};

template <typename Weights>
double dot(const float* x, const Weights& weights, int r, int k) {
  double sum = 0.0;
  for (int i = 0; i < k; i += kChunk) {
    const int n = std::min(kChunk, k - i);
    float w[kChunk];
    weights.decode(r, i, n, w);
    for (int j = 0; j < n; ++j) sum += static_cast<double>(x[i + j]) * w[j];
  }
  return sum;
}

template <typename Weights>
void matmul_f32(float* y, std::ptrdiff_t y_stride, const void* x, const Weights& weights, int m, int row_begin,
                int row_end, int k) {
  for (int t = 0; t < m; ++t)
    for (int r = row_begin; r < row_end; ++r)
      y[t * y_stride + r] =
          static_cast<float>(dot(static_cast<const float*>(x) + std::ptrdiff_t{t} * k, weights, r, k));
}

int block_dot(const Q8_0Block& x, const Q8_0Block& w) {
  int sum = 0;
  for (int j = 0; j < kChunk; ++j) sum += x.codes[j] * w.codes[j];
  return sum;
}
int block_dot(const Q8_0Block& x, const Q4_0Block& w) {
  int sum = 0;
  for (int j = 0; j < kChunk / 2; ++j)
    sum += x.codes[j] * ((w.codes[j] & 15) - 8) + x.codes[j + kChunk / 2] * ((w.codes[j] >> 4) - 8);
  return sum;
}

// The product of two halves is exact in f32, so each block costs one rounding: that of the fused multiply-add.
template <typename Block>
void matmul_q8(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
               int k) {
  const std::ptrdiff_t n_blocks = k / kChunk;
  for (int t = 0; t < m; ++t)
    for (int r = row_begin; r < row_end; ++r) {
      const Q8_0Block* xt = static_cast<const Q8_0Block*>(x) + t * n_blocks;
      const Block* wr = static_cast<const Block*>(w) + r * n_blocks;
      float sum = 0.0f;
      for (std::ptrdiff_t b = 0; b < n_blocks; ++b)
        sum = std::fma(static_cast<float>(block_dot(xt[b], wr[b])), to_float(wr[b].scale) * to_float(xt[b].scale), sum);
      y[t * y_stride + r] = sum;
    }
}

}  // namespace

void matmul_f32_f32(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                    int k) noexcept {
  matmul_f32(y, y_stride, x, F32{static_cast<const float*>(w), k}, m, row_begin, row_end, k);
}
void matmul_f32_f16(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                    int k) noexcept {
  matmul_f32(y, y_stride, x, Float16<Half>{static_cast<const Half*>(w), k}, m, row_begin, row_end, k);
}
void matmul_f32_bf16(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                     int k) noexcept {
  matmul_f32(y, y_stride, x, Float16<BFloat16>{static_cast<const BFloat16*>(w), k}, m, row_begin, row_end, k);
}
void matmul_f32_q8_0(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                     int k) noexcept {
  matmul_f32(y, y_stride, x, Blocks<Q8_0Block>{static_cast<const Q8_0Block*>(w), k}, m, row_begin, row_end, k);
}
void matmul_f32_q4_0(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                     int k) noexcept {
  matmul_f32(y, y_stride, x, Blocks<Q4_0Block>{static_cast<const Q4_0Block*>(w), k}, m, row_begin, row_end, k);
}
void matmul_q8_q8_0(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                    int k) noexcept {
  matmul_q8<Q8_0Block>(y, y_stride, x, w, m, row_begin, row_end, k);
}
void matmul_q8_q4_0(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                    int k) noexcept {
  matmul_q8<Q4_0Block>(y, y_stride, x, w, m, row_begin, row_end, k);
}

void matmul_f32_q4_k(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                     int k) noexcept {
  matmul_f32(y, y_stride, x, LongBlocks<Q4_KBlock>{static_cast<const Q4_KBlock*>(w), k}, m, row_begin, row_end, k);
}
void matmul_q8_q4_k(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                    int k) noexcept {
  for (int t = 0; t < m; ++t)
    for (int r = row_begin; r < row_end; ++r) {
      float sum = 0.0f;
      for (int i = 0; i < k; i += kChunk) {
        const Q8_0Block& xb = static_cast<const Q8_0Block*>(x)[(std::ptrdiff_t{t} * k + i) / kChunk];
        const Q4_KBlock& wb = static_cast<const Q4_KBlock*>(w)[(std::ptrdiff_t{r} * k + i) / Q4_KBlock::kWeights];
        const int at = i % Q4_KBlock::kWeights;
        const Q4_KGroup group = group_of(wb, at / kChunk);
        const auto codes = unpack_codes(wb);
        int dot = 0, x_sum = 0;
        for (int j = 0; j < kChunk; ++j) {
          dot += xb.codes[j] * codes[at + j];
          x_sum += xb.codes[j];
        }
        const float d_x = to_float(xb.scale);
        sum = std::fma(static_cast<float>(dot), to_float(wb.scale) * group.scale * d_x, sum);
        sum = std::fma(-(to_float(wb.min_unit) * group.min), static_cast<float>(x_sum) * d_x, sum);
      }
      y[t * y_stride + r] = sum;
    }
}

void matmul_f32_q6_k(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                     int k) noexcept {
  matmul_f32(y, y_stride, x, LongBlocks<Q6_KBlock>{static_cast<const Q6_KBlock*>(w), k}, m, row_begin, row_end, k);
}
void matmul_q8_q6_k(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                    int k) noexcept {
  for (int t = 0; t < m; ++t)
    for (int r = row_begin; r < row_end; ++r) {
      float sum = 0.0f;
      for (int i = 0; i < k; i += kChunk) {
        const Q8_0Block& xb = static_cast<const Q8_0Block*>(x)[(std::ptrdiff_t{t} * k + i) / kChunk];
        Q6_KBlock wb = static_cast<const Q6_KBlock*>(w)[(std::ptrdiff_t{r} * k + i) / Q6_KBlock::kWeights];
        const float scale = to_float(wb.scale) * to_float(xb.scale);
        wb.scale = to_half(1.0f);  // what is left are integers: codes times their groups' scales
        float integers[Q6_KBlock::kWeights];
        decode_row(std::span(&wb, 1), integers);
        int dot = 0;
        for (int j = 0; j < kChunk; ++j) dot += xb.codes[j] * static_cast<int>(integers[i % Q6_KBlock::kWeights + j]);
        sum = std::fma(static_cast<float>(dot), scale, sum);
      }
      y[t * y_stride + r] = sum;
    }
}

template <int kBits>
void matmul_f32_rows(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, const float* row_scales,
                     float x_scale, int m, int row_begin, int row_end, int k) noexcept {
  const RowInt<kBits> weights{static_cast<const std::byte*>(w), k};
  for (int t = 0; t < m; ++t)
    for (int r = row_begin; r < row_end; ++r)
      y[t * y_stride + r] =
          static_cast<float>(dot(static_cast<const float*>(x) + std::ptrdiff_t{t} * k, weights, r, k)) *
          (row_scales[r] * x_scale);
}

template <int kBits>
void matmul_i8_rows(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, const float* row_scales,
                    float x_scale, int m, int row_begin, int row_end, int k) noexcept {
  const RowInt<kBits> weights{static_cast<const std::byte*>(w), k};
  for (int t = 0; t < m; ++t)
    for (int r = row_begin; r < row_end; ++r) {
      const std::int8_t* xt = static_cast<const std::int8_t*>(x) + std::ptrdiff_t{t} * k;
      std::int32_t sum = 0;
      for (int i = 0; i < k; i += kChunk) {
        const int n = std::min(kChunk, k - i);
        std::int8_t code[kChunk];
        weights.codes(r, i, n, code);
        for (int j = 0; j < n; ++j) sum += xt[i + j] * code[j];
      }
      y[t * y_stride + r] = static_cast<float>(sum) * (row_scales[r] * x_scale);
    }
}

template void matmul_f32_rows<8>(float*, std::ptrdiff_t, const void*, const void*, const float*, float, int, int, int,
                                 int) noexcept;
template void matmul_f32_rows<4>(float*, std::ptrdiff_t, const void*, const void*, const float*, float, int, int, int,
                                 int) noexcept;
template void matmul_f32_rows<2>(float*, std::ptrdiff_t, const void*, const void*, const float*, float, int, int, int,
                                 int) noexcept;
template void matmul_i8_rows<8>(float*, std::ptrdiff_t, const void*, const void*, const float*, float, int, int, int,
                                int) noexcept;
template void matmul_i8_rows<4>(float*, std::ptrdiff_t, const void*, const void*, const float*, float, int, int, int,
                                int) noexcept;
template void matmul_i8_rows<2>(float*, std::ptrdiff_t, const void*, const void*, const float*, float, int, int, int,
                                int) noexcept;

}  // namespace facet::kernels::ref
