#include "chat/template_text.h"

#include <algorithm>
#include <charconv>

#include "text/utf8.h"

namespace facet::chat {
namespace {

bool is_space(std::string_view c) {
  if (c.size() == 1) return (c[0] >= '\t' && c[0] <= '\r') || (c[0] >= '\x1c' && c[0] <= ' ');
  static constexpr std::string_view kWide[] = {"\u0085", "\u00a0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003",
                                               "\u2004", "\u2005", "\u2006", "\u2007", "\u2008", "\u2009", "\u200a",
                                               "\u2028", "\u2029", "\u202f", "\u205f", "\u3000"};
  return std::find(std::begin(kWide), std::end(kWide), c) != std::end(kWide);
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// repr(float): the shortest digits that read back, in full from 1e-4 to below 1e16.
std::string float_text(double value) {
  char buffer[64];
  const double size = value < 0 ? -value : value;
  const bool full = size == 0 || (size >= 1e-4 && size < 1e16);
  auto end = std::to_chars(buffer, buffer + sizeof buffer, value,
                           full ? std::chars_format::fixed : std::chars_format::scientific)
                 .ptr;
  std::string text(buffer, end);
  if (full && text.find('.') == text.npos) text += ".0";
  return text;
}

// repr(str), without its escapes of what is not ASCII.
std::string in_quotes(std::string_view text) {
  const char quote = text.find('\'') != text.npos && text.find('"') == text.npos ? '"' : '\'';
  std::string out(1, quote);
  for (char c : text) {
    if (c == quote || c == '\\') out += '\\';
    if (c == '\n')
      out += "\\n";
    else if (c == '\r')
      out += "\\r";
    else if (c == '\t')
      out += "\\t";
    else
      out += c;
  }
  return out + quote;
}

std::string shown(const Json& value) {
  return value.is_string() ? in_quotes(value.get_ref<const std::string&>()) : as_text(value);
}

}  // namespace

std::string_view strip(std::string_view text) {
  while (!text.empty()) {
    const std::string_view first = text.substr(0, std::max(1, utf8_char_size(text)));
    if (!is_space(first)) break;
    text.remove_prefix(first.size());
  }
  while (!text.empty()) {
    std::size_t size = 1;  // of the last character: back over continuation bytes
    while (size < 3 && size < text.size() && (text[text.size() - size] & 0xC0) == 0x80) ++size;
    if (!is_space(text.substr(text.size() - size))) break;
    text.remove_suffix(size);
  }
  return text;
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return out;
}

std::string as_text(const Json& value) {
  switch (value.type()) {
    case Json::value_t::string:
      return value.get<std::string>();
    case Json::value_t::boolean:
      return value.get<bool>() ? "True" : "False";
    case Json::value_t::number_float:
      return float_text(value.get<double>());
    case Json::value_t::array:
    case Json::value_t::object: {
      std::string out;
      for (auto it = value.begin(); it != value.end(); ++it) {
        if (!out.empty()) out += ", ";
        out += value.is_object() ? in_quotes(it.key()) + ": " + shown(*it) : shown(*it);
      }
      return value.is_object() ? "{" + out + "}" : "[" + out + "]";
    }
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
      return value.dump();
    default:
      return "None";
  }
}

bool is_true(const Json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number()) return value.get<double>() != 0;
  if (value.is_string()) return !value.get_ref<const std::string&>().empty();
  return !value.empty();  // null is empty
}

std::vector<Json::const_iterator> sorted(const Json& object) {
  std::vector<Json::const_iterator> entries;
  if (!object.is_object()) return entries;
  for (auto it = object.begin(); it != object.end(); ++it) entries.push_back(it);
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    const std::string &x = a.key(), &y = b.key();
    return std::lexicographical_compare(x.begin(), x.end(), y.begin(), y.end(), [](char p, char q) {
      return static_cast<unsigned char>(lower(p)) < static_cast<unsigned char>(lower(q));
    });
  });
  return entries;
}

}  // namespace facet::chat
