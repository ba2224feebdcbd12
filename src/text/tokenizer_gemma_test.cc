// The real Gemma 4 vocabulary: golden vectors of other implementations.
#include <gtest/gtest.h>

#include "base/hash.h"
#include "text/test_vocabulary.h"
#include "text/tokenizer.h"

namespace facet {
namespace {

using Ids = std::vector<int>;

const std::string& path() {
  static const std::string value = testing::shared_file("data/gemma4-vocab.gguf");
  return value;
}
const Tokenizer& gemma() {
  static const Tokenizer tokenizer = *Tokenizer::create(testing::read_gguf_vocabulary(path()));
  return tokenizer;
}

class GemmaVocabulary : public ::testing::Test {
  void SetUp() override {
    if (!std::filesystem::exists(path()))
      GTEST_SKIP() << path() << " is absent (set FACET_SHARED to the folder that holds data/gemma4-vocab.gguf)";
  }
};

TEST_F(GemmaVocabulary, GoldenVectors) {
  struct Golden {
    const char* text;
    Ids ids;
  };
  const Golden kGolden[] = {
      {"hello", {23391}},
      {"hello world", {23391, 1902}},
      {"Hello, World!", {9259, 236764, 4109, 236888}},
      {" hello", {29104}},
      {"  hello", {138, 23391}},
      {"hello  world", {23391, 138, 12392}},
      {"   ", {139}},
      {"12345", {236770, 236778, 236800, 236812, 236810}},
      {"caf\u00e9 r\u00e9sum\u00e9 na\u00efve", {123125, 236859, 118515, 120362}},
      {"\u4f60\u597d\u4e16\u754c", {144626, 12811}},
      {"def foo(x): return x + 1", {2063, 46293, 236769, 236781, 1473, 994, 1123, 900, 236743, 236770}},
      {"<|turn>user\nWhat is 2+2?<turn|>\n<|turn>model\n",
       {105, 2364, 107, 3689, 563, 236743, 236778, 236862, 236778, 236881, 106, 107, 105, 4368, 107}},
      {"<|tool_call>call:bash{command:<|\"|>ls -la<|\"|>}<tool_call|>",
       {48, 6639, 236787, 42422, 236782, 7674, 236787, 52, 5629, 753, 2149, 52, 236783, 49}},
      {"<|channel>thought\nLet me think about this...<channel|>The answer is 42.",
       {100, 45518, 107, 6481, 786, 1751, 1003, 672, 1390, 101, 818, 3890, 563, 236743, 236812, 236778, 236761}},
      {"\n", {107}},
      {"\n\n", {108}},
      {"    ", {140}},
      {"\t\t", {255969}},
  };
  for (const Golden& golden : kGolden)
    EXPECT_EQ(gemma().encode(golden.text, {.parse_special = true}), golden.ids) << golden.text;
}

TEST_F(GemmaVocabulary, RunsUpTo31AreOneToken) {
  EXPECT_EQ(gemma().encode(std::string(31, '\n')), Ids{137});
  EXPECT_EQ(gemma().encode(std::string(31, ' ')), Ids{167});
  EXPECT_EQ(gemma().encode(std::string(32, '\n')), (Ids{137, 107}));
}

TEST_F(GemmaVocabulary, AgreesWithTheDefinitionAndGivesTheBytesBack) {
  testing::Definition definition(gemma());
  Rng rng(11);
  for (int i = 0; i < 400; ++i) {
    std::string text = testing::hostile_text(rng, 1 + rng.below(30), gemma().vocabulary().pieces);
    ASSERT_EQ(gemma().encode(text), definition.encode(text)) << text;
    ASSERT_EQ(gemma().decode(gemma().encode(text)), testing::as_spaces(text));
  }
  std::string text = testing::hostile_text(rng, 40000, gemma().vocabulary().pieces);
  ASSERT_EQ(gemma().decode(gemma().encode(text)), testing::as_spaces(text));
}

TEST_F(GemmaVocabulary, LongTextsOfWordsAgreeWithTheDefinition) {
  testing::Definition definition(gemma());
  Rng rng(12);
  std::string text;
  while (text.size() < 80000) {  // few words often, many now and then, as in any language
    const std::uint32_t some = 200u << rng.below(11);
    const auto& pieces = gemma().vocabulary().pieces;
    text += testing::as_spaces(pieces[500 + rng.below(std::min(some, 260000u))]);
    text += std::string_view(" \n>. ,e")[rng.below(7)];
    if (rng.below(50) == 0) text += "> </";
  }
  const Ids expected = definition.encode(text);
  EXPECT_EQ(gemma().encode(text), expected);
  EXPECT_EQ(gemma().encode(text), expected);  // once more, now that it is known which pieces are whole
}

TEST_F(GemmaVocabulary, AgreesWithHuggingFacesTokenizers) {
  const std::vector<std::string> texts = testing::golden_texts(), expected = testing::golden_lines("gemma4.fnv");
  ASSERT_GT(texts.size(), 1500u);
  ASSERT_EQ(texts.size(), expected.size());
  auto hash = [](const Ids& ids) {
    char hex[9];
    std::snprintf(hex, sizeof hex, "%08x", static_cast<unsigned>(fnv1a(std::as_bytes(std::span(ids)))));
    return std::string(hex);
  };
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const Ids plain = gemma().encode(texts[i]), special = gemma().encode(texts[i], {.parse_special = true});
    EXPECT_EQ(hash(plain) + " " + hash(special), expected[i]) << texts[i];
    EXPECT_EQ(gemma().decode(plain), testing::as_spaces(texts[i]));
  }
}

TEST_F(GemmaVocabulary, JsonRoundTrip) {
  Result<Tokenizer> back = Tokenizer::from_json(gemma().to_json());
  ASSERT_TRUE(back.ok()) << back.status().message();
  EXPECT_EQ(*back, gemma());
}

}  // namespace
}  // namespace facet
