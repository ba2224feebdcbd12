#include "chat/reply.h"

#include "base/rng.h"
#include "chat/template_text.h"
#include "chat/turns_testing.h"

namespace facet::chat {
namespace {

class ReplyTest : public ::testing::Test {
 protected:
  const Tokenizer tokenizer_ = testing::byte_tokenizer();

  // What the parser makes of a text whose markers are tokens; `shown` collects what it gave out on the way.
  struct Seen {
    Reply reply;
    std::string thought, answer;
  };
  Seen parse(std::string_view text, bool in_thought = false) {
    Seen seen;
    ReplyParser parser(tokenizer_, in_thought);
    auto note = [&](ReplyParser::Piece piece) {
      if (piece.kind == ReplyParser::Kind::kThought) seen.thought += piece.bytes;
      if (piece.kind == ReplyParser::Kind::kAnswer) seen.answer += piece.bytes;
    };
    for (int id : tokenizer_.encode(text, {.parse_special = true})) note(parser.feed(id));
    note(parser.flush());
    seen.reply = parser.finish();
    return seen;
  }
  Json arguments(const std::string& braces) {
    const Reply reply = parse("<|tool_call>call:f" + braces + "<tool_call|>").reply;
    EXPECT_EQ(reply.calls.size(), 1u) << braces << " -> " << reply.answer;
    return reply.calls.size() == 1 ? reply.calls[0].arguments : Json();
  }
};

TEST_F(ReplyTest, ThoughtAndAnswer) {
  struct Case {
    const char *text, *thought, *answer;
  };
  const Case kCases[] = {
      {"Hello.", "", "Hello."},
      {" Hello.\n", "", "Hello."},
      {"", "", ""},
      {"<|channel>thought\nLet me think...<channel|>The answer is 42.", "Let me think...", "The answer is 42."},
      {"<|channel>thought\nOne\n two\n<channel|>\n\nHi", "One\n two", "Hi"},
      {"<|channel>thought\n<channel|>Hi", "", "Hi"},
      {"<|channel>thought<channel|>Hi", "", "Hi"},
      {"<|channel>first<channel|><|channel>second<channel|>Done.", "first\nsecond", "Done."},
      {"<|channel>plan\nmore<channel|>Done.", "planmore", "Done."},
      {"A<|channel>thought\nb<channel|>C", "b", "AC"},
      {"<|channel>thought\nnever ends", "never ends", ""},
      {"<|channel>thought", "", ""},
      {"<|channel>", "", ""},
      {"stray<channel|> end", "", "stray end"},
      {"<|channel>thought\na<|channel>thought\nb<channel|>c", "a\nb", "c"},
      {"ends<turn|>", "", "ends"},
      {"a<tool_call|> <|\"|>b<|\"|><tool_response|>", "", "a b"},
  };
  for (const Case& c : kCases) {
    const Seen seen = parse(c.text);
    EXPECT_EQ(seen.reply.thought, c.thought) << c.text;
    EXPECT_EQ(seen.reply.answer, c.answer) << c.text;
    EXPECT_EQ(strip(seen.answer), c.answer) << c.text;
    EXPECT_EQ(strip(seen.thought), c.thought) << c.text;
  }
  EXPECT_EQ(parse("on with it<channel|>Hi", true).reply.thought, "on with it");
  EXPECT_EQ(parse("<|channel>thought\nx\ny<channel|>").thought, "x\ny");
}

TEST_F(ReplyTest, MarkersInPlainTextAreText) {
  ReplyParser parser(tokenizer_);
  for (int id : tokenizer_.encode("<|channel>thought\nx<channel|><|tool_call>call:f{}<tool_call|>")) parser.feed(id);
  const Reply reply = parser.finish();
  EXPECT_EQ(reply.answer, "<|channel>thought\nx<channel|><|tool_call>call:f{}<tool_call|>");
  EXPECT_TRUE(reply.thought.empty() && reply.calls.empty());
}

TEST_F(ReplyTest, Calls) {
  const Reply reply =
      parse(
          "<|channel>thought\nNeed both.<channel|>Let me see.<|tool_call>call:get_weather{city:<|\"|>Paris<|\"|>}"
          "<tool_call|><|tool_call>call:get_time{}<tool_call|>")
          .reply;
  EXPECT_EQ(reply.thought, "Need both.");
  EXPECT_EQ(reply.answer, "Let me see.");
  ASSERT_EQ(reply.calls.size(), 2u);
  EXPECT_EQ(reply.calls[0].name, "get_weather");
  EXPECT_EQ(reply.calls[0].arguments, Json({{"city", "Paris"}}));
  EXPECT_EQ(reply.calls[1].name, "get_time");
  EXPECT_TRUE(reply.calls[1].arguments.is_object() && reply.calls[1].arguments.empty());
}

TEST_F(ReplyTest, Arguments) {
  const std::pair<const char*, const char*> kCases[] = {
      {"{}", "{}"},
      {"{a:<|\"|>x<|\"|>}", R"({"a": "x"})"},
      {"{a:<|\"|><|\"|>,b:<|\"|> <|\"|>}", R"({"a": "", "b": " "})"},
      {"{a:42,b:-1.5,c:1e3,d:true,e:false,f:null}",
       R"({"a": 42, "b": -1.5, "c": 1e3, "d": true, "e": false, "f": null})"},
      {"{a:{b:{c:[1,[2],{}]}},d:[]}", R"({"a": {"b": {"c": [1, [2], {}]}}, "d": []})"},
      {"{a:[<|\"|>x<|\"|>,<|\"|>y \"z\"<|\"|>]}", R"({"a": ["x", "y \"z\""]})"},
      {"{a:<|\"|>},b:{[]\n\"\\ <|\"|>}", R"({"a": "},b:{[]\n\"\\ "})"},
      {"{<|\"|>a b<|\"|>:1,\"c\":\"d\\n\"}", R"({"a b": 1, "c": "d\n"})"},
      {"{ a : 1 , b : [ 1 , 2 ] }", R"({"a": 1, "b": [1, 2]})"},
      {"{a:Paris,b:None,c:True}", R"({"a": "Paris", "b": null, "c": true})"},
      {"{a:007,b:1 2}", R"({"a": "007", "b": "1 2"})"},
      {"{a:1,a:2}", R"({"a": 2})"},
      {"{pfad:<|\"|>C:\\users\\ü<|\"|>}", R"({"pfad": "C:\\users\\ü"})"},
  };
  for (auto [braces, json] : kCases) EXPECT_EQ(arguments(braces), Json::parse(json)) << braces;
}

