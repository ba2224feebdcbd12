#include "cli/terminal.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "cli/cli.h"
#include "cli/text_printer.h"

namespace facet::cli {
namespace {

std::atomic<bool> awaits_line{false}, dimmed{false};

// Nothing but calls that a signal handler may make.
void on_signal(int signal) {
  if (signal == SIGINT && !awaits_line && !interrupted.exchange(true)) return;
  const std::string_view end = dimmed ? "\x1b[0m\n" : "\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, end.data(), end.size());
  ::_exit(exit_code({Code::kCancelled, {}}));
}

bool wants_colours() {
  const char *no_color = std::getenv("NO_COLOR"), *term = std::getenv("TERM");
  return isatty(STDERR_FILENO) != 0 && (no_color == nullptr || *no_color == 0) &&
         (term == nullptr || std::string_view(term) != "dumb");
}

}  // namespace

Terminal::Terminal() : interactive_(isatty(STDIN_FILENO) != 0), colours_(wants_colours()) {
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool Terminal::read_more() {
  char bytes[4096];
  ssize_t n = 0;
  do {
    n = ::read(STDIN_FILENO, bytes, sizeof bytes);
  } while (n < 0 && errno == EINTR);
  if (n > 0) buffer_.append(bytes, static_cast<std::size_t>(n));
  return n > 0;
}

bool Terminal::next_line(std::string& line) {
  std::size_t end = 0;
  while ((end = buffer_.find('\n')) == buffer_.npos && !ended_) ended_ = !read_more();
  if (end == buffer_.npos && buffer_.empty()) return false;
  line += buffer_.substr(0, end);
  buffer_.erase(0, end == buffer_.npos ? end : end + 1);
  if (line.ends_with('\r')) line.pop_back();
  return true;
}

std::optional<std::string> Terminal::read_line(std::string_view prompt) {
  auto ask = [&](std::string_view text) {
    if (interactive_) std::fwrite(text.data(), 1, text.size(), stderr);
  };
  std::string line;
  awaits_line = true;
  ask(prompt);
  bool any = next_line(line);
  while (any && line.ends_with('\\')) {
    line.back() = '\n';
    ask(". ");
    if (!next_line(line)) break;
  }
  awaits_line = false;
  if (any) return line;
  ask("\n");
  return {};
}

std::string Terminal::read_rest() {
  awaits_line = true;
  while (!ended_) ended_ = !read_more();
  awaits_line = false;
  return std::exchange(buffer_, {});
}

void Terminal::begin_work() { interrupted = false; }

void Terminal::dim(bool on) {
  if (!colours_ || dimmed == on) return;
  dimmed = on;
  std::fputs(on ? "\x1b[2m" : "\x1b[0m", stderr);
}

void Terminal::note(const std::string& line) {
  dim(true);
  TextPrinter(stderr).show(line);
  dim(false);
  std::fputc('\n', stderr);
}

void Terminal::error(const Status& status) { TextPrinter(stderr).finish("error: " + status.message() + "\n"); }

}  // namespace facet::cli
