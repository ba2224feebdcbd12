#include "quant/codec.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <limits>
#include <vector>

#include "base/half.h"
#include "base/rng.h"
#include "quant/q4_0.h"
#include "quant/row_int.h"
#include "quant/scale_search.h"

namespace facet {
namespace {

using Floats = std::vector<float>;

Floats normal(std::size_t n, std::uint64_t seed) {
  Rng rng(seed);
  Floats w(n);
  for (float& x : w) x = 0.05f * rng.normal();
  return w;
}
Floats decoded(const Tensor& t) {
  const Tensor d = decode(t.view());
  return {d.floats().begin(), d.floats().end()};
}

TEST(Codec, FloatTypesRoundTrip) {
  const Shape shape{3, 5};
  const Floats w = normal(15, 1);
  EXPECT_EQ(decoded(*encode(DType::kF32, shape, w)), w);
  const Floats half = decoded(*encode(DType::kF16, shape, w)), bf = decoded(*encode(DType::kBF16, shape, w));
  for (std::size_t i = 0; i < w.size(); ++i) {
    EXPECT_EQ(half[i], to_float(to_half(w[i])));
    EXPECT_EQ(bf[i], to_float(to_bfloat16(w[i])));
  }
  EXPECT_EQ(decoded(*encode(DType::kBF16, shape, bf)), bf);
}

TEST(Codec, BlockTypesEqualTheirRowFunctions) {
  const Shape shape{4, 64};
  const Floats w = normal(256, 2);
  Floats want(256);
  ASSERT_TRUE(fake_quantize_q4_0(w, want).ok());
  const Tensor q4 = *encode(DType::kQ4_0, shape, w);
  EXPECT_EQ(q4.bytes.size(), 4 * 2 * 18u);
  EXPECT_EQ(decoded(q4), want);
  Floats rows(128);
  decode_rows(q4.view(), 1, 2, rows);
  EXPECT_EQ(rows, Floats(want.begin() + 64, want.begin() + 192));
  const Floats q8 = decoded(*encode(DType::kQ8_0, shape, w));
  for (std::size_t i = 0; i < w.size(); ++i) EXPECT_NEAR(q8[i], w[i], 0.002);
}

TEST(Codec, Q4_0WithScales) {
  const Floats w = normal(64, 3);
  Floats scales, want(64);
  for (int b = 0; b < 2; ++b) scales.push_back(search_q4_0_scale(std::span(w).subspan(b * 32, 32)));
  ASSERT_TRUE(fake_quantize_q4_0_learned(w, scales, want).ok());
  EXPECT_EQ(decoded(*encode_q4_0_with_scales({1, 64}, w, scales)), want);
  EXPECT_EQ(encode_q4_0_with_scales({2, 32}, w, Floats{1.0f}).status().code(), Code::kInvalidArgument);
}

TEST(Codec, RowTypesWithGroupsAndOddWidths) {
  for (int bits : {2, 4, 8})
    for (int groups : {1, 3}) {
      const Shape shape{2, 3, 15};  // experts: rows are the leading dimensions together
      const Floats w = normal(90, 10 + bits);
      Floats scales(6 * groups), want(90);
      for (std::size_t g = 0; g < scales.size(); ++g) scales[g] = 0.01f + 0.001f * float(g);
      fake_quantize_groups(w, scales, bits, want);
      const Result<Tensor> t = encode_rows(row_type_of_bits(bits), shape, w, scales);
      ASSERT_TRUE(t.ok()) << t.status().message();
      EXPECT_EQ(bits_of(t->dtype), bits);
      EXPECT_EQ(t->view().groups(), groups);
      EXPECT_EQ(decoded(*t), want);
      Floats row(15);
      decode_row(t->view(), 4, row);
      EXPECT_EQ(row, Floats(want.begin() + 60, want.begin() + 75));
    }
}

TEST(Codec, ReadsFromAnyAddress) {
  const Floats w = normal(64, 4);
  for (DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0}) {
    const Tensor t = *encode(type, {2, 32}, w);
    std::vector<std::byte> shifted(t.bytes.size() + 1);
    std::memcpy(shifted.data() + 1, t.bytes.data(), t.bytes.size());
    TensorView view = t.view();
    view.bytes = std::span(shifted).subspan(1);
    const Tensor d = decode(view);
    EXPECT_EQ(Floats(d.floats().begin(), d.floats().end()), decoded(t));
  }
}

// Long rows are decoded in pieces; neither their ends nor the groups' need to meet.
TEST(Codec, LongRowsDecodeAsTheirGroupsDo) {
  struct Case {
    std::size_t cols, groups;
  };
  for (DType type : {DType::kI8Row, DType::kI4Row, DType::kI2Row}) {
    for (auto [cols, groups] : {Case{1030, 5}, {1030, 1}, {1024, 2}, {1536, 4}, {1537, 1}}) {
      const Floats w = normal(3 * cols, cols);
      Floats scales(3 * groups);
      for (std::size_t i = 0; i < scales.size(); ++i) scales[i] = 0.01f + 0.002f * i;
      const Tensor t = *encode_rows(type, {3, std::int64_t(cols)}, w, scales);
      Floats got(2 * cols), expected(2 * cols);
      decode_rows(t.view(), 1, 2, got);
      const std::size_t group = cols / groups;
      for (std::size_t g = 0; g < 2 * groups; ++g)
        fake_quantize_group(std::span(w).subspan(cols + g * group, group), scales[groups + g], bits_of(type),
                            std::span(expected).subspan(g * group, group));
      EXPECT_EQ(got, expected) << info(type).name << " " << cols << " " << groups;
    }
  }
}

TEST(Codec, RefusesNonFiniteAndOversizedValues) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0}) {
    Floats w(64, 1.0f);
    w[40] = nan;
    const Status s = encode(type, {2, 32}, w).status();
    EXPECT_EQ(s.code(), Code::kCorrupt);
    EXPECT_NE(s.message().find("40"), std::string::npos) << s.message();
  }
  EXPECT_EQ(encode(DType::kF16, {1}, Floats{65520.0f}).status().code(), Code::kCorrupt);
  EXPECT_TRUE(encode(DType::kF16, {1}, Floats{65519.0f}).ok());
  EXPECT_EQ(encode(DType::kBF16, {1}, Floats{3.4e38f}).status().code(), Code::kCorrupt);
  EXPECT_EQ(encode_rows(DType::kI4Row, {1, 2}, Floats{nan, 1}, Floats{1}).status().code(), Code::kCorrupt);
}

TEST(Codec, RefusesWrongShapesAndScales) {
  const Floats w(66, 1.0f);
  EXPECT_EQ(encode(DType::kQ4_0, {2, 33}, w).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(encode(DType::kF32, {2, 32}, w).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(encode(DType::kI4Row, {2, 33}, w).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(encode_rows(DType::kF32, {2, 33}, w, Floats{1, 1}).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(encode_rows(DType::kI4Row, {2, 33}, w, Floats{1, 1, 1}).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(encode_rows(DType::kI4Row, {2, 33}, w, Floats{1, 1, 1, 1}).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(encode_rows(DType::kI4Row, {2, 33}, w, Floats{}).status().code(), Code::kInvalidArgument);
  for (float bad : {0.0f, -1.0f, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()})
    EXPECT_EQ(encode_rows(DType::kI4Row, {2, 33}, w, Floats{1, bad}).status().code(), Code::kCorrupt);
}

}  // namespace
}  // namespace facet
