#include "counting_allocator.h"

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace {
std::atomic<std::size_t> live_bytes{0}, peak_bytes{0};
}

namespace facet {
std::size_t live_heap_bytes() { return live_bytes; }
std::size_t peak_heap_bytes() { return peak_bytes; }
void reset_peak_heap_bytes() { peak_bytes = live_bytes.load(); }
}  // namespace facet

void* operator new(std::size_t size) {
  void* p = std::malloc(size == 0 ? 1 : size);
  if (!p) throw std::bad_alloc();
  std::size_t live = live_bytes += ::malloc_usable_size(p);
  if (live > peak_bytes) peak_bytes = live;
  return p;
}
void operator delete(void* p) noexcept {
  if (p) live_bytes -= ::malloc_usable_size(p);
  std::free(p);
}
void operator delete(void* p, std::size_t) noexcept { operator delete(p); }
