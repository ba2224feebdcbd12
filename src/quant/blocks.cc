#include "quant/blocks.h"

#include <cmath>
#include <cstddef>
#include <string>

namespace facet {
namespace {

// Counts in integers: a vector unit sums comparisons without asking for the order.
bool all_within(const float* w, std::size_t n, float limit) {
  int outside = 0;
  for (std::size_t i = 0; i < n; ++i) outside |= !(std::fabs(w[i]) <= limit);
  return outside == 0;
}

}  // namespace

Status check_block_weights(std::span<const float> w, float limit, const char* format) {
  if (all_within(w.data(), w.size(), limit)) return {};
  std::size_t i = 0;
  while (std::fabs(w[i]) <= limit) ++i;
  const std::string where = std::string(format) + ": weight " + std::to_string(i) + " is " + std::to_string(w[i]);
  return corrupt(where + (std::isfinite(w[i]) ? ", too large for a half scale (at most " + std::to_string(limit) + ")"
                                              : "; weights must be finite"));
}

}  // namespace facet
