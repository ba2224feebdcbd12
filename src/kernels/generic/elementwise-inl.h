// elementwise-inl.h: norms, activations, softmax and quantizers.  Included inside the target's unnamed namespace.

// A whole vector, and the first n lanes of one: memory beyond them is not touched.
struct Whole {
  FACET_INLINE F get(const float* p) const { return load(p); }
  FACET_INLINE void put(float* p, F v) const { store(p, v); }
};
struct Part {
  int n;
  FACET_INLINE F get(const float* p) const { return load_first(p, n); }
  FACET_INLINE void put(float* p, F v) const { store_first(p, v, n); }
};
// body(part, i) for every vector of n elements: part reads and writes the elements from i.
template <typename Body>
FACET_INLINE void for_vectors(std::ptrdiff_t n, const Body& body) {
  std::ptrdiff_t i = 0;
  for (; i + kLanes <= n; i += kLanes) body(Whole{}, i);
  if (i < n) body(Part{static_cast<int>(n - i)}, i);
}

void add_to(float* y, const float* x, std::ptrdiff_t n) noexcept {
  for_vectors(n, [&](auto v, std::ptrdiff_t i) FACET_INLINE_LAMBDA { v.put(y + i, add(v.get(y + i), v.get(x + i))); });
}
void scale(float* y, float a, std::ptrdiff_t n) noexcept {
  for_vectors(n, [&](auto v, std::ptrdiff_t i) FACET_INLINE_LAMBDA { v.put(y + i, mul(v.get(y + i), set(a))); });
}
// Not fused, as ref: the same bits.
void add_scaled(float* y, const float* x, float a, std::ptrdiff_t n) noexcept {
  for_vectors(n, [&](auto v, std::ptrdiff_t i)
                     FACET_INLINE_LAMBDA { v.put(y + i, add(v.get(y + i), mul(set(a), v.get(x + i)))); });
}
void gelu_mul(float* y, const float* gate, const float* up, std::ptrdiff_t n) noexcept {
  for_vectors(n, [&](auto v, std::ptrdiff_t i)
                     FACET_INLINE_LAMBDA { v.put(y + i, mul(gelu(v.get(gate + i)), v.get(up + i))); });
}
void softcap(float* x, float cap, std::ptrdiff_t n) noexcept {
  for_vectors(n, [&](auto v, std::ptrdiff_t i)
                     FACET_INLINE_LAMBDA { v.put(x + i, mul(set(cap), tanh(div(v.get(x + i), set(cap))))); });
}

void rms_norm(float* y, const float* x, const float* w, int n, float eps) noexcept {
  Sum64 sum;
  for_vectors(n, [&](auto v, std::ptrdiff_t i) FACET_INLINE_LAMBDA { sum.add_square(v.get(x + i)); });
  const F factor = set(static_cast<float>(1.0 / __builtin_sqrt(sum.total() / n + eps)));
  if (w == nullptr)
    for_vectors(n, [&](auto v, std::ptrdiff_t i) FACET_INLINE_LAMBDA { v.put(y + i, mul(v.get(x + i), factor)); });
  else
    for_vectors(n, [&](auto v, std::ptrdiff_t i)
                       FACET_INLINE_LAMBDA { v.put(y + i, mul(mul(v.get(x + i), factor), v.get(w + i))); });
}

void rope(float* x, const float* cosines, const float* sines, int half) noexcept {
  for_vectors(half, [&](auto v, std::ptrdiff_t i) FACET_INLINE_LAMBDA {
    const F a = v.get(x + i), b = v.get(x + half + i), c = v.get(cosines + i), s = v.get(sines + i);
    v.put(x + i, neg_mul_add(b, s, mul(a, c)));
    v.put(x + half + i, mul_add(a, s, mul(b, c)));
  });
}

// The largest element; NaNs are passed over.  -infinity for none.
FACET_INLINE float largest(const float* x, std::ptrdiff_t n) {
  const float least = -__builtin_inff();
  F m[4] = {set(least), set(least), set(least), set(least)};
  std::ptrdiff_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes)
    for (int j = 0; j < 4; ++j) m[j] = max(load(x + i + j * kLanes), m[j]);
  float most = reduce_max(max(max(m[0], m[1]), max(m[2], m[3])));
  for (; i < n; ++i) most = x[i] > most ? x[i] : most;
  return most;
}

