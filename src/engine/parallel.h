// parallel.h: ThreadPool::parallel_for for hot code: no allocation, and cuts that pay for themselves.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

#include "base/thread_pool.h"

namespace facet {

// body(begin, end) over [0, n).  A std::function made from a reference never allocates, whatever the body captures.
template <typename Body>
void parallel_for(ThreadPool& pool, std::int64_t n, std::int64_t grain, const Body& body, int rounds = 1) {
  pool.parallel_for(n, grain, std::cref(body), rounds);
}

// The grain for `items` that cost `operations` each: waking a thread costs some microseconds, so a piece should hold
// at least this many scalar operations (multiply-adds of a matrix product count as 1/8).
inline std::int64_t grain_for(std::int64_t operations) {
  constexpr std::int64_t kWorthAThread = 32 * 1024;
  return std::max<std::int64_t>(1, kWorthAThread / std::max<std::int64_t>(1, operations));
}

}  // namespace facet
