// Every matrix product on every table: against sums in double (floats, within the bound of docs/kernels/numerics.md),
// against exact integers, and against itself cut into other pieces (the same bits).
#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/half.h"
#include "kernels/kernels_testing.h"
#include "quant/codec.h"
#include "tensor/tensor.h"

namespace facet::kernels {
namespace {

enum class Lhs { kF32, kQ8, kI8 };

struct Op {
  Lhs lhs;
  DType rhs;
  Matmul Table::*plain = nullptr;
  MatmulRows Table::*rows = nullptr;
};
constexpr Op kOps[] = {
    {Lhs::kF32, DType::kF32, &Table::matmul_f32_f32},
    {Lhs::kF32, DType::kF16, &Table::matmul_f32_f16},
    {Lhs::kF32, DType::kBF16, &Table::matmul_f32_bf16},
    {Lhs::kF32, DType::kQ8_0, &Table::matmul_f32_q8_0},
    {Lhs::kF32, DType::kQ4_0, &Table::matmul_f32_q4_0},
    {Lhs::kF32, DType::kQ4_K, &Table::matmul_f32_q4_k},
    {Lhs::kF32, DType::kQ6_K, &Table::matmul_f32_q6_k},
    {Lhs::kF32, DType::kI8Row, nullptr, &Table::matmul_f32_i8},
    {Lhs::kF32, DType::kI4Row, nullptr, &Table::matmul_f32_i4},
    {Lhs::kF32, DType::kI2Row, nullptr, &Table::matmul_f32_i2},
    {Lhs::kQ8, DType::kQ8_0, &Table::matmul_q8_q8_0},
    {Lhs::kQ8, DType::kQ4_0, &Table::matmul_q8_q4_0},
    {Lhs::kQ8, DType::kQ4_K, &Table::matmul_q8_q4_k},
    {Lhs::kQ8, DType::kQ6_K, &Table::matmul_q8_q6_k},
    {Lhs::kI8, DType::kI8Row, nullptr, &Table::matmul_i8_i8},
    {Lhs::kI8, DType::kI4Row, nullptr, &Table::matmul_i8_i4},
    {Lhs::kI8, DType::kI2Row, nullptr, &Table::matmul_i8_i2},
};
std::string name_of(const Op& op) {
  const char* lhs[] = {"f32", "q8", "i8"};
  return std::string(lhs[static_cast<int>(op.lhs)]) + " x " + std::string(info(op.rhs).name);
}
bool has_blocks(const Op& op) { return info(op.rhs).block >= 32; }

// How codes are drawn: at random, or all at the ends of their ranges.  kFarthest: weights have every bit set, which is
// the largest code of a few bits, and activations are the lowest.
enum class Codes { kRandom, kLowest, kHighest, kZeroBytes, kFarthest };

std::byte draw(Rng& rng, Codes codes) {
  switch (codes) {
    case Codes::kRandom:
      return static_cast<std::byte>(rng.below(8) == 0 ? 0x80 : rng.below(256));
    case Codes::kLowest:  // int8 -128
      return std::byte{0x80};
    case Codes::kHighest:
      return std::byte{0x7f};
    case Codes::kZeroBytes:
      return std::byte{0};
    case Codes::kFarthest:
      return std::byte{0xff};
  }
  return {};
}

// Random bytes for a matrix of any type, its floats and scales sane.  Pad bits of the row types are random too.
std::vector<std::byte> random_matrix(DType type, int rows, int cols, Rng& rng, Codes codes) {
  std::vector<std::byte> bytes(rows * *row_bytes(type, cols));
  auto put = [&](std::size_t at, auto v) { std::memcpy(bytes.data() + at, &v, sizeof(v)); };
  for (std::byte& b : bytes) b = draw(rng, codes);
  if (type == DType::kF32)
    for (std::size_t i = 0; i < bytes.size(); i += 4) put(i, rng.normal());
  if (type == DType::kF16)
    for (std::size_t i = 0; i < bytes.size(); i += 2) put(i, to_half(rng.normal()));
  if (type == DType::kBF16)
    for (std::size_t i = 0; i < bytes.size(); i += 2) put(i, to_bfloat16(rng.normal()));
  if (type == DType::kQ8_0 || type == DType::kQ4_0)
    for (std::size_t i = 0; i < bytes.size(); i += info(type).block_bytes) put(i, to_half(rng.normal() * 0.01f));
  if (type == DType::kQ4_K)
    for (std::size_t i = 0; i < bytes.size(); i += info(type).block_bytes) {
      put(i, to_half(rng.normal() * 0.01f));
      put(i + 2, to_half(rng.normal() * 0.1f));
    }
  if (type == DType::kQ6_K)  // its scale is at the end
    for (std::size_t i = 0; i < bytes.size(); i += info(type).block_bytes)
      put(i + info(type).block_bytes - 2, to_half(rng.normal() * 0.01f));
  return bytes;
}

struct Problem {
  Op op;
  int m, n, k;
  Guarded<std::byte> w, x;
  Guarded<float> row_scales;
  float x_scale = 1.0f;
  std::vector<float> w_values, x_values;  // decoded by quant/; row scales and x_scale left out
  std::vector<float> w_sizes;             // of what q8 products add up for each weight