std::ptrdiff_t argmax(const float* x, std::ptrdiff_t n) noexcept {
  const float most = largest(x, n);
  if (x[0] != x[0]) return 0;  // as ref: nothing compares greater than a leading NaN
  std::ptrdiff_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    if (const unsigned hit = bits(equal(load(x + i), set(most)))) return i + __builtin_ctz(hit);
  while (i < n && !(x[i] == most)) ++i;
  return i;
}

void softmax(float* x, std::ptrdiff_t n) noexcept {
  const F most = set(largest(x, n));
  Sum64 sum;
  std::ptrdiff_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const F e = exp(sub(load(x + i), most));
    store(x + i, e);
    sum.add(e);
  }
  double total = sum.total();
  if (const int rest = static_cast<int>(n - i); rest > 0) {
    store_first(x + i, exp(sub(load_first(x + i, rest), most)), rest);
    for (; i < n; ++i) total += x[i];
  }
  scale(x, static_cast<float>(1.0 / total), n);
}

double log_sum_exp(const float* x, std::ptrdiff_t n) noexcept {
  const float most = largest(x, n);
  Sum64 sum;
  std::ptrdiff_t i = 0;
  for (; i + kLanes <= n; i += kLanes) sum.add(exp(sub(load(x + i), set(most))));
  double total = sum.total();
  if (const int rest = static_cast<int>(n - i); rest > 0) {
    float e[kLanes];
    store(e, exp(sub(load_first(x + i, rest), set(most))));
    for (int j = 0; j < rest; ++j) total += e[j];
  }
  return most + __builtin_log(total);
}

// clamp(v, -128, 127); NaN stays.
FACET_INLINE F clamp_i8(F v) { return max(set(-128.0f), min(set(127.0f), v)); }

void quantize_static_i8(std::int8_t* out, const float* x, float s, std::ptrdiff_t n) noexcept {
  std::ptrdiff_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store_i8(out + i, to_int_nan_zero(clamp_i8(div(load(x + i), set(s)))));
  if (const int rest = static_cast<int>(n - i); rest > 0) {
    std::int8_t codes[kLanes];
    store_i8(codes, to_int_nan_zero(clamp_i8(div(load_first(x + i, rest), set(s)))));
    __builtin_memcpy(out + i, codes, rest);
  }
}

// Rounds by adding and subtracting 1.5 * 2^23, as quant/round.h: the same bits, +0 included.
void fake_quantize_static_i8(float* y, float s, std::ptrdiff_t n) noexcept {
  const F shift = set(12582912.0f);
  for_vectors(n, [&](auto v, std::ptrdiff_t i) FACET_INLINE_LAMBDA {
    v.put(y + i, mul(sub(add(clamp_i8(div(v.get(y + i), set(s))), shift), shift), set(s)));
  });
}

// The largest magnitude; a NaN counts as the largest.
FACET_INLINE float absmax(const float* x, std::ptrdiff_t n) {
  F most = zero();
  for_vectors(n, [&](auto v, std::ptrdiff_t i) FACET_INLINE_LAMBDA { most = max_bits(abs(v.get(x + i)), most); });
  return reduce_max_bits(most);
}

void quantize_q8(Q8_0Block* out, const float* x, int k) noexcept {
  constexpr int kVectors = Q8_0Block::kWeights / kLanes;
  for (int b = 0; b < k / Q8_0Block::kWeights; ++b, x += Q8_0Block::kWeights) {
    F v[kVectors];
    F most = zero();
    for (int i = 0; i < kVectors; ++i) {
      v[i] = load(x + i * kLanes);
      most = max_bits(abs(v[i]), most);
    }
    const float absmax = reduce_max_bits(most);  // a NaN counts as the largest, and so reaches the scale
    float factor = 127.0f / absmax;
    if (!(factor <= 3.40282347e38f)) factor = 0.0f;  // infinite or NaN
    out[b].scale.bits = float_to_half_bits(absmax / 127.0f);
    for (int i = 0; i < kVectors; ++i) store_i8(out[b].codes + i * kLanes, to_int_nan_zero(mul(v[i], set(factor))));
  }
}
