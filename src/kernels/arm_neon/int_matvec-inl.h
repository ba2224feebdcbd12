// int_matvec-inl.h: products of 8-bit activations with quantized weights for one token.  In the target's unnamed
// namespace.  Rows are read once, as they lie; results are the same bits as int_tile-inl.h gives.
//
// SDOT takes signed bytes on both sides, and codes of up to 7 bits are such bytes as they are stored, offset included:
// the offset is taken off through the sum of the activations, which costs nothing per row.  A matrix product of bytes
// (SMMLA) would waste half of its results on one token, so both targets read their rows this way.
//
// Limit: memory.  Of Q4_0, 18 bytes take about 8 instructions of two to four per cycle; a core reads 6 or so bytes per
// cycle.

constexpr int kFewTokens = 1, kTokensAtOnce = 1;  // more than one go through int_tile-inl.h: not measured otherwise

FACET_INLINE Codes codes_of(const Q8_0Block& block) { return unpack_i8(block.codes); }
FACET_INLINE int32x4_t add_dot(int32x4_t acc, Codes w, Codes x) {
  return vdotq_s32(vdotq_s32(acc, w.low, x.low), w.high, x.high);
}
FACET_INLINE Codes all_codes(int code) {
  const int8x16_t v = vdupq_n_s8(static_cast<std::int8_t>(code));
  return {v, v};
}
FACET_INLINE void prefetch(const void* p) { __builtin_prefetch(p); }

// A block of w times one of x in 4 partial sums.  kOffset: that of the codes.
struct BlockQ4_0 {
  using Type = Q4_0Block;
  static constexpr int kOffset = 8;
  static FACET_INLINE Codes codes(const Q4_0Block& w) {
    const uint8x16_t v = load_bytes(w.codes);
    return {as_signed(low_nibbles(v)), as_signed(high_nibbles(v))};
  }
};
struct BlockQ8_0 {
  using Type = Q8_0Block;
  static constexpr int kOffset = 0;
  static FACET_INLINE Codes codes(const Q8_0Block& w) { return codes_of(w); }
};

// Rows go eight at a time, so that the sums across lanes and the scales of a block are vectors too.  Beyond n: the last
// row again.
template <typename Type>
struct EightRows {
  const Type* rows[8];
  FACET_INLINE EightRows(const Type* w, int row, int n, int n_blocks) {
    for (int r = 0; r < 8; ++r) rows[r] = w + std::ptrdiff_t{row + (r < n ? r : n - 1)} * n_blocks;
  }
  FACET_INLINE F scales(int b) const {
    uint16x8_t v = vdupq_n_u16(rows[0][b].scale.bits);
    v = vld1q_lane_u16(&rows[1][b].scale.bits, v, 1);
    v = vld1q_lane_u16(&rows[2][b].scale.bits, v, 2);
    v = vld1q_lane_u16(&rows[3][b].scale.bits, v, 3);
    v = vld1q_lane_u16(&rows[4][b].scale.bits, v, 4);
    v = vld1q_lane_u16(&rows[5][b].scale.bits, v, 5);
    v = vld1q_lane_u16(&rows[6][b].scale.bits, v, 6);
    v = vld1q_lane_u16(&rows[7][b].scale.bits, v, 7);
    return halves_to_float(v);
  }
};
// y = fma(sums, d_w * d_x, y), the order of table.h.
FACET_INLINE F add_block(F sum, const int32x4_t dots[8], F scales, Half x_scale) {
  const F s = {vcvtq_f32_s32(int_sums_of_4(dots)), vcvtq_f32_s32(int_sums_of_4(dots + 4))};
  return mul_add(s, mul(scales, set(half_to_float(x_scale))), sum);
}
FACET_INLINE void store_rows(float* y, F sum, int n) {
  store_first_4(y, sum.low, n < 4 ? n : 4);
  if (n > 4) store_first_4(y + 4, sum.high, n - 4);
}

