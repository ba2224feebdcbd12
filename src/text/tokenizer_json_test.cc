#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "text/test_vocabulary.h"
#include "text/tokenizer.h"

namespace facet {
namespace {

using nlohmann::json;
using testing::small_vocabulary;

std::string sample() {
  return Tokenizer::create(small_vocabulary({"a", "b", "\u00e9", "\"", "\\"}, {"a b", "\u2581 ab"}))->to_json();
}

TEST(TokenizerJson, RoundTrip) {
  Tokenizer t = *Tokenizer::create(small_vocabulary({"a", "b", "\u00e9", "\"", "\\"}, {"a b", "\u2581 ab"}));
  Result<Tokenizer> back = Tokenizer::from_json(t.to_json());
  ASSERT_TRUE(back.ok()) << back.status().message();
  EXPECT_EQ(back->vocabulary(), t.vocabulary());
  EXPECT_EQ(*back, t);
  EXPECT_EQ(back->to_json(), t.to_json());
}

// As the released files have it: special to Hugging Face, to be seen by whoever reads a conversation.
TEST(TokenizerJson, MarkersOfAConversationAreSpecialThereAndVisibleHere) {
  Vocabulary v = small_vocabulary({"a", "<|channel>", "<own>"}, {});
  for (std::size_t id = 0; id < v.pieces.size(); ++id)
    if (v.pieces[id] == "<|channel>" || v.pieces[id] == "<own>") v.kinds[id] = TokenKind::kUserDefined;
  const Tokenizer t = *Tokenizer::create(v);
  std::map<std::string, bool> special;
  const json root = json::parse(t.to_json());
  for (const json& token : root["added_tokens"]) special[token["content"]] = token["special"];
  EXPECT_TRUE(special.at("<|channel>"));
  EXPECT_FALSE(special.at("<own>"));
  EXPECT_EQ(*Tokenizer::from_json(t.to_json()), t);
}

TEST(TokenizerJson, MergesAsPairsAndModelTypesAsHuggingFaceWritesThem) {
  json root = json::parse(sample());
  for (json& merge : root["model"]["merges"]) {
    std::string text = merge;
    std::size_t space = text.find(' ');
    merge = {text.substr(0, space), text.substr(space + 1)};
  }
  root["pre_tokenizer"] = {
      {"type", "Split"}, {"pattern", {{"String", " "}}}, {"behavior", "MergedWithPrevious"}, {"invert", false}};
  root["normalizer"] = {{"type", "Sequence"}, {"normalizers", {root["normalizer"]}}};
  Result<Tokenizer> t = Tokenizer::from_json(root.dump());
  ASSERT_TRUE(t.ok()) << t.status().message();
  EXPECT_EQ(*t, *Tokenizer::from_json(sample()));
}

TEST(TokenizerJson, AddedTokensBeyondTheModelAndVisibleOnes) {
  json root = json::parse(sample());
  int n = static_cast<int>(root["model"]["vocab"].size());
  root["added_tokens"].push_back({{"id", n}, {"content", "<|extra|>"}, {"special", true}});
  for (json& token : root["added_tokens"])
    if (token["content"] == "<|channel>") token["special"] = true;  // Hugging Face says so; a chat parser has to see it
  Result<Tokenizer> t = Tokenizer::from_json(root.dump());
  ASSERT_TRUE(t.ok()) << t.status().message();
  EXPECT_EQ(t->vocab_size(), n + 1);
  EXPECT_EQ(t->encode("<|extra|>", {.parse_special = true}), std::vector<int>{n});
  EXPECT_EQ(t->decode(t->encode("<|channel><|extra|>", {.parse_special = true})), "<|channel>");
}

TEST(TokenizerJson, OtherTokenizersAreRefusedWithTheReason) {
  auto message = [](auto change, Code code) {
    json root = json::parse(sample());
    change(root);
    Result<Tokenizer> t = Tokenizer::from_json(root.dump());
    EXPECT_FALSE(t.ok());
    EXPECT_EQ(t.status().code(), code) << t.status().message();
    EXPECT_EQ(t.status().message().find('\n'), std::string::npos);
    return t.status().message();
  };
  auto has = [](const std::string& text, const char* part) { EXPECT_NE(text.find(part), text.npos) << text; };
  constexpr Code kOther = Code::kUnsupported, kBad = Code::kCorrupt;
  has(message([](json& r) { r["normalizer"] = nullptr; }, kOther), "normalizer");
  has(message([](json& r) { r["normalizer"]["content"] = "_"; }, kOther), "normalizer");
  has(message([](json& r) { r["pre_tokenizer"] = {{"type", "ByteLevel"}}; }, kOther), "ByteLevel");
  has(message([](json& r) { r["decoder"] = {{"type", "ByteLevel"}}; }, kOther), "decoder");
  has(message([](json& r) { r["decoder"]["decoders"].push_back({{"type", "Strip"}}); }, kOther), "decoder");
  has(message([](json& r) { r["model"]["type"] = "Unigram"; }, kOther), "Unigram");
  has(message([](json& r) { r["model"]["byte_fallback"] = false; }, kOther), "byte_fallback");
  has(message([](json& r) { r["model"]["ignore_merges"] = true; }, kOther), "ignore_merges");
  has(message([](json& r) { r["model"]["end_of_word_suffix"] = "</w>"; }, kOther), "end_of_word_suffix");
  has(message([](json& r) { r["added_tokens"][0]["lstrip"] = true; }, kOther), "lstrip");
  has(message([](json& r) { r.erase("model"); }, kBad), "model");
  has(message([](json& r) { r["model"] = 3; }, kBad), "model");
  has(message([](json& r) { r["model"]["vocab"] = json::array(); }, kBad), "vocab");
  has(message([](json& r) { r["model"]["vocab"]["a"] = 4000000000; }, kBad), "4000000000");
  has(message([](json& r) { r["model"]["vocab"]["a"] = -1; }, kBad), "-1");
  has(message([](json& r) { r["model"]["vocab"]["a"] = "x"; }, kBad), "id");
  has(message([](json& r) { r["model"]["vocab"].erase("a"); }, kBad), "higher ids");
  has(message([](json& r) { r["model"]["vocab"]["a"] = r["model"]["vocab"]["b"]; }, kBad), "names both");
  has(message([](json& r) { r["model"]["merges"].push_back(7); }, kBad), "merge");
  has(message([](json& r) { r["model"]["merges"].push_back({"a", "q"}); }, kBad), "not a token");
  has(message([](json& r) { r["model"]["merges"].push_back({"a ", "b"}); }, kBad), "merge");
  has(message([](json& r) { r["added_tokens"] = "x"; }, kBad), "added_tokens");
  has(message([](json& r) { r["added_tokens"].push_back(1); }, kBad), "content");
}

TEST(TokenizerJson, BrokenJsonIsAStatus) {
  std::string good = sample();
  for (std::size_t n = 0; n < good.size(); n += 97) EXPECT_FALSE(Tokenizer::from_json(good.substr(0, n)).ok());
  for (const char* text :
       {"", "null", "[]", "{}", "{\"model\":{}}", "\xff\xfe", "{\"model\":{\"vocab\":{\"\xff\":0}}}"})
    EXPECT_FALSE(Tokenizer::from_json(text).ok()) << text;
  EXPECT_FALSE(Tokenizer::from_json(std::string(1 << 20, '[')).ok());
}

}  // namespace
}  // namespace facet
