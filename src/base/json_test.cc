#include "base/json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace facet {
namespace {

using nlohmann::ordered_json;

std::string nested(int depth) {
  std::string text = "1";
  for (int i = 0; i < depth; ++i) text = i % 2 == 0 ? "[" + text + "]" : "{\"a\": " + text + "}";
  return text;
}

TEST(Json, ReadsWhatTheLibraryReads) {
  for (const std::string& text :
       {std::string("null"), std::string("-3"), std::string("\"\\u00e9\""), std::string("[]"), std::string("{}"),
        std::string(R"({"z": [1, -2, 3.5e3, true, false, null, "x", {}, []], "a": {"b": {"z": 1, "a": 2}}, "": 7})"),
        std::string(R"([[[], {}], [{"a": [{"b": 1}]}]])"), nested(16)}) {
    const auto j = parse_json(text, "a.json");
    ASSERT_TRUE(j.ok()) << j.status().message();
    EXPECT_EQ(j->dump(), ordered_json::parse(text).dump());  // order included
  }
}

TEST(Json, RefusesWhatIsBroken) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "a.json: is not valid JSON at byte"},
      {"{", "not valid JSON"},
      {"{}{}", "not valid JSON at byte 3"},
      {std::string("{}\0", 3), "not valid JSON at byte 2"},
      {"\"\xff\"", "not valid JSON"},
      {"1e999", "not valid JSON"},
      {nested(17), "a.json: is nested deeper than 16"},
      {std::string(1 << 20, '['), "is nested deeper than 16"},
      {R"({"a": 1, "b": 2, "\u0061": 3})", "a.json: names 'a' twice"},
      {R"([{"x": {"": 1, "": 1}}])", "names '' twice"},
      {R"({"a)"
       "\x7f"
       R"(": 1, "a)"
       "\x7f"
       R"(": 1})",
       "names 'a\\x7f' twice"},
  };
  for (const auto& [text, message] : cases) {
    const auto j = parse_json(text, "a.json");
    ASSERT_FALSE(j.ok()) << text.substr(0, 40);
    EXPECT_EQ(j.status().code(), Code::kCorrupt);
    EXPECT_NE(j.status().message().find(message), std::string::npos) << j.status().message();
  }
}

// The library's own way of building an ordered object takes a minute for this.
TEST(Json, ManyKeysAreReadInTime) {
  std::string text = "{";
  for (int i = 0; i < 300000; ++i) text += "\"" + std::to_string(i) + "\":0,";
  text.back() = '}';
  const auto j = parse_json(text, "a.json");
  ASSERT_TRUE(j.ok()) << j.status().message();
  EXPECT_EQ(j->size(), 300000u);
}

}  // namespace
}  // namespace facet
