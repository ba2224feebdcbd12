// int_matvec-inl.h: products of 8-bit activations with quantized weights for one token.  In the target's unnamed
// namespace.  Rows are read once, as they lie; results are the same bits as int_tile-inl.h gives.
//
// Limit: memory.  A core reads some 20 GB/s, 6 bytes per cycle; Q4_0 has 18 bytes per block, so a block may cost 3
// cycles.

// One block of w times one of x in 8 partial sums, plus kOffset * (sum of x).
struct BlockQ4_0 {
  using Type = Q4_0Block;
  static constexpr int kOffset = 8;
  static FACET_INLINE __m256i dot(const Q4_0Block& w, __m256i x) { return dot_small(unpack_q4_0(w.codes), x); }
};
struct BlockQ8_0 {
  using Type = Q8_0Block;
  static constexpr int kOffset = kByteOffset;
  static FACET_INLINE __m256i dot(const Q8_0Block& w, __m256i x) {
    return dot_bytes(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(w.codes)), x);
  }
};

// Eight rows at a time, so that the sums across lanes and the scales of a block are vectors too.
template <typename Block>
void matvec_blocks(float* y, const Q8_0Block* x, const typename Block::Type* w, int row_begin, int row_end, int k) {
  const int n_blocks = k / 32;
  for (int row = row_begin; row < row_end; row += 8) {
    const int n_rows = row_end - row < 8 ? row_end - row : 8;
    const typename Block::Type* rows[8];
    for (int r = 0; r < 8; ++r) rows[r] = w + std::ptrdiff_t{row + (r < n_rows ? r : n_rows - 1)} * n_blocks;
    __m256 sum = _mm256_setzero_ps();
    for (int b = 0; b < n_blocks; ++b) {
      const __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x[b].codes));
      __m256i dots[8];
      __m128i scales = _mm_setzero_si128();
#pragma GCC unroll 8
      for (int r = 0; r < 8; ++r) dots[r] = Block::dot(rows[r][b], codes);
      scales = _mm_insert_epi16(scales, rows[0][b].scale.bits, 0);
      scales = _mm_insert_epi16(scales, rows[1][b].scale.bits, 1);
      scales = _mm_insert_epi16(scales, rows[2][b].scale.bits, 2);
      scales = _mm_insert_epi16(scales, rows[3][b].scale.bits, 3);
      scales = _mm_insert_epi16(scales, rows[4][b].scale.bits, 4);
      scales = _mm_insert_epi16(scales, rows[5][b].scale.bits, 5);
      scales = _mm_insert_epi16(scales, rows[6][b].scale.bits, 6);
      scales = _mm_insert_epi16(scales, rows[7][b].scale.bits, 7);
      __m256i exact = int_sums_of_8(dots);
      if (Block::kOffset != 0) exact = _mm256_sub_epi32(exact, _mm256_set1_epi32(Block::kOffset * sum_of_bytes(codes)));
      const __m256 scale = _mm256_mul_ps(_mm256_cvtph_ps(scales), _mm256_set1_ps(half_to_float(x[b].scale)));
      sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(exact), scale, sum);
    }
    store_first_4(y + row, _mm256_castps256_ps128(sum), n_rows < 4 ? n_rows : 4);
    if (n_rows > 4) store_first_4(y + row + 4, _mm256_extractf128_ps(sum, 1), n_rows - 4);
  }
}

// Row formats.  A vector of kBytes weight bytes holds 8 / kBits planes: plane p has the codes of columns p, p + 8 /
// kBits,
// ... of its group of columns.  The activations are put into the same order once per kRowBlock rows, which costs less
// than putting every row's codes into theirs.
constexpr int kVecChunk = 4096, kRowBlock = 64;

template <int kBits>
struct Planes {
  static constexpr int kPlanes = 8 / kBits, kGroup = kBytes * kPlanes, kOffset = 1 << (kBits - 1);
  static constexpr int kCopyOfGroup = kGroup, kCopyBytes = kVecChunk + kGroup;