template <typename Block, int T>
void matvec_blocks(float* y, std::ptrdiff_t, const Q8_0Block* x, const typename Block::Type* w, int row_begin,
                   int row_end, int k) {
  static_assert(T == 1);
  using Type = typename Block::Type;
  constexpr int kBytesOfEight = 8 * sizeof(Type);
  const int n_blocks = k / 32;
  for (int row = row_begin; row < row_end; row += 8) {
    const int n_rows = row_end - row < 8 ? row_end - row : 8;
    const EightRows<Type> eight(w, row, n_rows, n_blocks);
    // Eight streams side by side may be more than the CPU's own prefetching follows: ask for the next eight rows, which
    // lie behind these, at the pace at which these are used.
    const char* ahead = reinterpret_cast<const char*>(w + std::ptrdiff_t{row + 8} * n_blocks);
    F sum = zero();
    for (int b = 0; b < n_blocks; ++b, ahead += kBytesOfEight) {
#pragma GCC unroll 8
      for (int line = 0; line < kBytesOfEight; line += 64) prefetch(ahead + line);
      const Codes codes = codes_of(x[b]);
      const int32x4_t begin = add_dot(vdupq_n_s32(0), all_codes(-Block::kOffset), codes);
      int32x4_t dots[8];
#pragma GCC unroll 8
      for (int r = 0; r < 8; ++r) dots[r] = add_dot(begin, Block::codes(eight.rows[r][b]), codes);
      sum = add_block(sum, dots, eight.scales(b), x[b].scale);
    }
    store_rows(y + row, sum, n_rows);
  }
}

// Q6_K: as matvec_blocks, 32 weights of 8 rows at a time; each half of them is a group with a scale of its own.
template <int T>
void matvec_q6_k(float* y, std::ptrdiff_t, const Q8_0Block* x, const Q6_KBlock* w, int row_begin, int row_end, int k) {
  static_assert(T == 1);
  const int n_blocks = k / Q6_KBlock::kWeights;
  for (int row = row_begin; row < row_end; row += 8) {
    const int n_rows = row_end - row < 8 ? row_end - row : 8;
    const EightRows<Q6_KBlock> eight(w, row, n_rows, n_blocks);
    const char* ahead = reinterpret_cast<const char*>(w + std::ptrdiff_t{row + 8} * n_blocks);
    F sum = zero();
    for (int b = 0; b < n_blocks; ++b) {
      const F scales = eight.scales(b);
#pragma GCC unroll 8
      for (int s = 0; s < 8; ++s, ahead += sizeof(Q6_KBlock)) {  // an eighth of eight blocks
        for (int line = 0; line < 4; ++line) prefetch(ahead + 64 * line);
        const Codes codes = codes_of(x[8 * b + s]), offset = all_codes(-32);
        const int32x4_t begin[2] = {vdotq_s32(vdupq_n_s32(0), offset.low, codes.low),
                                    vdotq_s32(vdupq_n_s32(0), offset.high, codes.high)};
        int32x4_t dots[8];
#pragma GCC unroll 8
        for (int r = 0; r < 8; ++r) {
          const Q6_KBlock& from = eight.rows[r][b];
          const Codes v = unpack_q6_k(from, s);
          dots[r] = vmulq_n_s32(vdotq_s32(begin[0], v.low, codes.low), from.scales[2 * s]);
          dots[r] = vmlaq_n_s32(dots[r], vdotq_s32(begin[1], v.high, codes.high), from.scales[2 * s + 1]);
        }
        sum = add_block(sum, dots, scales, x[8 * b + s].scale);
        FACET_KEEP_IN_MEMORY;
      }
    }
    store_rows(y + row, sum, n_rows);
  }
}