  Problem(const Op& o, int m_, int n_, int k_, Codes codes, std::uint64_t seed)
      : op(o),
        m(m_),
        n(n_),
        k(k_),
        w(matrix(o.rhs, n_, k_, codes, seed)),
        x(activations(codes, seed + 1)),
        row_scales(normals(n_, seed + 2, 0.1f)) {
    if (op.lhs == Lhs::kI8) x_scale = 0.037f;
    w_values = decoded(op.rhs, n, w);
    x_values = decoded(x_type(), m, x);
    w_sizes = w_values;
    if (op.rhs == DType::kQ4_K) {  // scale * code and the minimum go into the sum one by one
      const Guarded<std::byte> no_mins(w.copy());
      for (std::size_t i = 0; i < w.size(); i += info(op.rhs).block_bytes) std::memset(no_mins.data() + i + 2, 0, 2);
      w_sizes = decoded(op.rhs, n, no_mins);
      for (std::size_t i = 0; i < w_sizes.size(); ++i)
        w_sizes[i] = std::fabs(w_sizes[i]) + std::fabs(w_sizes[i] - w_values[i]);
    }
  }

  // Runs tokens [t0, t1) and rows [r0, r1) into y, whose rows are `stride` apart.
  void run(const Table& table, float* y, std::ptrdiff_t stride, int t0, int t1, int r0, int r1) const {
    const std::byte* xt = x.data() + t0 * *row_bytes(x_type(), k);
    float* yt = y + t0 * stride;
    if (op.plain != nullptr)
      (table.*op.plain)(yt, stride, xt, w.data(), t1 - t0, r0, r1, k);
    else
      (table.*op.rows)(yt, stride, xt, w.data(), row_scales.data(), x_scale, t1 - t0, r0, r1, k);
  }
  std::vector<float> run(const Table& table) const {
    const Guarded<float> y(std::size_t(m) * n);
    run(table, y.data(), n, 0, m, 0, n);
    return y.copy();
  }

