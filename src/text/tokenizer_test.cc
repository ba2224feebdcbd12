#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <numeric>
#include <thread>

#include "text/bpe.h"
#include "text/test_vocabulary.h"
#include "text/utf8.h"

namespace facet {
namespace {

using testing::as_spaces;
using testing::Definition;
using testing::hostile_text;
using testing::random_vocabulary;
using testing::small_vocabulary;
using Ids = std::vector<int>;

Tokenizer make(Vocabulary v) {
  Result<Tokenizer> t = Tokenizer::create(std::move(v));
  EXPECT_TRUE(t.ok()) << t.status().message();
  return *t;
}

std::vector<std::string> names(const Tokenizer& t, const Ids& ids) {
  std::vector<std::string> out;
  for (int id : ids) out.push_back(t.vocabulary().pieces[static_cast<std::size_t>(id)]);
  return out;
}
using Names = std::vector<std::string>;

TEST(Utf8, OnlyWellFormedCharactersCount) {
  EXPECT_EQ(utf8_char_size(""), 0);
  EXPECT_EQ(utf8_char_size("a"), 1);
  EXPECT_EQ(utf8_char_size("\u00e9x"), 2);
  EXPECT_EQ(utf8_char_size("\u2581"), 3);
  EXPECT_EQ(utf8_char_size("\U0001F600"), 4);
  EXPECT_EQ(utf8_char_size("\xF4\x8F\xBF\xBF"), 4);  // U+10FFFF
  for (const char* bad : {"\x80", "\xC1\x81", "\xE0\x9F\x80", "\xED\xA0\x80", "\xF0\x8F\x80\x80", "\xF4\x90\x80\x80",
                          "\xF5\x80\x80\x80", "\xE2\x96", "\xC3", "\xF0\x9F\x98"})
    EXPECT_EQ(utf8_char_size(bad), 0) << bad;
}

TEST(Tokenizer, MergesByRankNotByLength) {
  // "b c" outranks "a b": abc is a + bc although "ab" + c would also be possible.
  Tokenizer t = make(small_vocabulary({"a", "b", "c"}, {"b c", "a b"}));
  EXPECT_EQ(names(t, t.encode("abc")), (Names{"a", "bc"}));
  EXPECT_EQ(names(t, t.encode("ab")), (Names{"ab"}));
  // Of equal ranks the leftmost merges first.
  Tokenizer aa = make(small_vocabulary({"a"}, {"a a"}));
  EXPECT_EQ(names(aa, aa.encode("aaa")), (Names{"aa", "a"}));
}

TEST(Tokenizer, SpacesAndNewlines) {
  Tokenizer t = make(small_vocabulary({"a"}, {"\u2581 a", "\u2581 \u2581"}));
  EXPECT_EQ(names(t, t.encode(" a  a")), (Names{"\u2581a", "\u2581", "\u2581a"}));
  EXPECT_EQ(names(t, t.encode("a\n\na\n\n\n")), (Names{"a", "\n\n", "a", "\n", "\n", "\n"}));  // no merge makes "\n\n"
  EXPECT_EQ(t.decode(t.encode(" a  a\n\n a")), " a  a\n\n a");
  EXPECT_TRUE(t.encode("").empty());
  EXPECT_EQ(t.encode("a", {.bos = true}), (Ids{2, t.id_of("a")}));
}

TEST(Tokenizer, ALowerOneEighthBlockOfTheTextIsASpace) {  // U+2581, as in Hugging Face's tokenizers and llama.cpp
  Tokenizer t = make(small_vocabulary({"a"}, {"\u2581 a", "\u2581 \u2581"}));
  EXPECT_EQ(names(t, t.encode("\u2581a \u2581a")), (Names{"\u2581a", "\u2581", "\u2581a"}));
  EXPECT_EQ(t.decode(t.encode("\u2581 \u2581")), "   ");
  std::string text;  // long enough for the path of repeated stretches
  for (int i = 0; i < 20000; ++i) text += i % 3 ? "\u2581a" : " a";
  EXPECT_EQ(t.encode(text), Ids(20000, t.id_of("\u2581a")));
}

TEST(Tokenizer, ByteFallbackGivesTheSameBytesBack) {
  Tokenizer t = make(small_vocabulary({"a"}, {}));
  EXPECT_EQ(names(t, t.encode("\u00e9")), (Names{"<0xC3>", "<0xA9>"}));
  EXPECT_EQ(names(t, t.encode("a\xFF")), (Names{"a", "<0xFF>"}));
  EXPECT_EQ(names(t, t.encode("<0x41>")).size(), 6u);  // the name of a byte token is text like any other
}

TEST(Tokenizer, WithoutByteTokensARunOfUnknownsIsOneToken) {
  Vocabulary v = small_vocabulary({"a"}, {});
  v.kinds[static_cast<std::size_t>(v.unknown)] = TokenKind::kUnknown;
  for (std::size_t i = 0; i < v.pieces.size(); ++i)
    if (v.kinds[i] == TokenKind::kByte) {
      v.kinds[i] = TokenKind::kNormal;
      v.pieces[i] = "unused" + std::to_string(i);
    }
  Tokenizer t = make(v);
  EXPECT_EQ(names(t, t.encode("a\u00e9zza")), (Names{"a", "<unk>", "a"}));
  EXPECT_EQ(names(t, t.encode("z<unk>z", {.parse_special = true})), (Names{"<unk>", "<unk>", "<unk>"}));
}

TEST(Tokenizer, SpecialTokensAreCutOnlyWhenAsked) {
  Tokenizer t = make(small_vocabulary({"a", "<", "|", ">", "t", "u", "r", "n", "x"}, {}));
  EXPECT_EQ(names(t, t.encode("a<|turn>a<turn|>", {.parse_special = true})), (Names{"a", "<|turn>", "a", "<turn|>"}));
  EXPECT_EQ(names(t, t.encode("<|turn>xx", {.parse_special = true})), (Names{"<|turn>x", "x"}));  // the longest wins
  EXPECT_EQ(names(t, t.encode("<|turn><|turn", {.parse_special = true})),
            (Names{"<|turn>", "<", "|", "t", "u", "r", "n"}));
  for (int id : t.encode("<|turn>a<bos><|\"|>"))
    EXPECT_NE(t.vocabulary().kinds[static_cast<std::size_t>(id)], TokenKind::kControl);
  EXPECT_EQ(t.decode(t.encode("<|turn>a<bos><|\"|>")), "<|turn>a<bos><|\"|>");
  // Control tokens add nothing to a text, user-defined ones are printed.
  EXPECT_EQ(t.decode(t.encode("<|turn>a<|\"|><turn|>", {.parse_special = true})), "a<|\"|>");
  EXPECT_EQ(t.piece_bytes(t.vocabulary().bos), "");
}

TEST(Tokenizer, TextNeverMergesIntoAControlToken) {
  Tokenizer t = make(small_vocabulary({"<", "bos>"}, {"< bos>"}));
  EXPECT_EQ(t.encode("<bos>").front(), t.id_of("<"));
}

TEST(Tokenizer, AgreesWithTheDefinitionOnHostileText) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    std::vector<std::string> alphabet = {"a", "b", "c", "d", ".", "\u00e9", "\u4e16", "\U0001F600"};
    Tokenizer t = make(random_vocabulary(alphabet, 20 + static_cast<int>(seed) * 4, seed));
    Definition definition(t);
    Rng rng(seed, 1);
    for (int i = 0; i < 60; ++i) {
      std::string text;
      if (i % 2) {
        text = hostile_text(rng, 1 + rng.below(40), t.vocabulary().pieces);
      } else {
        for (auto n = rng.below(80); n > 0; --n) text += rng.below(5) ? alphabet[rng.below(8)] : std::string(" ");
      }
      ASSERT_EQ(t.encode(text), definition.encode(text)) << "seed " << seed << ": " << text;
      ASSERT_EQ(t.decode(t.encode(text)), as_spaces(text)) << "seed " << seed;
    }
  }
}

