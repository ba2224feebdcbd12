// int_matmul-inl.h: the table's entries for 8-bit activations.  In the target's unnamed namespace.

void matmul_q8_q4_0(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                    int k) noexcept {
  const auto* blocks = static_cast<const Q4_0Block*>(w);
  const auto* inputs = static_cast<const Q8_0Block*>(x);
  if (m == 1) return matvec_blocks<BlockQ4_0>(y, inputs, blocks, row_begin, row_end, k);
  matmul_int_tiles(CodesQ4_0{blocks, k}, y, y_stride, inputs, nullptr, 1, m, row_begin, row_end, k);
}
void matmul_q8_q8_0(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                    int k) noexcept {
  const auto* blocks = static_cast<const Q8_0Block*>(w);
  const auto* inputs = static_cast<const Q8_0Block*>(x);
  if (m == 1) return matvec_blocks<BlockQ8_0>(y, inputs, blocks, row_begin, row_end, k);
  matmul_int_tiles(CodesQ8_0{blocks, k}, y, y_stride, inputs, nullptr, 1, m, row_begin, row_end, k);
}
void matmul_q8_q4_k(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                    int k) noexcept {
  const auto* blocks = static_cast<const Q4_KBlock*>(w);
  const auto* inputs = static_cast<const Q8_0Block*>(x);
  if (m == 1) return matvec_q4_k(y, inputs, blocks, row_begin, row_end, k);
  matmul_int_tiles(CodesQ4_K{blocks, k}, y, y_stride, inputs, nullptr, 1, m, row_begin, row_end, k);
}
// Tokens one by one over rows that stay in the second-level cache: Q6_K is the type of heads, which see one token.
void matmul_q8_q6_k(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                    int k) noexcept {
  constexpr int kRows = 128;
  for (int r = row_begin; r < row_end; r += kRows)
    for (int t = 0; t < m; ++t)
      matvec_q6_k(y + t * y_stride, static_cast<const Q8_0Block*>(x) + std::ptrdiff_t{t} * (k / 32),
                  static_cast<const Q6_KBlock*>(w), r, r + kRows < row_end ? r + kRows : row_end, k);
}
template <int kBits>
void matmul_f32_rows(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, const float* row_scales,
                     float x_scale, int m, int row_begin, int row_end, int k) noexcept {
  const auto* codes = static_cast<const std::uint8_t*>(w);
  const auto* inputs = static_cast<const float*>(x);
  for (int t = 0; t < m; ++t, y += y_stride, inputs += k) {
    const float unit = digit_unit(inputs, k);
    if (unit > 0)
      matvec_digits<kBits>(y, inputs, unit, codes, row_scales, x_scale, row_begin, row_end, k);
    else
      matmul_floats(WeightsRow<kBits>{codes, k}, {y, y_stride, row_scales, x_scale}, inputs, 1, row_begin, row_end, k);
  }
}
template <int kBits>
void matmul_i8_rows(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, const float* row_scales,
                    float x_scale, int m, int row_begin, int row_end, int k) noexcept {
  const auto* codes = static_cast<const std::uint8_t*>(w);
  const auto* inputs = static_cast<const std::int8_t*>(x);
  if (m == 1) return matvec_rows<kBits>(y, inputs, codes, row_scales, x_scale, row_begin, row_end, k);
  matmul_int_tiles(CodesRow<kBits>{codes, k}, y, y_stride, inputs, row_scales, x_scale, m, row_begin, row_end, k);
}
