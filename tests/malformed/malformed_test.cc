// Every named malformed file is refused with its code and a message of one line that says why; and so is every prefix
// of a good file.
#include "malformed.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <set>

#include "formats/gguf/gguf.h"
#include "formats/safetensors/safetensors.h"

namespace facet::malformed {
namespace {

// Parses from a heap block of exactly the right size, so that the address sanitizer sees a read past the end.
template <typename Parse>
auto parse_exact(Parse parse, std::string_view bytes) {
  auto block = std::make_unique<std::byte[]>(bytes.size());
  if (!bytes.empty()) std::memcpy(block.get(), bytes.data(), bytes.size());
  return parse(std::span<const std::byte>(block.get(), bytes.size()), "model", nullptr).status();
}
Status parse_as_gguf(std::string_view bytes) { return parse_exact(parse_gguf, bytes); }
Status parse_as_safetensors(std::string_view bytes) { return parse_exact(parse_safetensors, bytes); }

void expect_refused(const Case& c, const Status& status) {
  EXPECT_EQ(status.code(), c.code) << status.message();
  EXPECT_NE(status.message().find(c.message), std::string::npos) << status.message();
  EXPECT_EQ(status.message().find("model"), 0u) << status.message();
  EXPECT_TRUE(std::all_of(status.message().begin(), status.message().end(), [](char ch) {
    return ch >= 0x20 && ch < 0x7f;
  })) << status.message();
  EXPECT_LT(status.message().size(), 400u);
}

class Gguf : public testing::TestWithParam<Case> {};
TEST_P(Gguf, IsRefused) { expect_refused(GetParam(), parse_as_gguf(GetParam().bytes)); }
class Safetensors : public testing::TestWithParam<Case> {};
TEST_P(Safetensors, IsRefused) { expect_refused(GetParam(), parse_as_safetensors(GetParam().bytes)); }

constexpr auto case_name = [](const testing::TestParamInfo<Case>& info) { return info.param.name; };
INSTANTIATE_TEST_SUITE_P(Malformed, Gguf, testing::ValuesIn(gguf_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(Malformed, Safetensors, testing::ValuesIn(safetensors_cases()), case_name);

TEST(Truncated, GgufAtEveryByte) {
  std::string good = good_gguf();
  ASSERT_TRUE(parse_as_gguf(good).ok()) << parse_as_gguf(good).message();
  std::size_t end_of_last_tensor = good.size() - 16;  // the padding after it may be missing
  for (std::size_t n = 0; n < good.size(); ++n) {
    Status status = parse_as_gguf(std::string_view(good).substr(0, n));
    ASSERT_EQ(status.code(), n < end_of_last_tensor ? Code::kCorrupt : Code::kOk)
        << "at " << n << ": " << status.message();
  }
}

TEST(Truncated, SafetensorsAtEveryByte) {
  std::string good = good_safetensors();
  ASSERT_TRUE(parse_as_safetensors(good).ok()) << parse_as_safetensors(good).message();
  for (std::size_t n = 0; n < good.size(); ++n) {
    Status status = parse_as_safetensors(std::string_view(good).substr(0, n));
    ASSERT_EQ(status.code(), Code::kCorrupt) << "at " << n << ": " << status.message();
  }
  EXPECT_EQ(parse_as_safetensors(good + "x").code(), Code::kCorrupt);
}

// Names chosen so that they share a long prefix must not make the check for duplicates slow: it sorts.
TEST(Hostile, ManyLongNamesAreReadInTime) {
  Bytes out;
  const std::uint64_t n = 20000;
  out.raw("GGUF").put(std::uint32_t{3}).put(std::uint64_t{0}).put(n);
  std::string prefix(500, 'k');
  for (std::uint64_t i = 0; i < n; ++i) out.str(prefix + std::to_string(i)).put(std::int32_t{0}).put(std::uint8_t{1});
  EXPECT_TRUE(parse_as_gguf(out.text()).ok());
}

}  // namespace
}  // namespace facet::malformed
