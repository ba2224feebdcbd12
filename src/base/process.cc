#include "base/process.h"

#include <sys/resource.h>

#include <cstdio>

namespace facet {

std::uint64_t peak_rss_bytes() {
  // Not ru_maxrss on Linux: it survives exec, so a small program started by a large one would report the large one's.
  if (std::FILE* file = std::fopen("/proc/self/status", "r")) {
    char line[256];
    unsigned long long kib = 0;
    while (std::fgets(line, sizeof line, file))
      if (std::sscanf(line, "VmHWM: %llu kB", &kib) == 1) break;
    std::fclose(file);
    if (kib > 0) return kib * 1024;
  }
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
#ifdef __APPLE__
  return static_cast<std::uint64_t>(usage.ru_maxrss);
#else
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
#endif
}

}  // namespace facet
