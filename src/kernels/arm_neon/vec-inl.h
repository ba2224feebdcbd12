// vec-inl.h: what the ASIMD of every Armv8 offers to the shared kernels: 8 lanes in two registers, so that sums have
// the bound that docs/kernels/numerics.md states.  The same names as in x86_avx2/vec-inl.h, where those that need a
// word have it.  Included inside the target's unnamed namespace, after the intrinsics and table.h.

struct F {
  float32x4_t low, high;
};
struct I {
  int32x4_t low, high;
};
struct Mask {
  uint32x4_t low, high;
};
constexpr int kLanes = 8;

FACET_INLINE F set(float v) { return {vdupq_n_f32(v), vdupq_n_f32(v)}; }
FACET_INLINE F zero() { return set(0.0f); }
FACET_INLINE F load(const float* p) { return {vld1q_f32(p), vld1q_f32(p + 4)}; }
FACET_INLINE void store(float* p, F v) {
  vst1q_f32(p, v.low);
  vst1q_f32(p + 4, v.high);
}
FACET_INLINE F load_first(const float* p, int n) {
  float v[kLanes] = {};
  __builtin_memcpy(v, p, n * sizeof(float));
  return load(v);
}
FACET_INLINE void store_first(float* p, F s, int n) {
  float v[kLanes];
  store(v, s);
  __builtin_memcpy(p, v, n * sizeof(float));
}

FACET_INLINE F add(F a, F b) { return {vaddq_f32(a.low, b.low), vaddq_f32(a.high, b.high)}; }
FACET_INLINE F sub(F a, F b) { return {vsubq_f32(a.low, b.low), vsubq_f32(a.high, b.high)}; }
FACET_INLINE F mul(F a, F b) { return {vmulq_f32(a.low, b.low), vmulq_f32(a.high, b.high)}; }
FACET_INLINE F div(F a, F b) { return {vdivq_f32(a.low, b.low), vdivq_f32(a.high, b.high)}; }
FACET_INLINE F mul_add(F a, F b, F c) { return {vfmaq_f32(c.low, a.low, b.low), vfmaq_f32(c.high, a.high, b.high)}; }
FACET_INLINE F neg_mul_add(F a, F b, F c) {
  return {vfmsq_f32(c.low, a.low, b.low), vfmsq_f32(c.high, a.high, b.high)};
}
FACET_INLINE Mask less(F a, F b) { return {vcltq_f32(a.low, b.low), vcltq_f32(a.high, b.high)}; }
FACET_INLINE Mask equal(F a, F b) { return {vceqq_f32(a.low, b.low), vceqq_f32(a.high, b.high)}; }
FACET_INLINE unsigned bits(Mask m) {
  constexpr std::uint16_t kBits[kLanes] = {1, 2, 4, 8, 16, 32, 64, 128};
  return vaddvq_u16(vandq_u16(vcombine_u16(vmovn_u32(m.low), vmovn_u32(m.high)), vld1q_u16(kBits)));
}
FACET_INLINE F select(Mask m, F yes, F no) {
  return {vbslq_f32(m.low, yes.low, no.low), vbslq_f32(m.high, yes.high, no.high)};
}
// Compared and selected: FMIN and FMAX would not give the second operand where either is NaN.
FACET_INLINE F min(F a, F b) { return select(less(a, b), a, b); }
FACET_INLINE F max(F a, F b) { return select(less(b, a), a, b); }
FACET_INLINE F abs(F a) { return {vabsq_f32(a.low), vabsq_f32(a.high)}; }
FACET_INLINE F with_sign(F magnitude, F sign) {
  const uint32x4_t bit = vdupq_n_u32(0x80000000u);
  return select({bit, bit}, sign, magnitude);
}
FACET_INLINE F round_even(F a) { return {vrndnq_f32(a.low), vrndnq_f32(a.high)}; }
FACET_INLINE I to_int_nan_zero(F a) { return {vcvtnq_s32_f32(a.low), vcvtnq_s32_f32(a.high)}; }
FACET_INLINE F exp2_of_integer(F n) {
  const I v = to_int_nan_zero(n);
  const int32x4_t bias = vdupq_n_s32(127);
  return {vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(v.low, bias), 23)),
          vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(v.high, bias), 23))};
}
FACET_INLINE float reduce_max(F a) { return vmaxvq_f32(vmaxq_f32(a.low, a.high)); }
FACET_INLINE F max_bits(F a, F b) {
  return {vreinterpretq_f32_s32(vmaxq_s32(vreinterpretq_s32_f32(a.low), vreinterpretq_s32_f32(b.low))),
          vreinterpretq_f32_s32(vmaxq_s32(vreinterpretq_s32_f32(a.high), vreinterpretq_s32_f32(b.high)))};
}
FACET_INLINE float reduce_max_bits(F a) {
  const F m = max_bits(a, {a.high, a.low});
  const std::int32_t most = vmaxvq_s32(vreinterpretq_s32_f32(m.low));
  return vget_lane_f32(vreinterpret_f32_s32(vdup_n_s32(most)), 0);
}

// Four floats: sums of four rows or keys, and what they are multiplied by.
using Four = float32x4_t;
FACET_INLINE Four four(float v) { return vdupq_n_f32(v); }
FACET_INLINE Four load_four(const float* p) { return vld1q_f32(p); }
FACET_INLINE Four four(float a, float b, float c, float d) {
  const float v[4] = {a, b, c, d};
  return load_four(v);
}
FACET_INLINE Four mul(Four a, Four b) { return vmulq_f32(a, b); }
// Lane j: the sum of v[j]'s lanes, ((0 + 4) + (1 + 5)) + ((2 + 6) + (3 + 7)).
FACET_INLINE Four sums_of_4(const F v[4]) {
  return vpaddq_f32(vpaddq_f32(vaddq_f32(v[0].low, v[0].high), vaddq_f32(v[1].low, v[1].high)),
                    vpaddq_f32(vaddq_f32(v[2].low, v[2].high), vaddq_f32(v[3].low, v[3].high)));
}
FACET_INLINE void store_first_4(float* p, Four s, int n) {
  if (n == 4) return vst1q_f32(p, s);
  float v[4];
  vst1q_f32(v, s);
  for (int i = 0; i < n; ++i) p[i] = v[i];
}

