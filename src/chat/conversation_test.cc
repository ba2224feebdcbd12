#include "chat/conversation.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace facet::chat {
namespace {

TEST(Conversation, ReadsOpenAisShape) {
  const Conversation c = *conversation_from_json(R"({
    "model": "ignored", "tools": [{"type": "function", "function": {"name": "f"}}, {"name": "g"}],
    "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
                 {"role": "assistant", "content": null, "reasoning_content": "hm",
                  "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{\"x\": [1]}"}}]},
                 {"role": "tool", "tool_call_id": "1", "content": "ok"}]})");
  ASSERT_EQ(c.messages.size(), 2u);
  EXPECT_EQ(c.messages[0].text, "ab");
  EXPECT_EQ(c.messages[1].thought, "hm");
  EXPECT_EQ(c.messages[1].calls[0].arguments["x"][0], 1);
  ASSERT_EQ(c.messages[1].responses.size(), 1u);
  EXPECT_EQ(c.messages[1].responses[0].name, "f");
  EXPECT_EQ(c.messages[1].responses[0].value, "ok");
  ASSERT_EQ(c.tools.size(), 2u);
  EXPECT_EQ(c.tools[1]["name"], "g");
}

TEST(Conversation, SaysWhatIsWrongWithIt) {
  const std::pair<std::string, const char*> kCases[] = {
      {"", "not JSON"},
      {"{\"messages\": [", "not JSON"},
      {"7", "neither"},
      {"{}", "no 'messages'"},
      {R"({"messages": 1})", "'messages'"},
      {R"([1])", "messages[0]"},
      {R"([{"content": "x"}])", "role ''"},
      {R"([{"role": "user"}, {"role": "robot", "content": "x"}])", "messages[1]: role 'robot'"},
      {R"([{"role": 7}])", "'role'"},
      {R"([{"role": "a\nb"}])", "role 'a"},
      {R"([{"role": "user", "content": 7}])", "'content'"},
      {R"([{"role": "user", "content": [{"type": "image_url"}]}])", "image_url"},
      {R"([{"role": "user", "content": [7]}])", "type ''"},
      {R"([{"role": "tool", "content": "x"}])", "answers no call"},
      {R"([{"role": "assistant", "content": "x"}, {"role": "tool", "content": "x"}])", "answers no call"},
      {R"([{"role": "assistant", "tool_calls": 1}])", "'tool_calls'"},
      {R"([{"role": "assistant", "tool_calls": [1]}])", "'function'"},
      {R"([{"role": "assistant", "tool_calls": [{"function": {"arguments": {}}}]}])", "no name"},
      {R"([{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "x"}}]}])", "of 'f'"},
      {R"([{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": [1]}}]}])", "of 'f'"},
      {R"({"messages": [], "tools": [{}]})", "tools[0]"},
      {R"({"messages": [], "tools": [7]})", "tools[0]"},
      {R"({"messages": [], "tools": [{"name": "f", "parameters": 1}]})", "'parameters'"},
      {R"({"messages": [], "tools": [{"name": "f", "parameters": {"properties": []}}]})", "properties"},
      {std::string(100000, '['), "deeper"},
      {"[{\"role\": \"user\", \"content\": \"\xff\"}]", "not JSON"},
  };
  for (const auto& [json, says] : kCases) {
    const auto c = conversation_from_json(json);
    ASSERT_FALSE(c.ok()) << json.substr(0, 100);
    EXPECT_NE(c.status().message().find(says), std::string::npos) << c.status().message();
    EXPECT_EQ(c.status().message().find('\n'), std::string::npos);
  }
}

TEST(Conversation, WritesTextThatIsNotUtf8AsItCan) {
  Conversation c;
  c.messages = {{.speaker = Speaker::kModel, .text = "a\xff", .calls = {{"", "f\xff", {{"k\xff", "\xff"}}}}}};
  const Conversation again = *conversation_from_json(to_json(c));
  EXPECT_EQ(again.messages[0].text, "a\ufffd");
  EXPECT_EQ(again.messages[0].calls[0].arguments, Json({{"k\ufffd", "\ufffd"}}));
}

TEST(Conversation, NoMutationCrashesIt) {
  const std::string good =
      R"({"tools":[{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"array","items":{}}}}}],"messages":[{"role":"system","content":"s"},{"role":"assistant","content":null,"tool_calls":[{"id":"1","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","content":[{"type":"text","text":"x"}]}]})";
  Rng rng(3);
  for (int i = 0; i < 3000; ++i) {
    std::string text = good;
    for (std::uint32_t n = 1 + rng.below(3); n > 0; --n) {
      const std::size_t at = rng.below(static_cast<std::uint32_t>(text.size()));
      constexpr std::string_view kChars = "{}[]\",:0n\\";
      if (rng.below(2))
        text[at] = kChars[rng.below(static_cast<std::uint32_t>(kChars.size()))];
      else
        text.erase(at, 1 + rng.below(8));
    }
    const auto c = conversation_from_json(text);
    if (c.ok()) {
      EXPECT_TRUE(conversation_from_json(to_json(*c)).ok()) << text;
    }
  }
}

}  // namespace
}  // namespace facet::chat
