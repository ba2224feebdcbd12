#include "chat/call_text.h"

#include "chat/template_text.h"

namespace facet::chat {
namespace {

constexpr int kMaxDepth = 64;

// Reads a CallText from front to back.
class CallParser {
 public:
  explicit CallParser(const CallText& call) : call_(call) {}

  Result<ToolCall> run() {
    ToolCall out;
    skip_space();
    if (!take("call:")) return bad("does not begin with 'call:'");
    out.name = std::string(strip(word("{")));
    if (out.name.empty()) return bad("has no name");
    FACET_ASSIGN(out.arguments, object(0));
    skip_space();
    if (at_ < call_.text.size() || at_quote()) return bad("goes on after its last brace");
    return out;
  }

 private:
  static Status bad(const char* why) { return invalid_argument(std::string("the tool call ") + why); }
  bool at_quote() const { return quote_ < call_.quotes.size() && call_.quotes[quote_] == at_; }
  // Up to where the next <|"|> stands.
  std::string_view plain() const {
    const std::size_t end = quote_ < call_.quotes.size() ? call_.quotes[quote_] : call_.text.size();
    return std::string_view(call_.text).substr(at_, end - at_);
  }
  bool take(std::string_view expected) {
    if (!plain().starts_with(expected)) return false;
    at_ += expected.size();
    return true;
  }
  void skip_space() {
    while (!plain().empty() && std::string_view(" \t\r\n").find(plain()[0]) != std::string_view::npos) ++at_;
  }
  // Up to, without, the next of `ends`.
  std::string_view word(std::string_view ends) {
    const std::string_view found = plain().substr(0, plain().find_first_of(ends));
    at_ += found.size();
    return found;
  }

  Result<Json> text() {
    const std::size_t begin = at_;
    if (quote_ + 1 >= call_.quotes.size()) return bad("has a text without an end");
    at_ = call_.quotes[quote_ + 1];
    quote_ += 2;
    return Json(call_.text.substr(begin, at_ - begin));
  }
  // "...", as JSON writes it, or nothing like it.
  Result<Json> json_text() {
    const std::string_view rest = plain();
    for (std::size_t i = 1; i < rest.size(); ++i) {
      if (rest[i] == '\\')
        ++i;
      else if (rest[i] == '"') {
        Json parsed = Json::parse(rest.substr(0, i + 1), nullptr, false);
        if (parsed.is_discarded()) break;
        at_ += i + 1;
        return parsed;
      }
    }
    return bad("has a text without an end");
  }

  Result<Json> value(int depth) {
    skip_space();
    if (at_quote()) return text();
    const std::string_view rest = plain();
    if (rest.starts_with('{')) return object(depth + 1);
    if (rest.starts_with('[')) return list(depth + 1);
    if (rest.starts_with('"')) return json_text();
    const std::string found(strip(word(",}]")));
    if (found.empty() || at_quote()) return bad("lacks a value");
    if (found == "null" || found == "None") return Json();
    if (found == "true" || found == "True") return Json(true);
    if (found == "false" || found == "False") return Json(false);
    const Json number = Json::parse(found, nullptr, false);
    return number.is_number() ? number : Json(found);
  }

  Result<Json> key() {
    skip_space();
    if (at_quote()) return text();
    if (plain().starts_with('"')) return json_text();
    return Json(std::string(strip(word(":,{}[]"))));
  }

  Result<Json> object(int depth) {
    if (depth > kMaxDepth) return bad("is nested deeper than 64 levels");
    if (!take("{")) return bad("has no '{'");
    Json out = Json::object();
    skip_space();
    if (take("}")) return out;
    while (true) {
      FACET_ASSIGN(Json name, key());
      skip_space();
      if (!name.is_string() || !take(":")) return bad("has a key without a value");
      FACET_ASSIGN(out[name.get<std::string>()], value(depth));
      skip_space();
      if (take("}")) return out;
      if (!take(",")) return bad("has no '}' or ',' after a value");
    }
  }

  Result<Json> list(int depth) {
    if (depth > kMaxDepth) return bad("is nested deeper than 64 levels");
    take("[");
    Json out = Json::array();
    skip_space();
    if (take("]")) return out;
    while (true) {
      FACET_ASSIGN(Json one, value(depth));
      out.push_back(std::move(one));
      skip_space();
      if (take("]")) return out;
      if (!take(",")) return bad("has no ']' or ',' after a value");
    }
  }

  const CallText& call_;
  std::size_t at_ = 0, quote_ = 0;
};

}  // namespace

Result<ToolCall> parse_call(const CallText& call) { return CallParser(call).run(); }

}  // namespace facet::chat
