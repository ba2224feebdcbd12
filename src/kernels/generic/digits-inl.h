// digits-inl.h: float activations as integers, for weights whose codes have a few bits.  In the target's unnamed
// namespace.
//
// In units of its largest element over 2^23 a row of activations is a row of integers, and these are three rows of
// bytes, X = 65536 a + 256 b + c.  Three exact integer products cost a quarter of making the codes float.  Beside the
// last rounding the only error is that of the units, half a unit each.

constexpr float kDigitsMost = 8323072.0f;  // 127 * 65536

// 0 where there is no such unit: NaN, infinite, zero, or as large or small as no activation is.
FACET_INLINE float digit_unit(const float* x, int k) {
  const float largest = absmax(x, k);
  return largest > 1e-30f && largest < 1e30f ? largest / kDigitsMost : 0.0f;
}

// n columns of x: three rows of digits, lowest first, `stride` apart and written to the end of the last vector.
FACET_INLINE void split_digits(const float* x, int n, float unit, std::int8_t* digits, int stride) {
  const F factor = set(1.0f / unit), most = set(kDigitsMost);
  for (int c = 0; c < n; c += kLanes) {
    const int width = n - c < kLanes ? n - c : kLanes;
    const F v = mul(width < kLanes ? load_first(x + c, width) : load(x + c), factor);
    I rest = to_int_nan_zero(max(min(v, most), sub(zero(), most)));
    for (int d = 0; d < 3; ++d) {
      const I low = d == 2 ? rest : int_shift_right<24>(int_shift_left<24>(rest));
      store_i8(digits + d * stride + c, low);
      rest = int_shift_right<8>(int_sub(rest, low));
    }
  }
}
