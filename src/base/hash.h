// hash.h: FNV-1a, 64 bits (Fowler, Noll, Vo): tells values apart; no protection against anybody.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace facet {

inline std::uint64_t fnv1a(std::span<const std::byte> bytes) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (std::byte b : bytes) hash = (hash ^ static_cast<std::uint64_t>(b)) * 0x100000001b3u;
  return hash;
}

}  // namespace facet
