// The vocabulary of the built-in model against Hugging Face's tokenizers: tests/golden/tokenizer/.
#include <gtest/gtest.h>

#include "base/mapped_file.h"
#include "text/test_vocabulary.h"
#include "text/tokenizer.h"

namespace facet {
namespace {

std::string words(const std::vector<int>& ids) {
  std::string out;
  for (int id : ids) out += (out.empty() ? "" : " ") + std::to_string(id);
  return out;
}

TEST(TokenizerGolden, AgreesWithHuggingFacesTokenizers) {
  Result<std::string> json = read_text_file(std::string(FACET_SOURCE_DIR) + "/models/builtin/tokenizer.json");
  ASSERT_TRUE(json.ok()) << json.status().message();
  Result<Tokenizer> t = Tokenizer::from_json(*json);
  ASSERT_TRUE(t.ok()) << t.status().message();
  const std::vector<std::string> texts = testing::golden_texts(), expected = testing::golden_lines("builtin.ids");
  ASSERT_GT(texts.size(), 1500u);
  ASSERT_EQ(texts.size(), expected.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::vector<int> plain = t->encode(texts[i]), special = t->encode(texts[i], {.parse_special = true});
    EXPECT_EQ(plain == special ? words(plain) : words(plain) + " | " + words(special), expected[i]) << texts[i];
    EXPECT_EQ(t->decode(plain), testing::as_spaces(texts[i]));
  }
}

}  // namespace
}  // namespace facet
