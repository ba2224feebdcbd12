// huge_pages.h: memory for large tables that are read at random.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <new>

namespace facet {

// A vector of at least 2 MB asks for pages of that size: in small ones, a look-up in a table of some megabytes misses
// the processor's list of pages as often as its cache.  A request the system may ignore.
//   std::vector<Slot, HugePageAllocator<Slot>> slots;
template <typename T>
struct HugePageAllocator {
  using value_type = T;
  static constexpr std::size_t kPageBytes = std::size_t{1} << 21;

  HugePageAllocator() = default;
  template <typename U>
  HugePageAllocator(const HugePageAllocator<U>&) {}

  T* allocate(std::size_t n) {
    const std::size_t bytes = n * sizeof(T);
    if (bytes < kPageBytes) return static_cast<T*>(::operator new(bytes));
    void* memory = ::operator new(bytes, std::align_val_t(kPageBytes));
#ifdef MADV_HUGEPAGE
    ::madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t n) noexcept {
    if (n * sizeof(T) < kPageBytes)
      ::operator delete(memory);
    else
      ::operator delete(memory, std::align_val_t(kPageBytes));
  }
  bool operator==(const HugePageAllocator&) const = default;
};

}  // namespace facet
