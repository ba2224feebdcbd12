#include "chat/template_text.h"

#include <gtest/gtest.h>

namespace facet::chat {
namespace {

TEST(TemplateText, StripsAsPythonDoes) {
  EXPECT_EQ(strip(" \t\n\v\f\r\x1c\x1f\u0085\u00a0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000"), "");
  EXPECT_EQ(strip("\u3000 a \u3000 b\u00a0"), "a \u3000 b");
  EXPECT_EQ(strip("\u200b\ufeff"), "\u200b\ufeff");  // zero width, but no white space to Python
  EXPECT_EQ(strip("\x80\x80"), "\x80\x80");          // stray bytes stay
  EXPECT_EQ(strip("\xc2"), "\xc2");
  EXPECT_EQ(strip("\U0001f600 "), "\U0001f600");
}

TEST(TemplateText, ShowsValuesAsPythonDoes) {
  const std::pair<const char*, const char*> kCases[] = {
      {"1.0", "1.0"},
      {"-0.0", "-0.0"},
      {"1e15", "1000000000000000.0"},
      {"1e16", "1e+16"},
      {"0.0001", "0.0001"},
      {"0.00001", "1e-05"},
      {"1.5e300", "1.5e+300"},
      {"18446744073709551615", "18446744073709551615"},
      {"-7", "-7"},
      {"true", "True"},
      {"null", "None"},
      {"\"x\"", "x"},
      {"[]", "[]"},
      {"{}", "{}"},
      {"[\"a\", 1, null]", "['a', 1, None]"},
      {R"({"k": "it's", "l": "\"'\n"})", R"({'k': "it's", 'l': '"\'\n'})"}};
  for (auto [json, text] : kCases) EXPECT_EQ(as_text(Json::parse(json)), text) << json;
}

TEST(TemplateText, KnowsWhatIsTrue) {
  for (const char* json : {"null", "false", "0", "0.0", "\"\"", "[]", "{}"})
    EXPECT_FALSE(is_true(Json::parse(json))) << json;
  for (const char* json : {"true", "-1", "0.5", "\"0\"", "[0]", "{\"a\": null}"})
    EXPECT_TRUE(is_true(Json::parse(json))) << json;
}

TEST(TemplateText, SortsKeysWithoutTheirCase) {
  const Json object = Json::parse(R"({"b": 0, "a": 1, "B": 2, "A": 3, "_": 4, "é": 5, "Z": 6})");
  std::string keys;
  for (auto entry : sorted(object)) keys += entry.key();
  EXPECT_EQ(keys, "_aAbBZé");
  EXPECT_TRUE(sorted(Json::parse("[1]")).empty());
}

}  // namespace
}  // namespace facet::chat
