// refusal.h: what every fuzz target asks of a refusal.
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "facet/status.h"

namespace facet {

// Aborts unless the program would end with exit code 3 and one line that a terminal can take.
inline void expect_refusal(const Status& status) {
  const bool one_line =
      std::all_of(status.message().begin(), status.message().end(), [](char c) { return c >= 0x20 && c < 0x7f; });
  if (exit_code(status) == 3 && !status.message().empty() && status.message().size() < 1000 && one_line) return;
  std::fprintf(stderr, "not a refusal: code %d, '%s'\n", static_cast<int>(status.code()), status.message().c_str());
  std::abort();
}

}  // namespace facet