// What eight Q4_K blocks say of their groups: of group g those of all blocks in [g].
struct GroupsQ4_K {
  uint8x8_t scales[8], mins[8];
};
// Columns of 8 rows of 8 bytes.
FACET_INLINE void transpose_bytes(const std::uint64_t rows[8], uint8x8_t out[8]) {
  uint16x4_t a[8];
  uint32x2_t b[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    const uint8x8_t v = vcreate_u8(rows[i]), u = vcreate_u8(rows[i + 1]);
    a[i] = vreinterpret_u16_u8(vtrn1_u8(v, u));
    a[i + 1] = vreinterpret_u16_u8(vtrn2_u8(v, u));
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const int from = i / 2 * 4 + i % 2;  // 0 1 4 5
    b[from] = vreinterpret_u32_u16(vtrn1_u16(a[from], a[from + 2]));
    b[from + 2] = vreinterpret_u32_u16(vtrn2_u16(a[from], a[from + 2]));
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    out[i] = vreinterpret_u8_u32(vtrn1_u32(b[i], b[i + 4]));
    out[i + 4] = vreinterpret_u8_u32(vtrn2_u32(b[i], b[i + 4]));
  }
}
FACET_INLINE GroupsQ4_K groups_of_8(const Q4_KBlock* const* rows, int b) {
  std::uint64_t scales[8], mins[8];
#pragma GCC unroll 8
  for (int r = 0; r < 8; ++r) {
    std::uint32_t p[3];
    __builtin_memcpy(p, rows[r][b].groups, sizeof p);
    const std::uint32_t six = 0x3f3f3f3f, four = 0x0f0f0f0f, top = 0x30303030;
    scales[r] = (p[0] & six) | std::uint64_t{(p[2] & four) | (p[0] >> 2 & top)} << 32;
    mins[r] = (p[1] & six) | std::uint64_t{(p[2] >> 4 & four) | (p[1] >> 2 & top)} << 32;
  }
  GroupsQ4_K out;
  transpose_bytes(scales, out.scales);
  transpose_bytes(mins, out.mins);
  return out;
}
FACET_INLINE F to_floats(uint8x8_t v) {
  const uint16x8_t wide = vmovl_u8(v);
  return {vcvtq_f32_u32(vmovl_u16(vget_low_u16(wide))), vcvtq_f32_u32(vmovl_high_u16(wide))};
}
FACET_INLINE F min_units(const Q4_KBlock* const* rows, int b) {
  std::uint16_t bits[8];
#pragma GCC unroll 8
  for (int r = 0; r < 8; ++r) bits[r] = rows[r][b].min_unit.bits;
  return halves_to_float(vld1q_u16(bits));
}

// Q4_K: as matvec_blocks, 32 weights of 8 rows at a time.
void matvec_q4_k(float* y, const Q8_0Block* x, const Q4_KBlock* w, int row_begin, int row_end, int k) {
  const int n_blocks = k / Q4_KBlock::kWeights;
  for (int row = row_begin; row < row_end; row += 8) {
    const int n_rows = row_end - row < 8 ? row_end - row : 8;
    const EightRows<Q4_KBlock> eight(w, row, n_rows, n_blocks);
    const char* ahead = reinterpret_cast<const char*>(w + std::ptrdiff_t{row + 8} * n_blocks);
    F sum = zero();
    for (int b = 0; b < n_blocks; ++b) {
      const F scales = eight.scales(b), units = min_units(eight.rows, b);
      const GroupsQ4_K groups = groups_of_8(eight.rows, b);
#pragma GCC unroll 8
      for (int g = 0; g < Q4_KBlock::kGroups; ++g, ahead += sizeof(Q4_KBlock)) {  // an eighth of eight blocks
        for (int line = 0; line < 3; ++line) prefetch(ahead + 64 * line);
        const Q8_0Block& block = x[Q4_KBlock::kGroups * b + g];
        const Codes codes = codes_of(block);
        const int x_sum = vaddvq_s32(add_dot(vdupq_n_s32(0), all_codes(1), codes));
        int32x4_t dots[8];
#pragma GCC unroll 8
        for (int r = 0; r < 8; ++r) dots[r] = add_dot(vdupq_n_s32(0), unpack_q4_k(eight.rows[r][b], g), codes);
        sum = add_block(sum, dots, mul(scales, to_floats(groups.scales[g])), block.scale);
        const F mins = mul(units, to_floats(groups.mins[g]));
        sum = neg_mul_add(mins, set(static_cast<float>(x_sum) * half_to_float(block.scale)), sum);
        FACET_KEEP_IN_MEMORY;
      }
    }
    store_rows(y + row, sum, n_rows);
  }
}

// Row formats.  16 bytes of weights hold 8 / kBits planes: plane p has the codes of the columns p, p + 8 / kBits, ...
// of its group.  The activations are put into the same order once per kRowBlock rows, by loads that do just that,
// instead of every row's codes into theirs.
constexpr int kVecChunk = 4096, kRowBlock = 128;

