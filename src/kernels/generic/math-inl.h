// math-inl.h: exp, tanh and gelu in vectors.  Error bounds: docs/kernels/numerics.md.
// Coefficients: tools/kernels/fit_polynomials.py (minimax, relative error 3e-9 and 4e-9: below a tenth of an ulp).

// e^x.  Below -87.3 the result is 0, above 88.3 infinite; NaN stays.
FACET_INLINE F exp(F x) {
  // x = n ln 2 + r: ln 2 in two parts, the first with 9 trailing zero bits, so that n * part is exact.
  const F n = round_even(mul(x, set(1.44269504f)));
  const F r = neg_mul_add(n, set(-2.12194440e-4f), neg_mul_add(n, set(0.693359375f), x));
  F q = mul_add(set(1.381459865e-03f), r, set(8.368716880e-03f));
  q = mul_add(q, r, set(4.166838805e-02f));
  q = mul_add(q, r, set(1.666652063e-01f));
  q = mul_add(q, r, set(4.999999345e-01f));
  const F y = mul(add(mul_add(q, mul(r, r), r), set(1.0f)), exp2_of_integer(n));
  return select(less(x, set(-87.3f)), zero(), select(less(set(88.3f), x), set(__builtin_inff()), y));
}

FACET_INLINE F tanh(F x) {
  const F a = abs(x), z = mul(x, x);
  F q = mul_add(set(-5.704986960e-03f), z, set(2.063908718e-02f));
  q = mul_add(q, z, set(-5.373971505e-02f));
  q = mul_add(q, z, set(1.333144220e-01f));
  q = mul_add(q, z, set(-3.333328194e-01f));
  const F near = mul_add(mul(q, z), x, x);  // no cancellation around 0
  const F far = sub(set(1.0f), div(set(2.0f), add(exp(add(a, a)), set(1.0f))));
  return select(less(a, set(0.625f)), near, with_sign(far, x));
}

// z/2 (1 + tanh(sqrt(2/pi) (z + 0.044715 z^3))) = z / (1 + e^w), w = -2 sqrt(2/pi) (z + 0.044715 z^3).
FACET_INLINE F gelu(F z) {
  const F w = mul(z, mul_add(set(-7.13548163e-02f), mul(z, z), set(-1.59576912f)));
  return div(z, add(set(1.0f), exp(w)));
}