  // n columns of x, padded with zeros to whole groups.  Returns the sum of codes.
  static FACET_INLINE std::int32_t arrange(const std::int8_t* x, int n, std::int8_t* out) {
    std::int32_t sum = 0;
    for (int c = 0; c < n; c += kGroup, out += kGroup)
      for (int half = 0; half < kBytes; half += 32) {  // 32 bytes of each plane
        const int at = c + half * kPlanes, width = n - at;
        alignas(32) std::int8_t buffer[32 * kPlanes];
        const std::int8_t* p = x + at;
        if (width < 32 * kPlanes) {
          __builtin_memset(buffer, 0, sizeof(buffer));
          if (width > 0) __builtin_memcpy(buffer, p, width);
          p = buffer;
        }
        __m256i v[kPlanes];
        for (int i = 0; i < kPlanes; ++i) {
          v[i] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32 * i));
          sum += sum_of_bytes(v[i]);
        }
        split_planes(v, out + half, kBytes);
      }
    return sum;
  }
  // Bytes j with j % kPlanes == p of the vectors go to out + p * stride.
  static FACET_INLINE void split_planes(const __m256i* v, std::int8_t* out, int stride) {
    for (int p = 0; p < kPlanes; ++p) {
      if constexpr (kBits == 4) {
        const __m256i mask = _mm256_set1_epi16(255);
        const __m256i a = p == 0 ? _mm256_and_si256(v[0], mask) : _mm256_srli_epi16(v[0], 8);
        const __m256i b = p == 0 ? _mm256_and_si256(v[1], mask) : _mm256_srli_epi16(v[1], 8);
        store_32(out + p * stride, _mm256_permute4x64_epi64(_mm256_packus_epi16(a, b), 0xd8));  // 0 2 1 3
      } else {
        const __m256i mask = _mm256_set1_epi32(255);
        const __m128i shift = _mm_cvtsi32_si128(8 * p);
        __m256i u[4];
        for (int i = 0; i < 4; ++i) u[i] = _mm256_and_si256(_mm256_srl_epi32(v[i], shift), mask);
        const __m256i packed = _mm256_packus_epi16(_mm256_packus_epi32(u[0], u[1]), _mm256_packus_epi32(u[2], u[3]));
        store_32(out + p * stride, _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
      }
    }
  }
  static FACET_INLINE I add_dot(I acc, const std::uint8_t* w, const std::int8_t* x) {
    const I v = int_load(w);
    I u[kPlanes], s[kPlanes];
    u[0] = bytes_and(v, 2 * kOffset - 1);
    u[1] = bytes_and(bytes_shift_right<kBits>(v), 2 * kOffset - 1);
    if constexpr (kPlanes == 4) {
      u[2] = bytes_and(bytes_shift_right<2 * kBits>(v), 2 * kOffset - 1);
      u[3] = bytes_and(bytes_shift_right<3 * kBits>(v), 2 * kOffset - 1);
    }
    for (int p = 0; p < kPlanes; ++p) s[p] = int_load(x + p * kBytes);
    return dot_planes<kPlanes>(acc, u, s);
  }
};

template <>
struct Planes<8> : WholeBytes<kVecChunk> {};

template <int kBits>
void matvec_rows(float* y, const std::int8_t* x, const std::uint8_t* w, const float* row_scales, float x_scale,
                 int row_begin, int row_end, int k) {
  using Format = Planes<kBits>;
  alignas(64) std::int8_t arranged[Format::kCopyBytes];
  const std::ptrdiff_t row_bytes = row_size_bytes(kBits, k);
  // A vector may run into the rows that follow (their codes meet zeros), but not behind the last.
  const std::uint8_t* const last = w + row_end * row_bytes - kBytes;
  for (int r0 = row_begin; r0 < row_end; r0 += kRowBlock) {
    const int n_rows = row_end - r0 < kRowBlock ? row_end - r0 : kRowBlock;
    std::int32_t sums[kRowBlock] = {}, x_sum = 0;
    for (int c = 0; c < k; c += kVecChunk) {
      const int n = k - c < kVecChunk ? k - c : kVecChunk;
      x_sum += Format::arrange(x + c, n, arranged);
      const int whole = n / Format::kGroup, rest_bytes = static_cast<int>(row_size_bytes(kBits, n)) - whole * kBytes;
      for (int r = 0; r < n_rows; r += 4) {
        const std::uint8_t* row[4];
        I acc[4];
        for (int j = 0; j < 4; ++j) {
          row[j] = w + (r0 + (r + j < n_rows ? r + j : n_rows - 1)) * row_bytes + row_size_bytes(kBits, c);
          acc[j] = int_zero();
        }
        for (int g = 0; g < whole; ++g)
#pragma GCC unroll 4
          for (int j = 0; j < 4; ++j)
            acc[j] = Format::add_dot(acc[j], row[j] + g * kBytes, arranged + g * Format::kCopyOfGroup);
        if (rest_bytes > 0)
          for (int j = 0; j < 4; ++j) {
            std::uint8_t buffer[kBytes];
            const std::uint8_t* p = row[j] + whole * kBytes;
            if (p > last) {
              __builtin_memset(buffer, 0, kBytes);
              __builtin_memcpy(buffer, p, rest_bytes);
              p = buffer;
            }
            acc[j] = Format::add_dot(acc[j], p, arranged + whole * Format::kCopyOfGroup);
          }
        const __m128i four = int_sums_of_4(acc);
        std::int32_t* to = sums + r;  // kRowBlock is a multiple of 4
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                         _mm_add_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(to)), four));
      }
    }
    const auto offset = static_cast<std::uint32_t>(wrapped_product(Format::kOffset, x_sum));
    for (int r = 0; r < n_rows; ++r)
      y[r0 + r] = static_cast<float>(static_cast<std::int32_t>(static_cast<std::uint32_t>(sums[r]) - offset)) *
                  (row_scales[r0 + r] * x_scale);
  }
}
