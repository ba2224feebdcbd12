// terminal.h: what an interactive verb has to do with its terminal: lines in, dimmed text out, Ctrl-C.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "facet/status.h"

namespace facet::cli {

//   Terminal terminal;
//   while (auto line = terminal.read_line("> ")) { terminal.begin_work(); ... }
// One at a time.  From its creation on, Ctrl-C ends the program with 130 while a line is awaited; during work the first
// one sets `interrupted`, and the second ends the program.  SIGTERM always does.
class Terminal {
 public:
  Terminal();
  bool interactive() const { return interactive_; }  // standard input is a terminal
  // The next line of standard input, without its end; nothing after the last one.  The prompt goes to stderr, to people
  // only.  A line that ends in a backslash goes on in the next.
  std::optional<std::string> read_line(std::string_view prompt);
  // What is left of standard input.
  std::string read_rest();
  // From here to the next read_line().
  void begin_work();

  // Text on stderr; dimmed where that is a terminal and NO_COLOR is not set.
  void dim(bool on);
  void note(const std::string& line);
  void error(const Status& status);

 private:
  bool read_more();
  bool next_line(std::string& line);

  bool interactive_, colours_, ended_ = false;
  std::string buffer_;
};

}  // namespace facet::cli
