// parallel.h: the trainer's one way to share a loop among threads, those of libtorch (OpenMP).
#pragma once

#include <ATen/Parallel.h>

#include <cstdint>

#if defined(__SANITIZE_THREAD__)
#include <algorithm>
#include <thread>
#include <vector>
#endif

namespace facet::train {

// body(first, last) over parts of [begin, end), none smaller than `grain` but the last.  How many parts there are
// depends on the number of threads: a body must not let its result depend on where its part begins.
//
// The thread sanitizer cannot see OpenMP's barriers (futexes inside a library built without it) and takes every loop
// for a race with what came before.  Under it the same parts run on threads whose start and end it does see.
template <typename Body>
void parallel_for(std::int64_t begin, std::int64_t end, std::int64_t grain, const Body& body) {
#if defined(__SANITIZE_THREAD__)
  if (begin >= end) return;
  std::int64_t n = end - begin, most = (n + grain - 1) / grain;
  std::int64_t parts = std::clamp<std::int64_t>(at::get_num_threads(), 1, most), size = (n + parts - 1) / parts;
  std::vector<std::jthread> threads;
  for (std::int64_t first = begin + size; first < end; first += size)
    threads.emplace_back([&body, first, last = std::min(end, first + size)] { body(first, last); });
  body(begin, std::min(end, begin + size));
#else
  at::parallel_for(begin, end, grain, body);
#endif
}

}  // namespace facet::train
