// The codecs against bytes made by independent programs: tests/golden/*/make.py.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "quant/codec.h"

namespace facet {
namespace {

template <typename T>
std::vector<T> read(const std::string& file) {
  const std::string text = *read_text_file(std::string(FACET_SOURCE_DIR) + "/tests/golden/" + file);
  std::vector<T> out(text.size() / sizeof(T));
  std::memcpy(out.data(), text.data(), out.size() * sizeof(T));
  return out;
}

TEST(Golden, Q4_0) {
  const auto weights = read<float>("q4_0/weights.f32");
  ASSERT_GT(weights.size(), 60 * 32u);
  const Result<Tensor> t = encode(DType::kQ4_0, {static_cast<std::int64_t>(weights.size())}, weights);
  ASSERT_TRUE(t.ok()) << t.status().message();
  EXPECT_EQ(t->bytes, read<std::byte>("q4_0/blocks.q4_0"));
}

TEST(Golden, Q4_K) {
  const auto weights = read<float>("q4_k/weights.f32");
  const auto blocks = read<std::byte>("q4_k/blocks.q4_k");
  ASSERT_EQ(weights.size(), 10 * 256u);
  const Tensor back = decode({DType::kQ4_K, {10, 256}, blocks, {}});
  EXPECT_EQ(std::memcmp(back.bytes.data(), weights.data(), weights.size() * sizeof(float)), 0);
}

TEST(Golden, BlocksThatAreOnlyRead) {
  for (DType type : {DType::kQ4_1, DType::kQ5_0, DType::kQ5_1, DType::kQ2_K, DType::kQ3_K, DType::kQ5_K}) {
    const std::string name(info(type).name);
    const auto weights = read<float>("ggml_blocks/" + name + ".f32");
    const auto blocks = read<std::byte>("ggml_blocks/" + name + ".blocks");
    ASSERT_EQ(weights.size(), 6u * info(type).block) << name;
    const Tensor back = decode({type, {static_cast<std::int64_t>(weights.size())}, blocks, {}});
    for (std::size_t i = 0; i < weights.size(); ++i) ASSERT_EQ(back.floats()[i], weights[i]) << name << " " << i;
    EXPECT_EQ(encode(type, {static_cast<std::int64_t>(weights.size())}, weights).status().code(), Code::kUnsupported);
  }
}

TEST(Golden, MobileRows) {
  const auto weights = read<float>("mobile/weights.f32"), scales = read<float>("mobile/scales.f32");
  ASSERT_EQ(weights.size(), 12 * 37u);
  for (int bits : {2, 4, 8}) {
    const Result<Tensor> t = encode_rows(row_type_of_bits(bits), {12, 37}, weights, scales);
    ASSERT_TRUE(t.ok()) << t.status().message();
    EXPECT_EQ(t->bytes, read<std::byte>("mobile/packed.i" + std::to_string(bits)));
  }
}

}  // namespace
}  // namespace facet