 private:
  DType x_type() const { return op.lhs == Lhs::kF32 ? DType::kF32 : op.lhs == Lhs::kQ8 ? DType::kQ8_0 : DType::kI8Row; }
  static std::vector<std::byte> matrix(DType type, int rows, int cols, Codes codes, std::uint64_t seed) {
    Rng rng(seed);
    return random_matrix(type, rows, cols, rng, codes);
  }
  std::vector<std::byte> activations(Codes codes, std::uint64_t seed) const {
    std::vector<std::byte> bytes = matrix(x_type(), m, k, codes == Codes::kFarthest ? Codes::kLowest : codes, seed);
    if (x_type() == DType::kF32 && codes != Codes::kRandom) {
      const float big = codes == Codes::kZeroBytes ? 0.0f : 1e30f;
      for (std::size_t i = 0; i < bytes.size(); i += 4) std::memcpy(&bytes[i], &big, 4);
    }
    return bytes;
  }
  std::vector<float> decoded(DType type, int rows, const Guarded<std::byte>& bytes) const {
    const std::vector<float> ones(rows, 1.0f);
    const TensorView view{type,
                          {rows, k},
                          std::span(bytes.data(), bytes.size()),
                          has_row_scales(type) ? std::span(ones) : std::span<const float>()};
    std::vector<float> out(std::size_t(rows) * k);
    if (!out.empty()) decode_rows(view, 0, rows, out);
    return out;
  }
};

class MatmulTest : public OnEachTable {
 protected:
  // The bound of numerics.md, "Matrix products", for sums of n_terms roundings, plus the scale's two.
  void check_values(const Problem& p, const std::vector<float>& y) {
    for (int t = 0; t < p.m; ++t)
      for (int r = 0; r < p.n; ++r) {
        double sum = 0, magnitude = 0, largest = 0, weights = 0;
        for (int i = 0; i < p.k; ++i) {
          largest = std::max(largest, std::fabs(double(p.x_values[std::size_t(t) * p.k + i])));
          weights += std::fabs(double(p.w_values[std::size_t(r) * p.k + i]));
          const double x = p.x_values[std::size_t(t) * p.k + i];
          sum += p.w_values[std::size_t(r) * p.k + i] * x;
          magnitude += std::fabs((p.op.lhs == Lhs::kQ8 ? p.w_sizes : p.w_values)[std::size_t(r) * p.k + i] * x);
        }
        const std::string at = "t " + std::to_string(t) + " r " + std::to_string(r);
        const float got = y[std::size_t(t) * p.n + r];
        if (p.op.lhs == Lhs::kI8) {  // the sum is an exact integer
          ASSERT_EQ(got, static_cast<float>(static_cast<std::int32_t>(sum)) * (p.row_scales[r] * p.x_scale)) << at;
          continue;
        }
        const double scale = p.op.rows != nullptr ? double(p.row_scales[r]) * p.x_scale : 1.0;
        int roundings = p.op.lhs == Lhs::kQ8 ? p.k / 32 : p.k / 8 + 8;
        if (p.op.lhs == Lhs::kQ8 && p.op.rhs == DType::kQ4_K) roundings = p.k / 16 + 2;  // and w_values' own
        double bound = roundings * kU * magnitude;
        if (p.op.rhs == DType::kI2Row || p.op.rhs == DType::kI4Row)  // by digits
          bound =
              std::max(4 * kU * std::fabs(sum) + 2.5 * kU * largest * weights, p.k == 0 ? 0 : bound * (largest > 1e29));
        ASSERT_LE(std::fabs(got - sum * scale), bound * std::fabs(scale)) << at;
      }
  }
  void check(const Problem& p) {
    const std::vector<float> y = p.run(table());
    check_values(p, y);
    if (p.op.lhs != Lhs::kF32) {
      ASSERT_EQ(y, p.run(kRef));
    }
    check_pieces(p, y);
  }
  // As check(), whichever rows this CPU takes together.
  void check_both_orders(const Problem& p) {
    const bool before = std::exchange(reads_neighbours, false);
    check(p);
    reads_neighbours = true;
    if ((p.op.rhs == DType::kQ4_0 || p.op.rhs == DType::kQ6_K) && p.op.lhs == Lhs::kQ8) check(p);
    reads_neighbours = before;
  }
  // Each token alone, pairs of tokens, and rows cut in three: the same bits, and nothing else written.
  void check_pieces(const Problem& p, const std::vector<float>& whole) {
    constexpr float kUntouched = -12345.0f;
    const int stride = p.n + 3;
    for (int step : {1, 2, 5}) {
      std::vector<float> y(std::size_t(p.m) * stride, kUntouched), want = y;
      const int cut1 = p.n / 3, cut2 = p.n - p.n / 4;
      for (int t = 0; t < p.m; t += step) {
        const int t1 = std::min(p.m, t + step);
        p.run(table(), y.data(), stride, t, t1, 0, cut1);
        p.run(table(), y.data(), stride, t, t1, cut1, cut2);
        p.run(table(), y.data(), stride, t, t1, cut2, p.n);
      }
      for (int t = 0; t < p.m; ++t)
        for (int r = 0; r < p.n; ++r) want[std::size_t(t) * stride + r] = whole[std::size_t(t) * p.n + r];
      ASSERT_EQ(std::memcmp(y.data(), want.data(), y.size() * sizeof(float)), 0) << "pieces of " << step;
    }
  }
};

struct Shape {
  int m, n, k;
};
std::ostream& operator<<(std::ostream& out, const Shape& s) { return out << s.m << "x" << s.n << "x" << s.k; }

// Tails of k, of rows and of tokens; chunks of 256, 512, 4096 and 32768 columns; blocks of 48 and 64 tokens; every
// number of tokens that go side by side, over more rows than stay in a cache.
constexpr Shape kBlockShapes[] = {{1, 1, 32},      {1, 8, 64},    {1, 13, 544}, {2, 3, 96},   {3, 17, 32},
                                  {7, 33, 288},    {16, 8, 512},  {33, 5, 32},  {50, 9, 64},  {66, 70, 544},
                                  {5, 1, 1056},    {1, 3, 33024}, {4, 18, 544}, {6, 9, 1056}, {8, 9, 96},
                                  {11, 20, 16640}, {17, 5, 64}};
constexpr Shape kAnyShapes[] = {{1, 1, 1},    {1, 3, 7},     {1, 9, 31},    {1, 70, 33},   {1, 12, 4230},
                                {2, 1, 5},    {3, 4, 100},   {7, 17, 63},   {16, 7, 65},   {33, 33, 31},
                                {50, 2, 513}, {66, 35, 261}, {2, 19, 1030}, {1, 130, 129}, {6, 70, 4230}};

TEST_P(MatmulTest, OddShapes) {
  std::uint64_t seed = 1;
  for (const Op& op : kOps) {
    auto check_shape = [&](const Shape& s) {
      SCOPED_TRACE(testing::Message() << name_of(op) << " " << s);
      check_both_orders(Problem(op, s.m, s.n, s.k, Codes::kRandom, seed += 10));
    };
    for (Shape s : kBlockShapes) {
      s.k = (s.k + info(op.rhs).block - 1) / info(op.rhs).block * info(op.rhs).block;
      check_shape(s);
    }
    if (!has_blocks(op))
      for (const Shape& s : kAnyShapes) check_shape(s);
    if (HasFatalFailure()) return;
  }
}

TEST_P(MatmulTest, ExtremeCodes) {
  for (const Op& op : kOps)
    for (const Codes codes : {Codes::kLowest, Codes::kHighest, Codes::kZeroBytes, Codes::kFarthest})
      for (const Shape& shape : {Shape{1, 9, 1056}, Shape{4, 9, 1056}}) {
        const Shape s = info(op.rhs).block > 32 ? Shape{shape.m, shape.n, 1280} : shape;
        SCOPED_TRACE(testing::Message() << name_of(op) << " " << s << " codes " << static_cast<int>(codes));
        check(Problem(op, s.m, s.n, s.k, codes, 99));
        if (HasFatalFailure()) return;
      }
}

// The largest k whose int8 sums fit in 32 bits, every product at its largest.
TEST_P(MatmulTest, LongestIntegerSums) {
  constexpr int kLongest = (1 << 17) - 1;
  for (const Op& op : kOps) {
    if (op.lhs != Lhs::kI8) continue;
    for (int m : {1, 2}) {
      SCOPED_TRACE(testing::Message() << name_of(op) << " m " << m);
      const Problem p(op, m, 2, kLongest, Codes::kLowest, 5);
      check_values(p, p.run(table()));
    }
  }
}

TEST_P(MatmulTest, NothingToDo) {
  for (const Op& op : kOps) {
    const Problem p(op, 2, 3, 256, Codes::kRandom, 7);
    std::vector<float> y(6, 1.0f);
    p.run(table(), y.data(), 3, 0, 0, 0, 3);
    p.run(table(), y.data(), 3, 0, 2, 1, 1);
    EXPECT_EQ(y, std::vector<float>(6, 1.0f)) << name_of(op);
    const Problem empty(op, 2, 3, 0, Codes::kRandom, 7);  // a sum of nothing is zero
    EXPECT_EQ(empty.run(table()), std::vector<float>(6, 0.0f)) << name_of(op);
    const Problem one(op, 1, 3, 0, Codes::kRandom, 7);
    EXPECT_EQ(one.run(table()), std::vector<float>(3, 0.0f)) << name_of(op);
  }
}

TEST_P(MatmulTest, NanAndInfinityComeThrough) {
  const Guarded<float> w(normals(5 * 40, 1)), x(normals(3 * 40, 2));
  x[40 + 7] = std::nanf("");
  w[2 * 40 + 3] = INFINITY;
  std::vector<float> y(15);
  table().matmul_f32_f32(y.data(), 5, x.data(), w.data(), 3, 0, 5, 40);
  for (int t = 0; t < 3; ++t)
    for (int r = 0; r < 5; ++r) EXPECT_EQ(std::isfinite(y[t * 5 + r]), t != 1 && r != 2) << t << " " << r;
}

// Codes of a few bits meet float activations as digits: not where these are no numbers, or out of all proportion.
TEST_P(MatmulTest, RowsOfStrangeActivations) {
  for (auto [op, type] :
       {std::pair(&Table::matmul_f32_i2, DType::kI2Row), std::pair(&Table::matmul_f32_i4, DType::kI4Row)})
    for (float strange : {std::nanf(""), INFINITY, -INFINITY, 1e31f, 1e-38f, 0.0f}) {
      const int k = 150;
      Rng rng(3);
      const Guarded<std::byte> w(random_matrix(type, 5, k, rng, Codes::kRandom));
      const Guarded<float> scales(normals(5, 1, 1e-3f)), x(std::vector<float>(k, strange));
      std::vector<float> y(5), want(5);
      (table().*op)(y.data(), 5, x.data(), w.data(), scales.data(), 1.0f, 1, 0, 5, k);
      (kRef.*op)(want.data(), 5, x.data(), w.data(), scales.data(), 1.0f, 1, 0, 5, k);
      for (int r = 0; r < 5; ++r) {
        EXPECT_EQ(std::isnan(y[r]), std::isnan(want[r])) << strange;
        if (std::isfinite(want[r])) {
          EXPECT_NEAR(y[r], want[r], 1e-5 * std::fabs(want[r]) + 1e-44) << strange;
        }
      }
    }
}

FACET_ON_EACH_TABLE(MatmulTest);

}  // namespace
}  // namespace facet::kernels