template <int kBits>
struct Planes {
  static constexpr int kPlanes = 8 / kBits, kGroup = 16 * kPlanes, kOffset = kBits == 8 ? 0 : 1 << (kBits - 1);
  static constexpr int kCopyBytes = kVecChunk + kGroup;

  static FACET_INLINE void split(const std::int8_t* x, int8x16_t out[kPlanes]) {
    if constexpr (kPlanes == 1) {
      out[0] = vld1q_s8(x);
    } else if constexpr (kPlanes == 2) {
      const int8x16x2_t v = vld2q_s8(x);
      for (int p = 0; p < 2; ++p) out[p] = v.val[p];
    } else {
      const int8x16x4_t v = vld4q_s8(x);
      for (int p = 0; p < 4; ++p) out[p] = v.val[p];
    }
  }
  // n columns of x, padded with zeros to whole groups.  Returns the sum of codes.
  static FACET_INLINE std::int32_t arrange(const std::int8_t* x, int n, std::int8_t* out) {
    int32x4_t sum = vdupq_n_s32(0);
    for (int c = 0; c < n; c += kGroup) {
      std::int8_t buffer[kGroup];
      const std::int8_t* p = x + c;
      if (n - c < kGroup) {
        __builtin_memset(buffer, 0, kGroup);
        __builtin_memcpy(buffer, p, n - c);
        p = buffer;
      }
      int8x16_t v[kPlanes];
      split(p, v);
#pragma GCC unroll 4
      for (int i = 0; i < kPlanes; ++i) {
        sum = vdotq_s32(sum, v[i], vdupq_n_s8(1));
        vst1q_s8(out + c + 16 * i, v[i]);
      }
    }
    return vaddvq_s32(sum);
  }
  static FACET_INLINE void codes(const std::uint8_t* w, int8x16_t out[kPlanes]) {
    const uint8x16_t v = load_bytes(w);
    if constexpr (kPlanes == 1) {
      out[0] = as_signed(v);
    } else if constexpr (kPlanes == 2) {
      out[0] = as_signed(low_nibbles(v));
      out[1] = as_signed(high_nibbles(v));
    } else {
      const uint8x16_t mask = vdupq_n_u8(3);
      out[0] = as_signed(vandq_u8(v, mask));
      out[1] = as_signed(vandq_u8(vshrq_n_u8(v, 2), mask));
      out[2] = as_signed(vandq_u8(vshrq_n_u8(v, 4), mask));
      out[3] = as_signed(vshrq_n_u8(v, 6));
    }
  }
};

// Adds to sums[d][r] the products of n columns of D rows of activations, arranged, with those of n_rows rows at w.
// kRows rows side by side: each has one chain of dot products, which wait for one another.
template <int kBits, int D, int kRows>
FACET_INLINE void add_rows(std::int32_t (*sums)[kRowBlock], const std::int8_t (*x)[Planes<kBits>::kCopyBytes],
                           const std::uint8_t* w, std::ptrdiff_t row_bytes, int n_rows, int n) {
  using Format = Planes<kBits>;
  constexpr int kPlanes = Format::kPlanes;
  const int n_bytes = static_cast<int>(row_size_bytes(kBits, n)), whole = n_bytes / 16 * 16;
  for (int r = 0; r < n_rows; r += kRows) {
    const std::uint8_t* row[kRows];
    int32x4_t acc[D][kRows];
#pragma GCC unroll 8
    for (int j = 0; j < kRows; ++j) {
      row[j] = w + (r + j < n_rows ? r + j : n_rows - 1) * row_bytes;
#pragma GCC unroll 3
      for (int d = 0; d < D; ++d) acc[d][j] = vdupq_n_s32(0);
    }
    auto add = [&](int j, const std::uint8_t* p, int at) FACET_INLINE_LAMBDA {  // 16 bytes of row j
      int8x16_t u[kPlanes];
      Format::codes(p, u);
#pragma GCC unroll 3
      for (int d = 0; d < D; ++d)
#pragma GCC unroll 4
        for (int i = 0; i < kPlanes; ++i) acc[d][j] = vdotq_s32(acc[d][j], u[i], vld1q_s8(x[d] + (at + 16 * i)));
    };
    for (int i = 0; i < whole; i += 16) {
      if (i % 64 == 0)  // the same columns of the next rows
#pragma GCC unroll 8
        for (int j = 0; j < kRows; ++j) prefetch(row[j] + kRows * row_bytes + i);
#pragma GCC unroll 8
      for (int j = 0; j < kRows; ++j) add(j, row[j] + i, i * kPlanes);
    }
    if (whole < n_bytes)
#pragma GCC unroll 8
      for (int j = 0; j < kRows; ++j) {  // what lies behind the row may not exist; its pad codes meet zeros
        std::uint8_t buffer[16] = {};
        __builtin_memcpy(buffer, row[j] + whole, n_bytes - whole);
        add(j, buffer, whole * kPlanes);
      }
#pragma GCC unroll 3
    for (int d = 0; d < D; ++d)
#pragma GCC unroll 2
      for (int j = 0; j < kRows; j += 4) {
        std::int32_t* to = sums[d] + r + j;  // kRowBlock is a multiple of kRows
        vst1q_s32(to, vaddq_s32(vld1q_s32(to), int_sums_of_4(acc[d] + j)));
      }
  }
}

