#include "cli/text_printer.h"

#include <unistd.h>

namespace facet::cli {
namespace {
constexpr std::string_view kWhite = " \t\r\n";
}

TextPrinter::TextPrinter(std::FILE* out, bool trim) : out_(out), trim_(trim), terminal_(isatty(fileno(out)) != 0) {}

bool TextPrinter::show(std::string_view bytes) {
  pending_ += bytes;
  if (trim_ && !any_) pending_.erase(0, pending_.find_first_not_of(kWhite));
  std::size_t ready = whole_characters();
  if (trim_) ready = pending_.find_last_not_of(kWhite, ready == 0 ? 0 : ready - 1) + 1;  // npos + 1 is 0
  const bool written = ready == 0 || write(std::string_view(pending_).substr(0, ready));
  pending_.erase(0, ready);
  return written && good_;
}

bool TextPrinter::finish(std::string_view end) {
  if (trim_) pending_.erase(pending_.find_last_not_of(kWhite) + 1);
  const bool written = write(pending_ + std::string(end));
  pending_.clear();
  return written;
}

bool TextPrinter::write(std::string_view text) {
  std::string safe;
  if (terminal_) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      const auto c = static_cast<unsigned char>(text[i]);
      const bool c1 = c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
      if (c1) ++i;  // U+0080 to U+009F
      if (!c1 && (c >= ' ' ? c != 0x7f : c == '\n' || c == '\t')) safe += text[i];
    }
    text = safe;
  }
  any_ = any_ || !text.empty();
  good_ = good_ && std::fwrite(text.data(), 1, text.size(), out_) == text.size() && std::fflush(out_) == 0;
  return good_;
}

// Bytes up to the last complete character; stray bytes count as characters.
std::size_t TextPrinter::whole_characters() const {
  for (std::size_t back = 1; back <= 3 && back <= pending_.size(); ++back) {
    auto c = static_cast<unsigned char>(pending_[pending_.size() - back]);
    std::size_t length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
    if (c >= 0xc0) return length > back ? pending_.size() - back : pending_.size();
    if (c < 0x80) break;
  }
  return pending_.size();
}

}  // namespace facet::cli
