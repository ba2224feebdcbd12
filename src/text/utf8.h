// utf8.h: the one place that knows what a well-formed UTF-8 character is (Unicode 15, table 3-7).
#pragma once

#include <cstddef>
#include <string_view>

namespace facet {

// Bytes of the character that `text` begins with: 1..4, or 0 when the text is empty or does not begin with one
// (a stray continuation byte, an overlong form, a surrogate, a value above U+10FFFF, a character cut short).
inline int utf8_char_size(std::string_view text) {
  auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  auto continues = [&](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
  if (text.empty()) return 0;
  unsigned a = byte(0), b = byte(1);
  if (a < 0x80) return 1;
  if (a < 0xC2) return 0;
  if (a < 0xE0) return continues(1) ? 2 : 0;
  if (!continues(1) || !continues(2)) return 0;
  if (a < 0xF0) return (a == 0xE0 && b < 0xA0) || (a == 0xED && b >= 0xA0) ? 0 : 3;
  if (!continues(3) || a > 0xF4) return 0;
  return (a == 0xF0 && b < 0x90) || (a == 0xF4 && b >= 0x90) ? 0 : 4;
}

inline bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    int n = utf8_char_size(text);
    if (n == 0) return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

}  // namespace facet
