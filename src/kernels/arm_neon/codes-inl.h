// codes-inl.h: quantized weights as signed bytes, 32 at a time.  Included inside the target's unnamed namespace.

// 32 codes of a row in their order.
struct Codes {
  int8x16_t low, high;
};

FACET_INLINE uint8x16_t load_bytes(const void* p) { return vld1q_u8(static_cast<const std::uint8_t*>(p)); }
FACET_INLINE int8x16_t as_signed(uint8x16_t v) { return vreinterpretq_s8_u8(v); }
FACET_INLINE int8x16_t less_offset(uint8x16_t v, int offset) {
  return vsubq_s8(as_signed(v), vdupq_n_s8(static_cast<std::int8_t>(offset)));
}
FACET_INLINE void store_codes(std::int8_t* out, Codes v) {
  vst1q_s8(out, v.low);
  vst1q_s8(out + 16, v.high);
}

FACET_INLINE uint8x16_t low_nibbles(uint8x16_t v) { return vandq_u8(v, vdupq_n_u8(15)); }
FACET_INLINE uint8x16_t high_nibbles(uint8x16_t v) { return vshrq_n_u8(v, 4); }

FACET_INLINE Codes unpack_q4_0(const std::uint8_t* codes) {
  const uint8x16_t v = load_bytes(codes);
  return {less_offset(low_nibbles(v), 8), less_offset(high_nibbles(v), 8)};
}
FACET_INLINE Codes unpack_i8(const void* codes) {
  const auto* p = static_cast<const std::int8_t*>(codes);
  return {vld1q_s8(p), vld1q_s8(p + 16)};
}
FACET_INLINE Codes unpack_i4(const void* codes) {  // 16 bytes
  const uint8x16_t v = load_bytes(codes), low = low_nibbles(v), high = high_nibbles(v);
  return {less_offset(vzip1q_u8(low, high), 8), less_offset(vzip2q_u8(low, high), 8)};
}
// Bytes abcd, two bits each: pairs ab and cd of bytes first, then fours.
FACET_INLINE Codes unpack_i2(const void* codes) {  // 8 bytes
  const uint8x8_t v = vld1_u8(static_cast<const std::uint8_t*>(codes)), mask = vdup_n_u8(3);
  const uint8x16_t ac = vcombine_u8(vand_u8(v, mask), vand_u8(vshr_n_u8(v, 4), mask));
  const uint8x16_t bd = vcombine_u8(vand_u8(vshr_n_u8(v, 2), mask), vshr_n_u8(v, 6));
  const uint16x8_t ab = vreinterpretq_u16_u8(vzip1q_u8(ac, bd)), cd = vreinterpretq_u16_u8(vzip2q_u8(ac, bd));
  return {less_offset(vreinterpretq_u8_u16(vzip1q_u16(ab, cd)), 2),
          less_offset(vreinterpretq_u8_u16(vzip2q_u16(ab, cd)), 2)};
}

// 16 codes of a Q6_K block, 0..63, out of the bytes that hold their low and high bits: layout in quant/q6_k.h.
// SLI and SRI shift one operand into the other, which keeps its lower or upper nibble.
template <int kQuarter>
FACET_INLINE uint8x16_t join_q6_k(uint8x16_t low, uint8x16_t high) {
  const uint8x16_t mask = vdupq_n_u8(63);
  if constexpr (kQuarter == 0) return vandq_u8(vsliq_n_u8(low, high, 4), mask);
  if constexpr (kQuarter == 1) return vandq_u8(vsliq_n_u8(low, vshrq_n_u8(high, 2), 4), mask);
  if constexpr (kQuarter == 2) return vandq_u8(vsriq_n_u8(high, low, 4), mask);
  return vsriq_n_u8(vshrq_n_u8(high, 2), low, 4);
}
template <int kQuarter>
FACET_INLINE Codes unpack_q6_k_quarter(const Q6_KBlock& block, int half) {
  const std::uint8_t* low = block.low + 64 * half + 32 * (kQuarter % 2);
  const std::uint8_t* high = block.high + 32 * half;
  return {as_signed(join_q6_k<kQuarter>(load_bytes(low), load_bytes(high))),
          as_signed(join_q6_k<kQuarter>(load_bytes(low + 16), load_bytes(high + 16)))};
}
// Weights [32 s, 32 s + 32) of a Q6_K block, 0..63.
FACET_INLINE Codes unpack_q6_k(const Q6_KBlock& block, int s) {
  const int half = s / 4;
  switch (s % 4) {
    case 0:
      return unpack_q6_k_quarter<0>(block, half);
    case 1:
      return unpack_q6_k_quarter<1>(block, half);
    case 2:
      return unpack_q6_k_quarter<2>(block, half);
    default:
      return unpack_q6_k_quarter<3>(block, half);
  }
}

// Weights [32 g, 32 g + 32) of a Q4_K block, 0..15.
FACET_INLINE Codes unpack_q4_k(const Q4_KBlock& block, int g) {
  const uint8x16_t low = load_bytes(block.codes + g / 2 * 32), high = load_bytes(block.codes + g / 2 * 32 + 16);
  if (g % 2 == 0) return {as_signed(low_nibbles(low)), as_signed(low_nibbles(high))};
  return {as_signed(high_nibbles(low)), as_signed(high_nibbles(high))};
}

FACET_INLINE std::ptrdiff_t row_size_bytes(int bits, int k) { return (static_cast<std::ptrdiff_t>(k) * bits + 7) / 8; }

// Codes [i, i + n) of a row of the mobile format, n <= 32, i a multiple of 32.  Behind n come codes of zero bytes.
template <int kBits>
FACET_INLINE Codes unpack_row(const std::uint8_t* row, int i, int n) {
  constexpr int kWhole = 4 * kBits;  // bytes of 32 codes
  const std::uint8_t* p = row + i * kBits / 8;
  std::uint8_t buffer[kWhole];
  if (n < 32) {  // what lies behind the row may not exist
    __builtin_memset(buffer, 0, kWhole);
    __builtin_memcpy(buffer, p, row_size_bytes(kBits, n));
    p = buffer;
  }
  if constexpr (kBits == 8) return unpack_i8(p);
  if constexpr (kBits == 4) return unpack_i4(p);
  return unpack_i2(p);
}

// For float_matmul-inl.h.
FACET_INLINE void signed_q4_0(const Q4_0Block& block, std::int8_t* out) { store_codes(out, unpack_q4_0(block.codes)); }
FACET_INLINE void signed_q4_k(const Q4_KBlock& block, int g, std::int8_t* out) {
  store_codes(out, unpack_q4_k(block, g));
}
FACET_INLINE void signed_q6_k(const Q6_KBlock& block, int s, std::int8_t* out) {
  const Codes v = unpack_q6_k(block, s);
  store_codes(out, {vsubq_s8(v.low, vdupq_n_s8(32)), vsubq_s8(v.high, vdupq_n_s8(32))});
}
template <int kBits>
FACET_INLINE void signed_row(const std::uint8_t* row, int i, int n, std::int8_t* out) {
  store_codes(out, unpack_row<kBits>(row, i, n));
}
