// printable.h: names from a file, fit for a one-line message on a terminal.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace facet {

// Everything but printable ASCII becomes \xNN, and what is too long is cut.
inline std::string printable(std::string_view text) {
  constexpr std::size_t kMax = 100;
  std::string out;
  for (unsigned char c : text.substr(0, kMax)) {
    if (c >= 0x20 && c < 0x7f)
      out += static_cast<char>(c);
    else
      out += fmt::format("\\x{:02x}", c);
  }
  if (text.size() > kMax) out += fmt::format("... ({} bytes)", text.size());
  return out;
}

}  // namespace facet
