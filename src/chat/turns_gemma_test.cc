// With the real Gemma 4 vocabulary: our tokens are those of the official text.
#include <filesystem>

#include "chat/turns_testing.h"
#include "text/test_vocabulary.h"

namespace facet::chat {
namespace {

TEST(GemmaTurns, TokensOfAPromptAreThoseOfItsOfficialText) {
  const std::string path = facet::testing::shared_file("data/gemma4-vocab.gguf");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is absent (see FACET_SHARED)";
  const Tokenizer gemma = *Tokenizer::create(facet::testing::read_gguf_vocabulary(path));
  int compared = 0;
  for (const auto& golden : testing::goldens()) {
    if (golden.name.find("control tokens") != std::string::npos) continue;  // there they differ on purpose
    const auto tokens = render(golden.conversation, golden.format, golden.options).tokens(gemma);
    ASSERT_TRUE(tokens.ok()) << tokens.status().message();
    EXPECT_EQ(*tokens, gemma.encode(golden.expected, {.parse_special = true})) << golden.name;
    ++compared;
  }
  EXPECT_GT(compared, 450);
  // Ids as another implementation has them (tokenizer_gemma_test.cc).
  const Conversation c{.tools = {}, .messages = {{.speaker = Speaker::kUser, .text = "What is 2+2?"}}};
  EXPECT_EQ(*render(c, {}, {}).tokens(gemma), (std::vector<int>{2, 105, 2364, 107, 3689, 563, 236743, 236778, 236862,
                                                                236778, 236881, 106, 107, 105, 4368, 107}));
  EXPECT_EQ(stop_tokens(gemma), (std::vector<int>{1, 106, 50}));
  // Markers that a user types are text, whatever merges the vocabulary has.
  for (const char* marker : {"<|turn>", "<turn|>", "<|channel>", "<|tool_call>", "<|\"|>", "<eos>", "<|think|>"})
    for (int id : gemma.encode(marker)) EXPECT_NE(id, gemma.id_of(marker)) << marker;
}

}  // namespace
}  // namespace facet::chat
