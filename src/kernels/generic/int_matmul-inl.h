// int_matmul-inl.h: the table's entries for 8-bit activations.  In the target's unnamed namespace.

// matvec.operator()<T>(t, begin, end) for tokens t .. t + T - 1, T up to kTokensAtOnce, until all m have had theirs.
template <typename Matvec>
FACET_INLINE void few_at_once(int m, int row_begin, int row_end, std::ptrdiff_t row_bytes, const Matvec& matvec) {
  if (m < 1) return;
  const int groups = (m + kTokensAtOnce - 1) / kTokensAtOnce, step = (m + groups - 1) / groups;  // 5 = 3 + 2
  auto run = [&](int t, int begin, int end) FACET_INLINE_LAMBDA {
    const int n = m - t < step ? m - t : step;
    if constexpr (kTokensAtOnce >= 4) {
      if (n >= 4) return matvec.template operator()<4>(t, begin, end);
      if (n == 3) return matvec.template operator()<3>(t, begin, end);
      if (n == 2) return matvec.template operator()<2>(t, begin, end);
    }
    matvec.template operator()<1>(t, begin, end);
  };
  over_cached_rows(m, step, row_begin, row_end, row_bytes, run);
}
template <typename Block>
void matvec_few(float* y, std::ptrdiff_t y_stride, const Q8_0Block* x, const typename Block::Type* w, int m,
                int row_begin, int row_end, int k) {
  const std::ptrdiff_t row_blocks = k / 32;
  few_at_once(m, row_begin, row_end, row_blocks * static_cast<std::ptrdiff_t>(sizeof(typename Block::Type)),
              [&]<int T>(int t, int begin, int end) FACET_INLINE_LAMBDA {
                matvec_blocks<Block, T>(y + t * y_stride, y_stride, x + t * row_blocks, w, begin, end, k);
              });
}

void matmul_q8_q4_0(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                    int k) noexcept {
  const auto* blocks = static_cast<const Q4_0Block*>(w);
  const auto* inputs = static_cast<const Q8_0Block*>(x);
  if (m <= kFewTokens) return matvec_few<BlockQ4_0>(y, y_stride, inputs, blocks, m, row_begin, row_end, k);
  matmul_int_tiles(CodesQ4_0{blocks, k}, y, y_stride, inputs, nullptr, 1, m, row_begin, row_end, k);
}
void matmul_q8_q8_0(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                    int k) noexcept {
  const auto* blocks = static_cast<const Q8_0Block*>(w);
  const auto* inputs = static_cast<const Q8_0Block*>(x);
  if (m <= kFewTokens) return matvec_few<BlockQ8_0>(y, y_stride, inputs, blocks, m, row_begin, row_end, k);
  matmul_int_tiles(CodesQ8_0{blocks, k}, y, y_stride, inputs, nullptr, 1, m, row_begin, row_end, k);
}
void matmul_q8_q4_k(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                    int k) noexcept {
  const auto* blocks = static_cast<const Q4_KBlock*>(w);
  const auto* inputs = static_cast<const Q8_0Block*>(x);
  if (m == 1) return matvec_q4_k(y, inputs, blocks, row_begin, row_end, k);
  if (m <= kFewTokens)
    return over_cached_rows(m, 1, row_begin, row_end, k / 256 * static_cast<std::ptrdiff_t>(sizeof(Q4_KBlock)),
                            [&](int t, int begin, int end) FACET_INLINE_LAMBDA {
                              matvec_q4_k(y + t * y_stride, inputs + std::ptrdiff_t{t} * (k / 32), blocks, begin, end,
                                          k);
                            });
  matmul_int_tiles(CodesQ4_K{blocks, k}, y, y_stride, inputs, nullptr, 1, m, row_begin, row_end, k);
}
// Q6_K is the type of heads, which see few tokens: it has no panels.
void matmul_q8_q6_k(float* y, std::ptrdiff_t y_stride, const void* x, const void* w, int m, int row_begin, int row_end,
                    int k) noexcept {
  const auto* blocks = static_cast<const Q6_KBlock*>(w);
  const auto* inputs = static_cast<const Q8_0Block*>(x);
  few_at_once(m, row_begin, row_end, k / 256 * static_cast<std::ptrdiff_t>(sizeof(Q6_KBlock)),
              [&]<int T>(int t, int begin, int end) FACET_INLINE_LAMBDA {
                matvec_q6_k<T>(y + t * y_stride, y_stride, inputs + std::ptrdiff_t{t} * (k / 32), blocks, begin, end,
                               k);
              });
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
  if (m <= kFewTokens)
    return few_at_once(m, row_begin, row_end, row_size_bytes(kBits, k),
                       [&]<int T>(int t, int begin, int end) FACET_INLINE_LAMBDA {
                         matvec_rows<kBits, T>(y + t * y_stride, y_stride, inputs + std::ptrdiff_t{t} * k, codes,
                                               row_scales, x_scale, begin, end, k);
                       });
  matmul_int_tiles(CodesRow<kBits>{codes, k}, y, y_stride, inputs, row_scales, x_scale, m, row_begin, row_end, k);
}