TEST(Tokenizer, RepeatedWordsInALongTextGiveTheSameIds) {  // the path that copies ids of a word met before
  Tokenizer t = make(random_vocabulary({"a", "b", "c", ",", "\u00e9"}, 200, 5));
  Rng rng(5, 1);
  std::string text;
  std::vector<int> expected;
  for (int line = 0; line < 6000; ++line) {
    std::string part;
    for (int i = 0; i < 12; ++i) part += std::string("abc,\xff ")[rng.below(6)];
    part += "\u00e9\n";
    text += part;
    std::vector<int> ids = t.encode(part);
    expected.insert(expected.end(), ids.begin(), ids.end());
  }
  ASSERT_GT(text.size(), 80000u);
  EXPECT_EQ(t.encode(text), expected);
  EXPECT_EQ(t.decode(expected), text);
}

TEST(Tokenizer, APieceThatMergesDoNotMakeStaysInParts) {
  // "ab" goes first, so "abc" is never made of its own text although it is a token.
  Tokenizer t = make(small_vocabulary({"a", "b", "c"}, {"a b", "b c", "a bc"}));
  for (int again = 0; again < 3; ++again) {
    EXPECT_EQ(names(t, t.encode("abc")), (Names{"ab", "c"}));
    EXPECT_EQ(names(t, t.encode("bc")), (Names{"bc"}));
  }
}

