#include "cli/progress.h"

#include <unistd.h>

#include <cstdio>

namespace facet::cli {

Progress::Progress(double plain_every_seconds) : terminal_(::isatty(2) == 1), plain_every_(plain_every_seconds) {}

void Progress::show(const std::string& line, bool force) {
  auto now = std::chrono::steady_clock::now();
  double since = std::chrono::duration<double>(now - last_).count();
  if (!force && last_ != std::chrono::steady_clock::time_point{} && since < (terminal_ ? 0.1 : plain_every_)) return;
  last_ = now;
  if (terminal_) {
    std::fprintf(stderr, "\r\033[K%s", line.c_str());
    std::fflush(stderr);
    open_ = true;
  } else {
    std::fprintf(stderr, "%s\n", line.c_str());
  }
}

void Progress::finish() {
  if (open_) std::fputc('\n', stderr);
  open_ = false;
}

}  // namespace facet::cli
