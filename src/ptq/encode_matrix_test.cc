#include "ptq/encode_matrix.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/rng.h"
#include "quant/codec.h"
#include "quant/q4_0.h"

namespace facet {
namespace {

using Floats = std::vector<float>;

Floats normal(std::size_t n, std::uint64_t seed) {
  Rng rng(seed);
  Floats w(n);
  for (float& x : w) x = 0.05f * rng.normal();
  return w;
}
Floats floats(const Tensor& t) {
  const Tensor d = decode(t.view());
  return {d.floats().begin(), d.floats().end()};
}
double error(const Floats& a, const Floats& b) {
  double e = 0, w = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    e += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
    w += double(a[i]) * a[i];
  }
  return std::sqrt(e / w);
}

TEST(EncodeMatrix, PlainRulesAreTheCodecs) {
  ThreadPool pool(2);
  const Shape shape{2, 21, 64};
  const Tensor source = Tensor::from_floats(shape, normal(2 * 21 * 64, 1));
  for (DType type : {DType::kQ4_0, DType::kQ8_0}) {
    const auto e = encode_matrix("w", source.view(), type, 1, false, pool);
    ASSERT_TRUE(e.ok());
    EXPECT_EQ(e->tensor.shape, shape);
    EXPECT_EQ(e->tensor.bytes, encode(type, shape, source.floats())->bytes);
    EXPECT_NEAR(e->relative_error, error(floats(source), floats(e->tensor)), 1e-9);
  }
}

TEST(EncodeMatrix, GroupsEachHaveTheirScale) {
  ThreadPool pool(2);
  const Tensor source = Tensor::from_floats({40, 48}, normal(40 * 48, 2));
  for (bool search : {false, true}) {
    const auto one = encode_matrix("w", source.view(), DType::kI4Row, 1, search, pool);
    const auto three = encode_matrix("w", source.view(), DType::kI4Row, 3, search, pool);
    ASSERT_TRUE(one.ok() && three.ok());
    EXPECT_EQ(three->tensor.view().groups(), 3);
    EXPECT_LT(three->relative_error, one->relative_error);
    EXPECT_NEAR(three->relative_error, error(floats(source), floats(three->tensor)), 1e-9);
  }
  EXPECT_EQ(encode_matrix("w", source.view(), DType::kI4Row, 5, true, pool).status().code(), Code::kUnsupported);
  EXPECT_EQ(encode_matrix("w", source.view(), DType::kQ4_0, 1, true, pool).status().code(), Code::kUnsupported);
}

TEST(EncodeMatrix, SearchIsBetterThanThePlainRule) {
  ThreadPool pool(1);
  const Tensor source = Tensor::from_floats({24, 256}, normal(24 * 256, 3));
  for (DType type : {DType::kQ4_0, DType::kI2Row, DType::kI4Row, DType::kI8Row}) {
    const auto plain = encode_matrix("w", source.view(), type, 1, false, pool);
    const auto search = encode_matrix("w", source.view(), type, 1, true, pool);
    EXPECT_LT(search->relative_error, plain->relative_error) << info(type).name;
  }
}

TEST(EncodeMatrix, ThreadsDoNotChangeTheResult) {
  ThreadPool one(1), three(3);
  const Tensor source = Tensor::from_floats({100, 64}, normal(6400, 4));
  const auto a = encode_matrix("w", source.view(), DType::kI2Row, 2, true, one);
  const auto b = encode_matrix("w", source.view(), DType::kI2Row, 2, true, three);
  EXPECT_EQ(a->tensor.bytes, b->tensor.bytes);
  EXPECT_EQ(a->tensor.row_scales, b->tensor.row_scales);
  EXPECT_EQ(a->relative_error, b->relative_error);
}

TEST(EncodeMatrix, NamesTheFirstWeightThatIsNotFinite) {
  ThreadPool pool(2);
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Floats w = normal(90 * 32, 5);
    w[70 * 32 + 9] = bad;
    w[80 * 32] = bad;
    const Tensor source = Tensor::from_floats({90, 32}, w);
    for (const Status& s : {encode_matrix("m.weight", source.view(), DType::kQ4_0, 1, true, pool).status(),
                            decode_finite("m.weight", source.view()).status()}) {
      EXPECT_EQ(s.code(), Code::kCorrupt);
      EXPECT_NE(s.message().find("'m.weight': the weight at row 70, column 9"), std::string::npos) << s.message();
    }
  }
}

TEST(QuantizeBySearch, IsEncodeMatrixWithoutImportance) {
  ThreadPool pool(2);
  const Floats w = normal(30 * 96, 6);
  const Tensor source = Tensor::from_floats({30, 96}, w);
  for (DType type : {DType::kQ4_0, DType::kI2Row, DType::kI4Row, DType::kI8Row}) {
    Floats x = w, scales(type == DType::kQ4_0 ? 90 : 30);
    quantize_by_search(type, x, 96, {}, scales, pool);
    EXPECT_EQ(x, floats(encode_matrix("w", source.view(), type, 1, true, pool)->tensor));
    EXPECT_NEAR(relative_error(source.view(), x, pool), error(w, x), 1e-9);
    // Decoded values encode to themselves under their scales.
    const Shape shape{30, 96};
    EXPECT_EQ(floats(type == DType::kQ4_0 ? *encode_q4_0_with_scales(shape, x, scales)
                                          : *encode_rows(type, shape, x, scales)),
              x);
  }
}

TEST(QuantizeBySearch, ImportanceLowersTheWeightedError) {
  ThreadPool pool(1);
  const Floats w = normal(32 * 128, 7);
  Floats importance(128);
  for (int j = 0; j < 128; ++j) importance[j] = j % 16 == 3 ? 100.0f : 0.1f;
  const auto weighted = [&](const Floats& x) {
    double sum = 0;
    for (std::size_t i = 0; i < w.size(); ++i)
      sum += importance[i % 128] * (double(w[i]) - x[i]) * (double(w[i]) - x[i]);
    return sum;
  };
  for (DType type : {DType::kQ4_0, DType::kI2Row, DType::kI4Row}) {
    Floats plain = w, steered = w, scales(type == DType::kQ4_0 ? 128 : 32);
    quantize_by_search(type, plain, 128, {}, scales, pool);
    quantize_by_search(type, steered, 128, importance, scales, pool);
    EXPECT_LT(weighted(steered), 0.95 * weighted(plain)) << info(type).name;
  }
}

}  // namespace
}  // namespace facet