template <int kBits, int T>
void matvec_rows(float* y, std::ptrdiff_t, const std::int8_t* x, const std::uint8_t* w, const float* row_scales,
                 float x_scale, int row_begin, int row_end, int k) {
  static_assert(T == kTokensAtOnce && T == 1);
  using Format = Planes<kBits>;
  alignas(64) std::int8_t arranged[1][Format::kCopyBytes];
  const std::ptrdiff_t row_bytes = row_size_bytes(kBits, k);
  for (int r0 = row_begin; r0 < row_end; r0 += kRowBlock) {
    const int n_rows = row_end - r0 < kRowBlock ? row_end - r0 : kRowBlock;
    std::int32_t sums[1][kRowBlock] = {}, x_sum = 0;
    for (int c = 0; c < k; c += kVecChunk) {
      const int n = k - c < kVecChunk ? k - c : kVecChunk;
      x_sum += Format::arrange(x + c, n, arranged[0]);
      add_rows<kBits, 1, 8>(sums, arranged, w + r0 * row_bytes + row_size_bytes(kBits, c), row_bytes, n_rows, n);
    }
    for (int r = 0; r < n_rows; ++r)
      y[r0 + r] = static_cast<float>(sums[0][r] - Format::kOffset * x_sum) * (row_scales[r0 + r] * x_scale);
  }
}

// Float activations, as three rows of digits (digits-inl.h), which meet each row of codes while
// it is there.
template <int kBits>
void matvec_digits(float* y, const float* x, float unit, const std::uint8_t* w, const float* row_scales, float x_scale,
                   int row_begin, int row_end, int k) {
  using Format = Planes<kBits>;
  alignas(64) std::int8_t digits[3 * kVecChunk];
  alignas(64) std::int8_t arranged[3][Format::kCopyBytes];
  const std::ptrdiff_t row_bytes = row_size_bytes(kBits, k);
  for (int r0 = row_begin; r0 < row_end; r0 += kRowBlock) {
    const int n_rows = row_end - r0 < kRowBlock ? row_end - r0 : kRowBlock;
    std::int32_t sums[3][kRowBlock] = {}, x_sums[3] = {};
    for (int c = 0; c < k; c += kVecChunk) {
      const int n = k - c < kVecChunk ? k - c : kVecChunk;
      split_digits(x + c, n, unit, digits, kVecChunk);
      for (int d = 0; d < 3; ++d) x_sums[d] += Format::arrange(digits + d * kVecChunk, n, arranged[d]);
      add_rows<kBits, 3, 4>(sums, arranged, w + r0 * row_bytes + row_size_bytes(kBits, c), row_bytes, n_rows, n);
    }
    for (int r = 0; r < n_rows; ++r) {
      double sum = 0;
      for (int d = 2; d >= 0; --d) sum = sum * 256 + (sums[d][r] - Format::kOffset * x_sums[d]);
      y[r0 + r] = static_cast<float>(sum * unit) * (row_scales[r0 + r] * x_scale);
    }
  }
}
