// process.h: what the operating system says about this process.
#pragma once

#include <cstdint>

namespace facet {

// The most memory that was ever resident, mapped files included: VmHWM on Linux, ru_maxrss elsewhere.  0 = unknown.
std::uint64_t peak_rss_bytes();

}  // namespace facet
