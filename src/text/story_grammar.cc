#include "text/story_grammar.h"

#include <cctype>

#include "base/check.h"
#include "text/story_words.h"

namespace facet {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// The alternatives of {a|b}: spaces count, so that {|very }big works.
std::vector<std::string_view> split_raw(std::string_view text) {
  std::vector<std::string_view> parts;
  int depth = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{' || text[i] == '[') ++depth;
    if (text[i] == '}' || text[i] == ']') --depth;
    if (text[i] == '|' && depth == 0) {
      parts.push_back(text.substr(begin, i - begin));
      begin = i + 1;
    }
  }
  FACET_CHECK(depth == 0, "brackets of a story template do not match");
  parts.push_back(text.substr(begin));
  return parts;
}

std::size_t closing(std::string_view text, std::size_t open) {
  int depth = 0;
  for (std::size_t i = open; i < text.size(); ++i) {
    if (text[i] == '{' || text[i] == '[') ++depth;
    if ((text[i] == '}' || text[i] == ']') && --depth == 0) return i;
  }
  FACET_CHECK(false, "a bracket of a story template is not closed");
  return text.size();
}

}  // namespace

std::vector<std::string_view> split_alternatives(std::string_view text) {
  std::vector<std::string_view> parts = split_raw(text);
  for (std::string_view& part : parts) part = trimmed(part);
  return parts;
}

std::string settle_articles(std::string text) {
  for (std::size_t at; (at = text.find("(n) ")) != text.npos;) {
    std::string_view word = std::string_view(text).substr(at + 4);
    word = word.substr(0, word.find_first_of(" .,!?\""));
    bool vowel = !word.empty() && std::string_view("aeiouAEIOU").find(word[0]) != std::string_view::npos;
    for (std::string_view sounds_you : {"uni", "use", "usu", "one", "eu"})
      if (word.starts_with(sounds_you)) vowel = false;
    if (word.starts_with("hour") || word.starts_with("honest")) vowel = true;
    text.replace(at, 3, vowel ? "n" : "");
  }
  return text;
}

std::string capitalized(std::string text) {
  if (!text.empty()) text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  return text;
}

Grammar::Grammar(std::span<const std::string_view> sources) {
  for (std::string_view source : sources) {
    std::string name, body;
    auto finish = [&] {
      if (name.empty()) return;
      std::vector<std::string>& alternatives = rules_[name];
      FACET_CHECK(alternatives.empty(), "a story rule is given twice");
      for (std::string_view part : split_alternatives(body)) alternatives.emplace_back(part);
      name.clear();
      body.clear();
    };
    while (!source.empty()) {
      std::string_view line = source.substr(0, source.find('\n'));
      source.remove_prefix(std::min(source.size(), line.size() + 1));
      if (line.empty() || line[0] == '#') continue;
      if (line[0] == ' ') {
        if (trimmed(line)[0] != '|') body += ' ';  // spaces count inside braces
        body += trimmed(line);
        continue;
      }
      finish();
      std::size_t equals = line.find(" = ");
      FACET_CHECK(equals != line.npos, "a story rule has no ' = '");
      name = line.substr(0, equals);
      body = trimmed(line.substr(equals + 3));
    }
    finish();
  }
}

const Grammar& Grammar::stories() {
  static const std::string_view kSources[] = {kStoryWords, kStoryPhrases, kStoryDialogue};
  static const Grammar grammar(kSources);
  return grammar;
}

const std::vector<std::string>& Grammar::rule(std::string_view name) const {
  auto found = rules_.find(name);
  FACET_CHECK(found != rules_.end(), std::string(name).c_str());
  return found->second;
}

void Grammar::expand(std::string_view text, Dice& dice, const Sink& sink) const {
  std::vector<std::string_view> parts = split_raw(text);
  expand_one(parts.size() == 1 ? text : dice.pick(parts), dice, sink);
}

void Grammar::expand_one(std::string_view text, Dice& dice, const Sink& sink) const {
  while (!text.empty()) {
    std::size_t at = text.find_first_of("{[<");
    if (at != 0) {
      sink.literal(text.substr(0, at));
      text.remove_prefix(std::min(at, text.size()));
      continue;
    }
    if (text[0] == '<') {
      std::size_t end = text.find('>');
      FACET_CHECK(end != text.npos, "a slot of a story template is not closed");
      std::string_view name = text.substr(1, end - 1);
      if (const std::string* value = sink.value(name))
        sink.literal(*value);
      else if (auto found = rules_.find(name); found != rules_.end())
        expand_one(dice.pick(found->second), dice, sink);
      else
        sink.literal(sink.slot(name));
      text.remove_prefix(end + 1);
      continue;
    }
    std::size_t end = closing(text, 0);
    std::string_view inside = text.substr(1, end - 1);
    if (text[0] == '[') {
      if (dice.chance(0.5)) expand(inside, dice, sink);
    } else {
      expand(inside, dice, sink);
    }
    text.remove_prefix(end + 1);
  }
}

}  // namespace facet
