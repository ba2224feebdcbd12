// Every named malformed file is refused with its code and a message of one line that says why; and so is every prefix
// of a good file.
#include "malformed.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <set>

#include "formats/gguf/gguf.h"
#include "formats/safetensors/safetensors.h"
#include "model/drafter.h"
#include "model/generation_config.h"
#include "model/mobile_config.h"
#include "model/packed_config.h"
#include "text/tokenizer.h"

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

GemmaConfig parsed_config() { return *parse_hf_config(good_config()); }
Status parse_as_generation_config(std::string_view text) {
  GemmaConfig config = parsed_config();
  return apply_generation_config(text, config);
}

void expect_refused(const Case& c, const Status& status, const char* subject) {
  EXPECT_EQ(status.code(), c.code) << status.message();
  EXPECT_NE(status.message().find(c.message), std::string::npos) << status.message();
  EXPECT_EQ(status.message().find(subject), 0u) << status.message();
  EXPECT_TRUE(std::all_of(status.message().begin(), status.message().end(), [](char ch) {
    return ch >= 0x20 && ch < 0x7f;
  })) << status.message();
  EXPECT_LT(status.message().size(), 400u);
}

class Gguf : public testing::TestWithParam<Case> {};
TEST_P(Gguf, IsRefused) { expect_refused(GetParam(), parse_as_gguf(GetParam().bytes), "model"); }
class Safetensors : public testing::TestWithParam<Case> {};
TEST_P(Safetensors, IsRefused) { expect_refused(GetParam(), parse_as_safetensors(GetParam().bytes), "model"); }
class Config : public testing::TestWithParam<Case> {};
TEST_P(Config, IsRefused) { expect_refused(GetParam(), parse_hf_config(GetParam().bytes).status(), "config"); }
class DrafterConfig : public testing::TestWithParam<Case> {};
TEST_P(DrafterConfig, IsRefused) {
  expect_refused(GetParam(), parse_hf_drafter_config(GetParam().bytes).status(), "config");
}
class GenerationConfig : public testing::TestWithParam<Case> {};
TEST_P(GenerationConfig, IsRefused) {
  expect_refused(GetParam(), parse_as_generation_config(GetParam().bytes), "");  // the config may be to blame
}
class Quantization : public testing::TestWithParam<Case> {};
TEST_P(Quantization, IsRefused) {
  expect_refused(GetParam(), MobileConfig::find(GetParam().bytes).status(), "config.json: ");
}
class Packed : public testing::TestWithParam<Case> {};
TEST_P(Packed, IsRefused) { expect_refused(GetParam(), is_packed(GetParam().bytes).status(), "config.json: "); }
class TokenizerJson : public testing::TestWithParam<Case> {};
TEST_P(TokenizerJson, IsRefused) {
  expect_refused(GetParam(), Tokenizer::from_json(GetParam().bytes).status(), "tokenizer");
}

// A drafter's file, for the reader of whole files.
class DrafterFile {
 public:
  explicit DrafterFile(std::string_view bytes)
      : path_(testing::TempDir() + "facet_malformed_" + std::to_string(::getpid()) + ".gguf") {
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  ~DrafterFile() { std::remove(path_.c_str()); }
  Status load() const { return load_drafter(path_).status(); }
  const char* path() const { return path_.c_str(); }

 private:
  std::string path_;
};
class DrafterGguf : public testing::TestWithParam<Case> {};
TEST_P(DrafterGguf, IsRefused) {
  const DrafterFile file(GetParam().bytes);
  expect_refused(GetParam(), file.load(), file.path());
}

constexpr auto case_name = [](const testing::TestParamInfo<Case>& info) { return info.param.name; };
INSTANTIATE_TEST_SUITE_P(Malformed, Gguf, testing::ValuesIn(gguf_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(Malformed, Safetensors, testing::ValuesIn(safetensors_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(Malformed, Config, testing::ValuesIn(config_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(Malformed, DrafterConfig, testing::ValuesIn(drafter_config_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(Malformed, GenerationConfig, testing::ValuesIn(generation_config_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(Malformed, Quantization, testing::ValuesIn(quantization_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(Malformed, Packed, testing::ValuesIn(packed_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(Malformed, TokenizerJson, testing::ValuesIn(tokenizer_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(Malformed, DrafterGguf, testing::ValuesIn(drafter_gguf_cases()), case_name);

TEST(Good, IsRead) {
  EXPECT_TRUE(DrafterFile(good_drafter_gguf()).load().ok()) << DrafterFile(good_drafter_gguf()).load().message();
  EXPECT_TRUE(parse_hf_config(good_config()).ok()) << parse_hf_config(good_config()).status().message();
  EXPECT_TRUE(parse_hf_drafter_config(good_drafter_config()).ok())
      << parse_hf_drafter_config(good_drafter_config()).status().message();
  EXPECT_TRUE(parse_as_generation_config(good_generation_config()).ok());
  const auto mobile = MobileConfig::find(good_quantization());
  ASSERT_TRUE(mobile.ok() && mobile->has_value()) << mobile.status().message();
  EXPECT_EQ((*mobile)->bits_of("model.language_model.layers.14.mlp.up_proj"), 4);
  EXPECT_EQ((*mobile)->bits_of("model.language_model.layers.15.mlp.up_proj"), 2);
  EXPECT_EQ((*mobile)->bits_of("model.embed_vision.embedding_projection"), 0);
  EXPECT_TRUE(*is_packed(good_packed()));
  EXPECT_FALSE(*is_packed(good_quantization()));
  const auto tokenizer = Tokenizer::from_json(good_tokenizer());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("the hand and\n\nthe \xff")), "the hand and\n\nthe \xff");
}

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
