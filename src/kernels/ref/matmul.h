// matmul.h: the reference matrix products; see table.h for the meaning of every argument.
#pragma once

#include "kernels/table.h"

namespace facet::kernels::ref {

void matmul_f32_f32(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                    int k) noexcept;
void matmul_f32_f16(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                    int k) noexcept;
void matmul_f32_bf16(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                     int k) noexcept;
void matmul_f32_q8_0(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                     int k) noexcept;
void matmul_f32_q4_0(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                     int k) noexcept;
void matmul_q8_q8_0(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                    int k) noexcept;
void matmul_q8_q4_0(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                    int k) noexcept;
void matmul_f32_q4_k(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                     int k) noexcept;
void matmul_f32_q6_k(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                     int k) noexcept;
void matmul_q8_q4_k(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                    int k) noexcept;
void matmul_q8_q6_k(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                    int k) noexcept;
// kBits: 8, 4 or 2.
template <int kBits>
void matmul_f32_rows(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, const float* row_scales,
                     float x_scale, int m, int row_begin, int row_end, int k) noexcept;
template <int kBits>
void matmul_i8_rows(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, const float* row_scales,
                    float x_scale, int m, int row_begin, int row_end, int k) noexcept;

}  // namespace facet::kernels::ref
