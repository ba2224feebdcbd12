// hash.h: of results, which a speed-up must not change.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

namespace facet {

inline std::uint64_t hash(std::span<const float> values) {  // FNV-1a over the bits
  std::uint64_t h = 14695981039346656037u;
  for (float v : values) {
    std::uint32_t u;
    std::memcpy(&u, &v, 4);
    h = (h ^ u) * 1099511628211u;
  }
  return h;
}

}  // namespace facet
