// counting_allocator.h: operator new and delete of this test binary, with a count.  In a source of its own: where the
// compiler can see through both, it warns that what malloc gave goes to delete.
#pragma once

#include <cstddef>

namespace facet {

std::size_t live_heap_bytes();
// Largest live_heap_bytes() since reset_peak_heap_bytes().
std::size_t peak_heap_bytes();
void reset_peak_heap_bytes();

}  // namespace facet
