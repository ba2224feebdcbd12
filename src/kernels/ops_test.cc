// Every op but the matrix products, on every table.  Bounds: docs/kernels/numerics.md.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "base/half.h"
#include "kernels/kernels_testing.h"
#include "quant/q8_0.h"
#include "quant/static_int8.h"

namespace facet::kernels {
namespace {

using Floats = std::vector<float>;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

// Lengths around one and several vectors of 8 and 16 lanes.
constexpr int kLengths[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 257};

// Equal bits, or NaN on both sides.
void expect_same(const Floats& a, const Floats& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i)
    ASSERT_TRUE(std::bit_cast<std::uint32_t>(a[i]) == std::bit_cast<std::uint32_t>(b[i]) ||
                (std::isnan(a[i]) && std::isnan(b[i])))
        << i << ": " << a[i] << " " << b[i];
}

// Every 2^-k-th float of [low, high], both included.
Floats floats_between(float low, float high, std::uint32_t stride) {
  Floats v;
  for (std::uint32_t u = std::bit_cast<std::uint32_t>(low); u < std::bit_cast<std::uint32_t>(high); u += stride)
    v.push_back(std::bit_cast<float>(u));
  v.push_back(high);
  return v;
}
// Both signs, from the subnormals to `limit`.
Floats signed_floats(float limit, std::uint32_t stride) {
  Floats v = floats_between(0.0f, limit, stride);
  const std::size_t n = v.size();
  for (std::size_t i = 0; i < n; ++i) v.push_back(-v[i]);
  return v;
}

class OpsTest : public OnEachTable {};

TEST_P(OpsTest, QuantizeQ8) {
  for (int n_blocks : {1, 2, 5}) {
    Floats x = normals(32 * n_blocks, n_blocks);
    std::fill_n(x.begin(), n_blocks > 1 ? 32 : 0, 0.0f);  // a zero block
    if (n_blocks == 5) {
      for (int i = 0; i < 32; ++i) x[64 + i] = float(i - 16) + 0.5f;  // ties
      x[64] = 127.0f;
      for (int i = 0; i < 32; ++i) x[96 + i] = 1e-42f * float(i);
    }
    const Guarded<float> in(x);
    const Guarded<Q8_0Block> got(n_blocks), want(n_blocks);
    table().quantize_q8(got.data(), in.data(), 32 * n_blocks);
    kRef.quantize_q8(want.data(), in.data(), 32 * n_blocks);
    EXPECT_EQ(std::memcmp(got.data(), want.data(), n_blocks * sizeof(Q8_0Block)), 0);
    if (n_blocks == 5) {  // absmax 127: the codes are the values, ties to even
      EXPECT_EQ(to_float(got[2].scale), 1.0f);
      EXPECT_EQ(got[2].codes[0], 127);
      EXPECT_EQ(got[2].codes[1], -14);
      EXPECT_EQ(got[2].codes[2], -14);
      EXPECT_EQ(got[2].codes[16], 0);
      EXPECT_EQ(got[2].codes[17], 2);
      EXPECT_EQ(to_float(got[3].scale), 0.0f);
    }
  }
}

TEST_P(OpsTest, QuantizeQ8KeepsBrokenValuesVisible) {
  for (float bad : {kNan, -kNan, kInf, -kInf})
    for (int at : {0, 13, 31}) {
      Floats x = normals(32, 3);
      x[at] = bad;
      Q8_0Block block;
      table().quantize_q8(&block, x.data(), 32);
      EXPECT_FALSE(std::isfinite(to_float(block.scale))) << bad << " at " << at;
      EXPECT_EQ(block.codes[at], 0);
    }
}

TEST_P(OpsTest, StaticInt8IsThatOfQuant) {
  for (int n : kLengths)
    for (float scale : {0.0625f, 0.1f, 3e-5f}) {
      Floats x = normals(n, n, 5.0f);
      for (int i = 0; i < n; i += 3) x[i] = (float(i % 9) - 4.5f) * scale;  // ties
      x[0] = 1e30f;
      x[n - 1] = -1e30f;
      const Guarded<float> in(x);
      const Guarded<std::int8_t> codes(n);
      std::vector<std::int8_t> want(n);
      table().quantize_static_i8(codes.data(), in.data(), scale, n);
      quantize_static_int8(x, scale, want);
      EXPECT_EQ(codes.copy(), want) << n;
      Floats want_values(n);
      fake_quantize_static_int8(x, scale, want_values);
      table().fake_quantize_static_i8(in.data(), scale, n);
      expect_same(in.copy(), want_values);
    }
}

TEST_P(OpsTest, StaticInt8OfNan) {
  Floats x = normals(40, 1);
  x[3] = kNan;
  x[39] = kNan;
  std::vector<std::int8_t> codes(40, 77);
  table().quantize_static_i8(codes.data(), x.data(), 0.1f, 40);
  EXPECT_EQ(codes[3], 0);
  EXPECT_EQ(codes[39], 0);
  table().fake_quantize_static_i8(x.data(), 0.1f, 40);
  EXPECT_TRUE(std::isnan(x[3]) && std::isnan(x[39]) && std::isfinite(x[4]));
}

TEST_P(OpsTest, RmsNorm) {
  for (int n : kLengths)
    for (float size : {1.0f, 1e-12f, 1e18f}) {
      const Floats x = normals(n, n, size), w = normals(n, n + 1);
      double sum = 0;
      for (float v : x) sum += double(v) * v;
      const double factor = 1 / std::sqrt(sum / n + 1e-6);
      for (bool weighted : {true, false}) {
        const Guarded<float> in(x), weights(w), y(n);
        table().rms_norm(y.data(), in.data(), weighted ? weights.data() : nullptr, n, 1e-6f);
        for (int i = 0; i < n; ++i) {
          const double want = x[i] * factor * (weighted ? w[i] : 1.0f);
          ASSERT_LE(std::fabs(y[i] - want), 3.01 * kU * std::fabs(want) + 1e-44) << n;
        }
        table().rms_norm(in.data(), in.data(), weighted ? weights.data() : nullptr, n, 1e-6f);
        expect_same(in.copy(), y.copy());  // in place
      }
    }
}

TEST_P(OpsTest, Rope) {
  for (int half : kLengths) {
    const Floats x = normals(2 * half, half);
    Floats cosines(half), sines(half);
    for (int i = 0; i < half; ++i) {
      cosines[i] = std::cos(0.3f * float(i));
      sines[i] = std::sin(0.3f * float(i));
    }
    const Guarded<float> y(x), c(cosines), s(sines);
    table().rope(y.data(), c.data(), s.data(), half);
    for (int i = 0; i < half; ++i) {
      const double a = x[i], b = x[i + half];
      const double slack = 2.01 * kU * (std::fabs(a) + std::fabs(b));
      ASSERT_NEAR(y[i], a * cosines[i] - b * sines[i], slack);
      ASSERT_NEAR(y[i + half], b * cosines[i] + a * sines[i], slack);
    }
  }
}

TEST_P(OpsTest, AddScale) {
  for (int n : kLengths) {
    const Floats a = normals(n, 1), b = normals(n, 2);
    Guarded<float> y(a), x(b);
    Floats want = a;
    table().add(y.data(), x.data(), n);
    for (int i = 0; i < n; ++i) want[i] += b[i];
    expect_same(y.copy(), want);
    table().scale(y.data(), 1.7f, n);
    for (float& v : want) v *= 1.7f;
    expect_same(y.copy(), want);
    table().add_scaled(y.data(), x.data(), -0.3f, n);
    for (int i = 0; i < n; ++i) {
      const float product = -0.3f * b[i];
      want[i] += product;
    }
    expect_same(y.copy(), want);
  }
}

double gelu(double z) { return z / (1 + std::exp(-2 * std::sqrt(2 / M_PI) * (z + 0.044715 * z * z * z))); }

TEST_P(OpsTest, GeluMul) {
  const Floats z = signed_floats(40.0f, 20011);
  const Floats ones(z.size(), 1.0f);
  Floats y(z.size());
  table().gelu_mul(y.data(), z.data(), ones.data(), z.size());
  for (std::size_t i = 0; i < z.size(); ++i) {
    const double want = gelu(z[i]), w = 2 * std::sqrt(2 / M_PI) * (z[i] + 0.044715 * std::pow(double(z[i]), 3));
    // The exponent's own error, 3 roundings of w, grows towards the vanishing tail; never above 2^-23 of |z|.
    const double bound = (4 + (z[i] < 0 ? 3 * std::fabs(w) : 0)) * kU * std::fabs(want) + 1.2e-38 * std::fabs(z[i]);
    ASSERT_LE(std::fabs(y[i] - want), bound + 1e-44) << z[i];
    ASSERT_LE(std::fabs(y[i] - want), 2.01 * kU * std::fabs(z[i]) + 1e-44) << z[i];
  }
}

TEST_P(OpsTest, GeluMulLengthsAliasesAndExtremes) {
  for (int n : kLengths) {
    const Floats gate = normals(n, 1, 3.0f), up = normals(n, 2);
    const Guarded<float> g(gate), u(up), y(n);
    table().gelu_mul(y.data(), g.data(), u.data(), n);
    for (int i = 0; i < n; ++i) ASSERT_NEAR(y[i], gelu(gate[i]) * up[i], 4 * kU * std::fabs(gate[i] * up[i]));
    table().gelu_mul(g.data(), g.data(), u.data(), n);
    expect_same(g.copy(), y.copy());
    const Guarded<float> g2(gate);
    table().gelu_mul(u.data(), g2.data(), u.data(), n);
    expect_same(u.copy(), y.copy());
  }
  Floats z{1e30f, -1e30f, 3e38f, -3e38f, kInf, 0.0f, -0.0f, kNan}, one(8, 1.0f);
  table().gelu_mul(z.data(), z.data(), one.data(), 8);
  EXPECT_EQ(z[0], 1e30f);
  EXPECT_EQ(z[1], 0.0f);
  EXPECT_EQ(z[2], 3e38f);
  EXPECT_EQ(z[3], 0.0f);
  EXPECT_EQ(z[4], kInf);
  EXPECT_EQ(z[5], 0.0f);
  EXPECT_EQ(z[6], 0.0f);
  EXPECT_TRUE(std::isnan(z[7]));
}

TEST_P(OpsTest, Softcap) {
  for (float cap : {30.0f, 1.0f, 50.0f}) {
    const Floats x = signed_floats(1e6f, 50021);
    Floats y = x;
    table().softcap(y.data(), cap, y.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double want = cap * std::tanh(double(x[i]) / cap);
      ASSERT_LE(std::fabs(y[i] - want), 5 * kU * std::fabs(want) + cap * 0x1p-149) << x[i];  // x / cap: a subnormal
    }
  }
  for (int n : kLengths) {
    const Guarded<float> y(normals(n, n, 40.0f));
    Floats want = y.copy();
    table().softcap(y.data(), 30.0f, n);
    for (int i = 0; i < n; ++i) ASSERT_NEAR(y[i], 30 * std::tanh(want[i] / 30.0), 5 * 30 * kU);
  }
  Floats z{kInf, -kInf, kNan, 0.0f, 3e38f};
  table().softcap(z.data(), 30.0f, 5);
  EXPECT_EQ(z[0], 30.0f);
  EXPECT_EQ(z[1], -30.0f);
  EXPECT_TRUE(std::isnan(z[2]));
  EXPECT_EQ(z[3], 0.0f);
  EXPECT_EQ(z[4], 30.0f);
}

TEST_P(OpsTest, Softmax) {
  for (int n : {1, 2, 7, 8, 9, 16, 17, 33, 100, 4001})
    for (float spread : {1.0f, 30.0f, 1000.0f}) {
      const Floats x = normals(n, n, spread);
      const Guarded<float> y(x);
      table().softmax(y.data(), n);
      const double max = *std::max_element(x.begin(), x.end());
      double sum = 0;
      for (float v : x) sum += std::exp(v - max);
      for (int i = 0; i < n; ++i) {
        const double want = std::exp(x[i] - max) / sum;
        ASSERT_LE(std::fabs(y[i] - want), (6 + (max - x[i])) * kU * want + 2e-38) << n << " " << x[i] - max;
      }
    }
}

TEST_P(OpsTest, SoftmaxSpecialValues) {
  Floats x{-kInf, 1.0f, -kInf, 1.0f, -1e30f, -90.0f, -kInf, -kInf, -kInf, -kInf};
  table().softmax(x.data(), x.size());
  EXPECT_EQ(x[0], 0.0f);
  EXPECT_EQ(x[1], 0.5f);
  EXPECT_EQ(x[3], 0.5f);
  EXPECT_EQ(x[4], 0.0f);
  EXPECT_EQ(x[9], 0.0f);
  Floats same(33, 3e38f);
  table().softmax(same.data(), same.size());
  for (float v : same) EXPECT_FLOAT_EQ(v, 1.0f / 33);
  Floats broken = normals(33, 1);
  broken[20] = kNan;
  table().softmax(broken.data(), broken.size());
  EXPECT_TRUE(std::isnan(broken[0]) && std::isnan(broken[32]));
  table().softmax(nullptr, 0);
}

TEST_P(OpsTest, LogSumExp) {
  for (int n : {1, 3, 8, 9, 17, 1000, 70001})
    for (float spread : {1.0f, 10.0f, 300.0f}) {
      const Floats x = normals(n, n, spread);
      const Guarded<float> in(x);
      const double max = *std::max_element(x.begin(), x.end());
      double sum = 0, weighted = 0;
      for (float v : x) {
        sum += std::exp(v - max);
        weighted += std::exp(v - max) * (max - v);
      }
      const double got = table().log_sum_exp(in.data(), n), want = max + std::log(sum);
      ASSERT_NEAR(got, want, (4 + weighted / sum) * kU + 1e-15 * std::fabs(want)) << n;
    }
  Floats broken = normals(40, 1);
  broken[11] = kNan;
  EXPECT_TRUE(std::isnan(table().log_sum_exp(broken.data(), 40)));
}

TEST_P(OpsTest, Argmax) {
  for (int n : {1, 2, 7, 8, 16, 31, 32, 33, 64, 65, 100, 1000}) {
    Guarded<float> x(normals(n, n));
    for (int at : {0, n / 2, n - 1}) {
      const Floats saved = x.copy();
      x[at] = 10.0f;
      EXPECT_EQ(table().argmax(x.data(), n), at) << n;
      for (int i = at; i < n; ++i) x[i] = 10.0f;  // the first of many
      EXPECT_EQ(table().argmax(x.data(), n), at) << n;
      std::copy(saved.begin(), saved.end(), x.data());
    }
  }
  const Floats lowest(20, -kInf);
  EXPECT_EQ(table().argmax(lowest.data(), 20), 0);
  Floats holes = normals(40, 2);
  holes[5] = kNan;
  holes[39] = kInf;
  EXPECT_EQ(table().argmax(holes.data(), 40), kRef.argmax(holes.data(), 40));
  holes[0] = kNan;
  EXPECT_EQ(table().argmax(holes.data(), 40), kRef.argmax(holes.data(), 40));
}

constexpr CacheType kCacheTypes[] = {CacheType::kF32, CacheType::kF16, CacheType::kBF16, CacheType::kI8,
                                     CacheType::kQ8};
std::size_t size_of(CacheType type) { return cache_bytes(type, 2) - cache_bytes(type, 1); }

// A cache of n vectors, their values as floats, and a stride with a gap.
struct Cache {
  float own_scale(int p, int size) const {
    float scale;
    std::memcpy(&scale, bytes.data() + p * stride + size, sizeof scale);
    return scale;
  }
  std::ptrdiff_t stride;
  Guarded<std::byte> bytes;
  Floats values;
  Cache(CacheType type, int n, int size, std::uint64_t seed)
      : stride(cache_bytes(type, size) + 3 * size_of(type)),
        bytes(n == 0 ? 0 : (n - 1) * stride + cache_bytes(type, size)) {
    const Floats x = normals(std::size_t(n) * size, seed);
    for (int p = 0; p < n; ++p) {
      kRef.store_cache(bytes.data() + p * stride, x.data() + std::size_t(p) * size, type, 0.02f, size);
      for (int i = 0; i < size; ++i) {
        const std::byte* at = bytes.data() + p * stride + i * size_of(type);
        values.push_back(type == CacheType::kF32    ? *reinterpret_cast<const float*>(at)
                         : type == CacheType::kF16  ? to_float(*reinterpret_cast<const Half*>(at))
                         : type == CacheType::kBF16 ? to_float(*reinterpret_cast<const BFloat16*>(at))
                                                    : float(*reinterpret_cast<const std::int8_t*>(at)) *
                                                          (type == CacheType::kQ8 ? own_scale(p, size) : 1.0f));
      }
    }
  }
};

// n_rows rows of `size` normal numbers, and pointers to them.
struct QueryRows {
  Guarded<float> values;
  std::vector<float*> rows;
  QueryRows(int n_rows, int size, int seed) : values(normals(n_rows * size, seed)) {
    for (int r = 0; r < n_rows; ++r) rows.push_back(values.data() + r * size);
  }
};

TEST_P(OpsTest, AttendScores) {
  for (CacheType type : kCacheTypes)
    for (int size : {1, 5, 8, 16, 24, 33, 256, 512, 515})
      for (int n : {0, 1, 3, 4, 7, 8, 9, 20})
        for (int n_rows : {1, 2, 3, 4, 5, 9}) {
          const Cache cache(type, n, size, size + n);
          const QueryRows q(n_rows, size, 9);
          const int stride = n + 3;
          const Guarded<float> scores(n_rows * stride);
          table().attend_scores(scores.data(), stride, q.rows.data(), n_rows, cache.bytes.data(), type, cache.stride,
                                0.13f, n, size);
          for (int r = 0; r < n_rows; ++r)
            for (int p = 0; p < n; ++p) {
              double sum = 0, magnitude = 0, largest = 0, keys = 0;
              for (int i = 0; i < size; ++i) {
                const double key = cache.values[std::size_t(p) * size + i], term = double(q.rows[r][i]) * key;
                sum += term;
                magnitude += std::fabs(term);
                keys += std::fabs(key);
                largest = std::max<double>(largest, std::fabs(q.rows[r][i]));
              }
              const float got = scores.data()[r * stride + p];
              double bound = (size / 8 + (type == CacheType::kQ8 ? 8 : 6)) * kU * magnitude;
              if (type == CacheType::kQ8) bound += 0x1p-16 * 1.001 * largest * keys;
              ASSERT_LE(std::fabs(got - sum * 0.13f), bound * 0.13) << size << " " << n;
              // Alone, the same bits.
              float one;
              table().attend_scores(&one, 1, q.rows.data() + r, 1, cache.bytes.data() + p * cache.stride, type,
                                    cache.stride, 0.13f, 1, size);
              ASSERT_EQ(one, got);
            }
        }
}

TEST_P(OpsTest, AttendMixHasRefsBitsHoweverCut) {
  for (CacheType type : {CacheType::kF32, CacheType::kF16, CacheType::kBF16, CacheType::kI8})
    for (int size : {1, 5, 8, 16, 24, 33, 64, 100, 128, 256, 300})
      for (int n : {0, 1, 7, 20})
        for (int n_rows : {1, 3, 4, 6}) {
          const Cache cache(type, n, size, size + n);
          const QueryRows out(n_rows, size, 4), want(n_rows, size, 4);
          const Guarded<float> probs(normals(n_rows * n, 5));
          kRef.attend_mix(want.rows.data(), n_rows, probs.data(), n, cache.bytes.data(), type, cache.stride, 0.7f, n,
                          size);
          const int cut = n / 3;
          table().attend_mix(out.rows.data(), n_rows, probs.data(), n, cache.bytes.data(), type, cache.stride, 0.7f,
                             cut, size);
          table().attend_mix(out.rows.data(), n_rows, probs.data() + cut, n, cache.bytes.data() + cut * cache.stride,
                             type, cache.stride, 0.7f, n - cut, size);
          expect_same(out.values.copy(), want.values.copy());
        }
}

TEST_P(OpsTest, AttendMixOfCodesWithScalesOfTheirOwn) {
  for (int size : {1, 5, 8, 16, 24, 33, 64, 100, 256, 300})
    for (int n : {0, 1, 7, 20, 128, 129, 300})
      for (int n_rows : {1, 3, 4, 6}) {
        const Cache cache(CacheType::kQ8, n, size, size + n);
        const QueryRows out(n_rows, size, 4), before(n_rows, size, 4);
        const Guarded<float> probs(normals(n_rows * n, 5));
        table().attend_mix(out.rows.data(), n_rows, probs.data(), n, cache.bytes.data(), CacheType::kQ8, cache.stride,
                           0.7f, n, size);
        for (int r = 0; r < n_rows; ++r)
          for (int i = 0; i < size; ++i) {
            double sum = before.rows[r][i], magnitude = std::fabs(sum), codes = 0, largest = 0;
            for (int p = 0; p < n; ++p) {
              const double own = cache.own_scale(p, size), share = probs[r * n + p] * 0.7f * own;
              const double code = cache.values[std::size_t(p) * size + i] / own;
              sum += share * code;
              magnitude += std::fabs(share * code);
              codes += std::fabs(code);
              largest = std::max(largest, std::fabs(share));
            }
            ASSERT_NEAR(out.rows[r][i], sum, (n + 4) * kU * magnitude + 0x1p-16 * 1.001 * largest * codes)
                << size << " " << n << " " << r << " " << i;
          }
      }
}

TEST_P(OpsTest, SoftmaxInPiecesIsTheSoftmax) {
  for (int n : {1, 2, 15, 16, 17, 40, 200})
    for (int cut : {0, 1, n / 2, n - 1, n}) {
      Floats x = normals(n, n);
      for (float& v : x) v *= 9;
      Floats whole = x;
      kRef.softmax(whole.data(), n);
      float most = -kInf;
      double sum = 0;
      const Guarded<float> first(Floats(x.begin(), x.begin() + cut)), second(Floats(x.begin() + cut, x.end()));
      if (cut > 0) {
        EXPECT_EQ(table().softmax_piece(first.data(), cut, &most, &sum), 0);  // of nothing before it
      }
      const float before = cut < n ? table().softmax_piece(second.data(), n - cut, &most, &sum) : 1;
      EXPECT_EQ(most, *std::max_element(x.begin(), x.end()));
      for (int i = 0; i < n; ++i) {
        const double got = (i < cut ? first.data()[i] * double(before) : second.data()[i - cut]) / sum;
        EXPECT_NEAR(got, whole[i], (12 + most - x[i]) * kU * whole[i] + 2e-38) << n << " " << cut << " " << i;
      }
    }
}

TEST_P(OpsTest, StoreCacheRoundsAsHalfH) {
  Floats x = signed_floats(3e38f, 3000017);
  x.insert(x.end(), {kNan, -kNan, kInf, -kInf, 65519.0f, 65520.0f, 1e-8f, 2049.0f / 2048, 1.00390625f});
  const int n = static_cast<int>(x.size());
  std::vector<std::uint16_t> got(n);
  table().store_cache(got.data(), x.data(), CacheType::kF16, 0, n);
  for (int i = 0; i < n; ++i) {
    const float v = to_float(Half{got[i]});
    ASSERT_TRUE(std::isnan(x[i]) ? std::isnan(v) : got[i] == to_half(x[i]).bits) << x[i];
  }
  table().store_cache(got.data(), x.data(), CacheType::kBF16, 0, n);
  for (int i = 0; i < n; ++i) ASSERT_EQ(got[i], to_bfloat16(x[i]).bits) << x[i];
}

TEST_P(OpsTest, StoreCacheLengths) {
  for (CacheType type : kCacheTypes)
    for (int n : kLengths) {
      const Guarded<float> x(normals(n, n));
      const Guarded<std::byte> got(cache_bytes(type, n)), want(cache_bytes(type, n));
      table().store_cache(got.data(), x.data(), type, 0.013f, n);
      kRef.store_cache(want.data(), x.data(), type, 0.013f, n);
      ASSERT_EQ(got.copy(), want.copy()) << n;
    }
}

FACET_ON_EACH_TABLE(OpsTest);

}  // namespace
}  // namespace facet::kernels