TEST(Tokenizer, WordsOfAllLengthsAtTheEndOfAText) {  // a word is read 16 bytes at a time, but not past the end
  Tokenizer t = make(random_vocabulary({"a", "b", "\u00e9"}, 60, 9));
  Definition definition(t);
  const std::string all = "ab\u00e9 aab\u00e9\u00e9bba abababab\u00e9ababbaab bbbaaabbbaaaba  a\u2581b \0 \xff\xfe";
  for (std::size_t begin = 0; begin < all.size(); ++begin)
    for (std::size_t end = begin; end <= all.size(); ++end) {
      const std::string exact(all, begin, end - begin);  // so that a sanitizer sees one byte too many
      ASSERT_EQ(t.encode(exact), definition.encode(exact)) << exact;
    }
}

TEST(Tokenizer, AMegabyteWithoutABreakTakesNoQuadraticTime) {
  Tokenizer t = make(small_vocabulary({"a"}, {"a a", "aa aa", "aaaa aaaa"}));
  std::string text(1 << 20, 'a');
  Ids ids = t.encode(text);
  EXPECT_EQ(ids.size(), text.size() / 8);
  EXPECT_EQ(t.decode(ids), text);
}

// Half the pieces of a table within the first 1/64 of its slots, were its hash known: minutes of probing.
TEST(Tokenizer, PiecesThatCollideTakeNoQuadraticTime) {
  constexpr std::size_t kPieces = 120000, kSlots = std::size_t{1} << 18;
  Vocabulary v = small_vocabulary({}, {});
  for (int i = 0; v.pieces.size() < kPieces; ++i)
    if (std::string piece = std::to_string(i); (hash_bytes(piece) & (kSlots - 1)) < kSlots / 64)
      v.pieces.push_back(std::move(piece));
  v.kinds.resize(v.pieces.size(), TokenKind::kNormal);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(make(std::move(v)).vocab_size(), static_cast<int>(kPieces));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

TEST(Tokenizer, IsSafeToShareBetweenThreads) {
  const Vocabulary vocabulary = random_vocabulary({"a", "b", "c"}, 100, 3);
  Tokenizer t = make(vocabulary);  // has met no piece yet: threads find out at once which are whole
  Rng rng(3, 1);
  std::string text;
  for (int i = 0; i < 40000; ++i) text += "abc "[rng.below(4)];
  Ids expected = make(vocabulary).encode(text);
  std::vector<Ids> got(4);
  std::vector<std::thread> threads;
  for (Ids& ids : got) threads.emplace_back([&] { ids = t.encode(text); });
  for (std::thread& thread : threads) thread.join();
  for (const Ids& ids : got) EXPECT_EQ(ids, expected);
}

TEST(Tokenizer, DecodeIgnoresIdsOutsideTheVocabulary) {
  Tokenizer t = make(small_vocabulary({"a"}, {}));
  EXPECT_EQ(t.decode(Ids{-1, t.id_of("a"), 1 << 30}), "a");
  EXPECT_EQ(t.piece_bytes(t.id_of("<0x00>")), std::string_view("\0", 1));
  EXPECT_EQ(t.id_of("nothing"), -1);
}

TEST(Tokenizer, RefusesBrokenVocabularies) {
  auto message = [](auto change) {
    Vocabulary v = small_vocabulary({"a", "b"}, {"a b"});
    change(v);
    Result<Tokenizer> t = Tokenizer::create(v);
    EXPECT_FALSE(t.ok());
    EXPECT_EQ(t.status().code(), Code::kCorrupt);
    return t.status().message();
  };
  auto has = [](const std::string& text, const char* part) { EXPECT_NE(text.find(part), text.npos) << text; };
  has(message([](Vocabulary& v) { v = {}; }), "0 tokens");
  has(message([](Vocabulary& v) { v.kinds.pop_back(); }), "token types");
  has(message([](Vocabulary& v) { v.pieces.back() = "a"; }), "'a' occurs twice");
  has(message([](Vocabulary& v) { v.pieces.back() = "a b"; }), "plain space");
  has(message([](Vocabulary& v) { v.pieces.back() = ""; }), "is empty");
  has(message([](Vocabulary& v) { v.pieces.back() = "\xff"; }), "not UTF-8");
  has(message([](Vocabulary& v) { v.pieces.back() = std::string(5000, 'x'); }), "longer than");
  has(message([](Vocabulary& v) { v.pieces[20] = "x41"; }), "type byte");
  has(message([](Vocabulary& v) { v.bos = 100000; }), "outside the vocabulary");
  has(message([](Vocabulary& v) { v.merges.push_back("ab"); }), "not two pieces");
  has(message([](Vocabulary& v) { v.merges.push_back("a b c"); }), "not two pieces");
  has(message([](Vocabulary& v) { v.merges.push_back("a q"); }), "'q' is not a token");
  has(message([](Vocabulary& v) { v.merges.push_back("b a"); }), "'ba' is not a token");
  has(message([](Vocabulary& v) { v.merges.push_back(" "); }), "'' is not a token");
}

}  // namespace
}  // namespace facet