TEST_F(ReplyTest, ACallThatCannotBeReadStaysText) {
  for (const std::string call :
       {"call:f{a:<|\"|>x}", "call:f{a}", "call:f{a:}", "call:f{a:1", "call:f", "f{}", "call:{}", "call:f{}x",
        "call:f{a:[1}", "call:f{a:\"x}", "call:f{a:1 b:2}x", "call:f{a:x<|\"|>y<|\"|>}", ""}) {
    const Seen seen = parse("Hm. <|tool_call>" + call + "<tool_call|>");
    const Reply& reply = seen.reply;
    EXPECT_TRUE(reply.malformed_call) << call;
    EXPECT_TRUE(reply.calls.empty()) << call;
    EXPECT_EQ(reply.answer, "Hm. <|tool_call>" + call + "<tool_call|>");
    EXPECT_EQ(seen.answer, reply.answer);
  }
  std::string deep = "<|tool_call>call:f{a:";
  for (int i = 0; i < 5000; ++i) deep += "[";
  EXPECT_TRUE(parse(deep).reply.malformed_call);
}

TEST_F(ReplyTest, ACallCutShortBeforeItsEndMarker) {
  EXPECT_EQ(parse("<|tool_call>call:f{a:1}").reply.calls.size(), 1u);
  const Seen seen = parse("<|tool_call>call:f{a:");
  EXPECT_TRUE(seen.reply.malformed_call);
  EXPECT_EQ(seen.reply.answer, "<|tool_call>call:f{a:");
  EXPECT_EQ(seen.answer, seen.reply.answer);
}

// What render() writes, the parser reads: of every golden conversation.
TEST_F(ReplyTest, ReadsTheCallsOfEveryGolden) {
  int calls = 0;
  for (const auto& golden : testing::goldens()) {
    if (golden.format.revision == Revision::kFirst || golden.name.find("control tokens") != std::string::npos) continue;
    for (const Message& m : golden.conversation.messages) {
      if (m.calls.empty()) continue;
      Conversation one;
      one.messages = {{.speaker = Speaker::kModel, .calls = m.calls}};
      ReplyParser parser(tokenizer_);
      const std::vector<int> ids = *render(one, {}, {.generation_prompt = false}).tokens(tokenizer_);
      for (int id : ids) parser.feed(id);
      const Reply reply = parser.finish();
      ASSERT_EQ(reply.calls.size(), m.calls.size()) << golden.name << ": " << reply.answer;
      for (std::size_t i = 0; i < m.calls.size(); ++i, ++calls) {
        EXPECT_EQ(reply.calls[i].name, m.calls[i].name);
        EXPECT_EQ(nlohmann::json(reply.calls[i].arguments), nlohmann::json(m.calls[i].arguments)) << golden.name;
      }
    }
  }
  EXPECT_GT(calls, 100);
}

TEST_F(ReplyTest, NoSequenceOfTokensCrashesIt) {
  Rng rng(11);
  const int n = tokenizer_.vocab_size();
  for (int i = 0; i < 2000; ++i) {
    ReplyParser parser(tokenizer_, rng.below(2) == 0);
    for (std::uint32_t j = rng.below(60); j > 0; --j) {
      constexpr std::string_view kChars = "{}[]:,\"\\1e-call:f";
      const std::uint32_t kind = rng.below(3);
      if (kind == 0) parser.feed(static_cast<int>(rng.below(17)));
      if (kind == 1) parser.feed(static_cast<int>(rng.below(static_cast<std::uint32_t>(n) + 3)) - 1);
      if (kind == 2) parser.feed(tokenizer_.encode(kChars.substr(rng.below(kChars.size()), 1))[0]);
    }
    parser.finish();
  }
}

}  // namespace
}  // namespace facet::chat
