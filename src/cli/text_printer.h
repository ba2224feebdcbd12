// text_printer.h: text as it is drawn: whole characters, at once.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

namespace facet::cli {

//   TextPrinter printer(stdout);
//   printer.show(tokenizer.piece_bytes(token));
//   printer.finish("\n");
// Holds bytes back until they form whole UTF-8 characters.  To a terminal, control characters other than tab and
// newline are left out: a model's text must not move the cursor or worse.
class TextPrinter {
 public:
  // trim: white space before the first and after the last other character is left out.
  explicit TextPrinter(std::FILE* out, bool trim = false);
  // All return false when `out` takes no more.
  bool show(std::string_view bytes);
  bool finish(std::string_view end);
  bool any() const { return any_; }  // something has been written

 private:
  bool write(std::string_view text);
  std::size_t whole_characters() const;

  std::FILE* out_;
  bool trim_, terminal_, any_ = false, good_ = true;
  std::string pending_;
};

}  // namespace facet::cli
