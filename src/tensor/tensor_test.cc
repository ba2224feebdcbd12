#include "tensor/tensor.h"

#include <gtest/gtest.h>

namespace facet {
namespace {

TEST(DType, RowBytes) {
  EXPECT_EQ(row_bytes(DType::kQ4_0, 64), 36u);
  EXPECT_EQ(row_bytes(DType::kQ8_0, 32), 34u);
  EXPECT_EQ(row_bytes(DType::kI4Row, 5), 3u);
  EXPECT_EQ(row_bytes(DType::kI2Row, 5), 2u);
  EXPECT_FALSE(row_bytes(DType::kQ4_0, 33));
  EXPECT_FALSE(row_bytes(DType::kF32, -1));
  for (auto name : {"f32", "f16", "bf16", "q8_0", "q4_0", "int8", "int4", "int2"})
    EXPECT_EQ(info(*dtype_from_name(name)).name, name);
  EXPECT_FALSE(dtype_from_name("q9"));
}

TEST(Tensor, RowsColsAndFloats) {
  Tensor t = Tensor::from_floats({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});
  EXPECT_EQ(t.view().rows(), 2);
  EXPECT_EQ(t.view().cols(), 3);
  EXPECT_EQ(t.floats()[5], 6.0f);
  EXPECT_EQ(to_string(t.shape), "2x3");
  Tensor q = Tensor::zeros(DType::kQ4_0, {3, 64});
  EXPECT_EQ(q.bytes.size(), 3u * 36);
}

}  // namespace
}  // namespace facet