// Sums in f64.
struct Sum64 {
  float64x2_t sums[4] = {vdupq_n_f64(0), vdupq_n_f64(0), vdupq_n_f64(0), vdupq_n_f64(0)};
  FACET_INLINE void add(F v) {
    sums[0] = vaddq_f64(sums[0], vcvt_f64_f32(vget_low_f32(v.low)));
    sums[1] = vaddq_f64(sums[1], vcvt_high_f64_f32(v.low));
    sums[2] = vaddq_f64(sums[2], vcvt_f64_f32(vget_low_f32(v.high)));
    sums[3] = vaddq_f64(sums[3], vcvt_high_f64_f32(v.high));
  }
  FACET_INLINE void add_square(F v) {
    const float64x2_t a[4] = {vcvt_f64_f32(vget_low_f32(v.low)), vcvt_high_f64_f32(v.low),
                              vcvt_f64_f32(vget_low_f32(v.high)), vcvt_high_f64_f32(v.high)};
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) sums[i] = vfmaq_f64(sums[i], a[i], a[i]);
  }
  FACET_INLINE double total() const {
    return vaddvq_f64(vaddq_f64(vaddq_f64(sums[0], sums[2]), vaddq_f64(sums[1], sums[3])));
  }
};

// kLanes elements of narrower types, converted exactly.
FACET_INLINE F halves_to_float(uint16x8_t bits) {
  const float16x8_t v = vreinterpretq_f16_u16(bits);
  return {vcvt_f32_f16(vget_low_f16(v)), vcvt_high_f32_f16(v)};
}
FACET_INLINE F load_f16(const void* p) { return halves_to_float(vld1q_u16(static_cast<const std::uint16_t*>(p))); }
FACET_INLINE F load_bf16(const void* p) {
  const uint16x8_t v = vld1q_u16(static_cast<const std::uint16_t*>(p));
  return {vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(v), 16)), vreinterpretq_f32_u32(vshll_high_n_u16(v, 16))};
}
FACET_INLINE F load_i8(const void* p) {
  const int16x8_t v = vmovl_s8(vld1_s8(static_cast<const std::int8_t*>(p)));
  return {vcvtq_f32_s32(vmovl_s16(vget_low_s16(v))), vcvtq_f32_s32(vmovl_high_s16(v))};
}
// kLanes results of narrower types.  Codes saturate; f16 and bf16 round half to even, NaN stays NaN.
FACET_INLINE void store_i8(void* p, I v) {
  vst1_s8(static_cast<std::int8_t*>(p), vqmovn_s16(vqmovn_high_s32(vqmovn_s32(v.low), v.high)));
}
FACET_INLINE void store_f16(void* p, F v) {
  const float16x8_t halves = vcvt_high_f16_f32(vcvt_f16_f32(v.low), v.high);
  vst1q_u16(static_cast<std::uint16_t*>(p), vreinterpretq_u16_f16(halves));
}
FACET_INLINE uint32x4_t rounded_to_bf16(float32x4_t v) {  // in the upper 16 bits
  const uint32x4_t u = vreinterpretq_u32_f32(v), odd = vandq_u32(vshrq_n_u32(u, 16), vdupq_n_u32(1));
  const uint32x4_t rounded = vaddq_u32(u, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
  return vbslq_u32(vceqq_f32(v, v), rounded, vorrq_u32(u, vdupq_n_u32(0x400000)));  // a NaN becomes quiet
}
FACET_INLINE void store_bf16(void* p, F v) {
  const uint16x4_t low = vshrn_n_u32(rounded_to_bf16(v.low), 16);
  vst1q_u16(static_cast<std::uint16_t*>(p), vshrn_high_n_u32(low, rounded_to_bf16(v.high), 16));
}
FACET_INLINE float half_to_float(Half h) {
  __fp16 v;
  __builtin_memcpy(&v, &h, sizeof v);
  return v;
}
FACET_INLINE std::uint16_t float_to_half_bits(float v) {
  const __fp16 h = static_cast<__fp16>(v);
  std::uint16_t bits;
  __builtin_memcpy(&bits, &h, sizeof h);
  return bits;
}

// Integers.
FACET_INLINE I int_sub(I a, I b) { return {vsubq_s32(a.low, b.low), vsubq_s32(a.high, b.high)}; }
template <int kShift>
FACET_INLINE I int_shift_left(I a) {
  return {vshlq_n_s32(a.low, kShift), vshlq_n_s32(a.high, kShift)};
}
template <int kShift>
FACET_INLINE I int_shift_right(I a) {  // keeps the sign
  return {vshrq_n_s32(a.low, kShift), vshrq_n_s32(a.high, kShift)};
}
// Lane j: the sum of v[j]'s lanes.
FACET_INLINE int32x4_t int_sums_of_4(const int32x4_t v[4]) {
  return vpaddq_s32(vpaddq_s32(v[0], v[1]), vpaddq_s32(v[2], v[3]));
}

constexpr int kFloatTokens = 2;  // 4 rows x 2 tokens: 16 registers of sums; 3 tokens need all 32, and g++ 12 spills
