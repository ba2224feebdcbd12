#include "quant/uniform.h"

#include <algorithm>

namespace facet::uniform {
namespace {

// Sums run in f64, element i of a block in lane i mod kLanes, lanes added in order: one fixed order on every machine,
// and one that a vector unit can follow.
constexpr std::size_t kLanes = 8;
// Elements between two visits to the f64 lanes: long enough to keep both loops tight, short enough for the L1 cache.
constexpr std::size_t kBlock = 256;

struct Sum {
  std::array<double, kLanes> lanes{};
  void add(const float* terms, std::size_t n) {
    std::size_t i = 0;
    for (; i + kLanes <= n; i += kLanes)
      for (std::size_t l = 0; l < kLanes; ++l) lanes[l] += static_cast<double>(terms[i + l]);
    for (std::size_t l = 0; i + l < n; ++l) lanes[l] += static_cast<double>(terms[i + l]);
  }
  double total() const {
    double sum = 0.0;
    for (double l : lanes) sum += l;
    return sum;
  }
};

// Converting a NaN is undefined behavior.
std::int32_t to_int(float code) { return static_cast<std::int32_t>(keep_if(code == code, code)); }

}  // namespace

void fake_quantize(const float* w, std::size_t n, float divisor, float scale, Range range, float* out) {
  FACET_INDEPENDENT
  for (std::size_t i = 0; i < n; ++i) out[i] = code_of(w[i] / divisor, range.min, range.max) * scale;
}

void quantize(const float* w, std::size_t n, float divisor, Range range, std::int32_t* codes) {
  for (std::size_t i = 0; i < n; ++i) codes[i] = to_int(code_of(w[i] / divisor, range.min, range.max));
}

void quantize(const float* w, std::size_t n, float divisor, Range range, std::int8_t* codes) {
  for (std::size_t i = 0; i < n; ++i)  // through int32: a direct conversion does not vectorise
    codes[i] = static_cast<std::int8_t>(to_int(code_of(w[i] / divisor, range.min, range.max)));
}

double backward(const float* w, std::size_t n, float divisor, Range range, const float* grad, float* dw) {
  Sum sum;
  float terms[kBlock];
  for (std::size_t begin = 0; begin < n; begin += kBlock) {
    const std::size_t count = std::min(kBlock, n - begin);
    const float *x = w + begin, *g = grad + begin;
    float* dx = dw + begin;
    FACET_INDEPENDENT
    for (std::size_t i = 0; i < count; ++i) {
      const float v = x[i] / divisor, s = saturate(v, range.min, range.max), gi = g[i];
      const bool inside = s == v;
      dx[i] = keep_if(inside, gi);
      terms[i] = gi * (round_half_even(s) - keep_if(inside, v));
    }
    sum.add(terms, count);
  }
  return sum.total();
}

Moments moments(const float* w, const float* o, std::size_t n, float scale, Range range) {
  Sum wq, qq;
  float wq_terms[kBlock], qq_terms[kBlock];
  for (std::size_t begin = 0; begin < n; begin += kBlock) {
    const std::size_t count = std::min(kBlock, n - begin);
    const float* x = w + begin;
    for (std::size_t i = 0; i < count; ++i) {
      const float q = code_of(x[i] / scale, range.min, range.max);
      wq_terms[i] = q * x[i];
      qq_terms[i] = q * q;
    }
    if (o != nullptr)
      for (std::size_t i = 0; i < count; ++i) {
        wq_terms[i] *= o[begin + i];
        qq_terms[i] *= o[begin + i];
      }
    wq.add(wq_terms, count);
    qq.add(qq_terms, count);
  }
  return {wq.total(), qq.total()};
}

double squared_error(const float* w, const float* o, std::size_t n, float scale, Range range) {
  Sum sum;
  float terms[kBlock];
  for (std::size_t begin = 0; begin < n; begin += kBlock) {
    const std::size_t count = std::min(kBlock, n - begin);
    const float* x = w + begin;
    for (std::size_t i = 0; i < count; ++i) {
      const float e = x[i] - code_of(x[i] / scale, range.min, range.max) * scale;
      terms[i] = e * e;
    }
    if (o != nullptr)
      for (std::size_t i = 0; i < count; ++i) terms[i] *= o[begin + i];
    sum.add(terms, count);
  }
  return sum.total();
}

void fake_quantize(const float* w, std::size_t n, float factor, Shifted shifted, float scale, float* out) {
  FACET_INDEPENDENT
  for (std::size_t i = 0; i < n; ++i) {
    float v = w[i] * factor + shifted.shift;
    v = v > shifted.max ? shifted.max : v;
    out[i] = (static_cast<float>(static_cast<std::int32_t>(v)) - shifted.zero) * scale;
  }
}

void quantize(const float* w, std::size_t n, float factor, Shifted shifted, std::int32_t* codes) {
  for (std::size_t i = 0; i < n; ++i) {
    float v = w[i] * factor + shifted.shift;
    v = v > shifted.max ? shifted.max : v;
    codes[i] = static_cast<std::int32_t>(v);
  }
}

}  // namespace facet::uniform
