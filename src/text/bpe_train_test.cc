#include "text/bpe_train.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "text/test_vocabulary.h"

namespace facet {
namespace {

// Invented words with a skewed frequency, digits, accents: enough for a few hundred pieces.
std::string invented_text(std::uint64_t seed, int n_words) {
  Rng rng(seed);
  static const char* kSyllables[] = {"ka", "lo",       "mi",  "ren", "sta", "u",   "ba", "dor",
                                     "fi", "gl\u00e9", "pon", "qu",  "es",  "tri", "wo", "zan"};
  std::string text;
  for (int i = 0; i < n_words; ++i) {
    Rng word(seed + 1, rng.below(1 + rng.below(600)));
    for (std::uint32_t n = 1 + word.below(4); n > 0; --n) text += kSyllables[word.below(16)];
    std::uint32_t end = rng.below(20);
    text += end == 0 ? ".\n" : end == 1 ? ",  " : end == 2 ? " 1234567890 " : " ";
  }
  return text;
}

TEST(BpeTrain, LaysOutAGemmaStyleVocabulary) {
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  Result<Vocabulary> trained = train_bpe(invented_text(1, 20000), {.vocab_size = 700});
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  ASSERT_TRUE(trained.ok()) << trained.status().message();
  const Vocabulary& v = *trained;
  ASSERT_EQ(v.pieces.size(), 700u);
  const char* kFirst[] = {"<pad>", "<eos>", "<bos>", "<unk>", "<mask>"};
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(v.pieces[i], kFirst[i]);
  EXPECT_EQ((std::vector<int>{v.pad, v.eos, v.bos, v.unknown, v.mask}), (std::vector<int>{0, 1, 2, 3, 4}));
  EXPECT_EQ(std::set<std::string>(v.pieces.begin(), v.pieces.end()).size(), 700u);
  int n_bytes = 0, n_user = 0;
  for (std::size_t i = 0; i < 700; ++i) {
    EXPECT_EQ(v.pieces[i].find(' '), std::string::npos);
    n_bytes += v.kinds[i] == TokenKind::kByte;
    n_user += v.kinds[i] == TokenKind::kUserDefined;
    if (v.kinds[i] == TokenKind::kNormal && v.pieces[i].size() > 1) {
      EXPECT_EQ(v.pieces[i].find_first_of("0123456789"), std::string::npos) << v.pieces[i];  // digits stay single
    }
  }
  EXPECT_EQ(n_bytes, 256);
  EXPECT_EQ(n_user, 7);
  Result<Tokenizer> t = Tokenizer::create(v);  // checks that merges are made of tokens
  ASSERT_TRUE(t.ok()) << t.status().message();
  for (const char* piece : {"<|turn>", "<turn|>", "<|think|>", "<|channel>", "<channel|>", "<|tool>", "<tool|>",
                            "<|tool_call>", "<tool_call|>", "<|tool_response>", "<tool_response|>", "<|\"|>"})
    EXPECT_EQ(t->encode(piece, {.parse_special = true}), std::vector<int>{t->id_of(piece)}) << piece;
  EXPECT_EQ(t->encode("\n\n"), std::vector<int>{t->id_of("\n\n")});
  EXPECT_EQ(t->encode("        ").size(), 1u);
  // Every merged piece can be reached from its characters.
  int reached = 0, n_pieces = 0;
  for (std::size_t i = 0; i < 700; ++i) {
    if (v.kinds[i] != TokenKind::kNormal) continue;
    ++n_pieces;
    reached += t->encode(t->piece_bytes(static_cast<int>(i))) == std::vector<int>{static_cast<int>(i)};
  }
  EXPECT_GE(reached, n_pieces * 98 / 100);
  std::string text = invented_text(2, 3000);
  EXPECT_LT(t->encode(text).size(), text.size() * 2 / 5);
}

TEST(BpeTrain, IsDeterministicAndLeavesNoFiles) {
  auto here = [] {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::current_path()))
      names.insert(entry.path());
    return names;
  };
  auto before = here();
  std::string text = invented_text(3, 20000);
  BpeTrainOptions options{.vocab_size = 600, .max_text_bytes = 40000};
  EXPECT_EQ(*train_bpe(text, options), *train_bpe(text, options));
  EXPECT_EQ(here(), before);
}

TEST(BpeTrain, TheEncoderAgreesWithTheDefinition) {
  Tokenizer t = *Tokenizer::create(*train_bpe(invented_text(4, 20000), {.vocab_size = 800}));
  testing::Definition definition(t);
  Rng rng(4);
  for (int i = 0; i < 3000; ++i) {
    std::string text = testing::hostile_text(rng, 1 + rng.below(24), t.vocabulary().pieces);
    ASSERT_EQ(t.encode(text), definition.encode(text)) << text;
    ASSERT_EQ(t.decode(t.encode(text)), testing::as_spaces(text));
  }
  EXPECT_EQ(*Tokenizer::from_json(t.to_json()), t);
}

TEST(BpeTrain, HostileTextTrainsToo) {
  Rng rng(9);
  std::string text = invented_text(5, 20000) + std::string(20000, 'x') + "\n" + std::string(9000, '\xff');
  std::vector<std::string> words = {"kalo", " mi", "<|endoftext|>\n"};
  text += testing::hostile_text(rng, 4000, words);
  Result<Vocabulary> v = train_bpe(text, {.vocab_size = 700, .character_coverage = 0.98});
  ASSERT_TRUE(v.ok()) << v.status().message();
  EXPECT_EQ(v->pieces.size(), 700u);
  Tokenizer t = *Tokenizer::create(*v);
  EXPECT_EQ(t.decode(t.encode(text)), testing::as_spaces(text));
  EXPECT_EQ(t.id_of("<|endoftext|>"), -1);
}

TEST(BpeTrain, RefusesWhatCannotWork) {
  auto refused = [](std::string_view text, int n, const char* part) {
    Result<Vocabulary> v = train_bpe(text, {.vocab_size = n});
    ASSERT_FALSE(v.ok());
    EXPECT_EQ(v.status().code(), Code::kInvalidArgument);
    EXPECT_NE(v.status().message().find(part), std::string::npos) << v.status().message();
    EXPECT_EQ(v.status().message().find('\n'), std::string::npos);
  };
  refused("", 1000, "empty");
  refused("\n\n\n", 1000, "empty");
  refused("a small text", 1000, "yields only");
  refused(invented_text(1, 2000), 10, "expected 284 to");
  refused(invented_text(1, 2000), 290, "290");
}

}  // namespace
}  // namespace facet
