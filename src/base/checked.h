// checked.h: the only size arithmetic allowed on numbers that come from a file.
#pragma once

#include <cstdint>
#include <optional>

namespace facet {

inline std::optional<std::uint64_t> checked_add(std::uint64_t a, std::uint64_t b) {
  std::uint64_t r;
  return __builtin_add_overflow(a, b, &r) ? std::nullopt : std::optional(r);
}
inline std::optional<std::uint64_t> checked_mul(std::uint64_t a, std::uint64_t b) {
  std::uint64_t r;
  return __builtin_mul_overflow(a, b, &r) ? std::nullopt : std::optional(r);
}
// Smallest multiple of `alignment` (a power of two) that is >= a.
inline std::optional<std::uint64_t> checked_align_up(std::uint64_t a, std::uint64_t alignment) {
  auto sum = checked_add(a, alignment - 1);
  return sum ? std::optional(*sum & ~(alignment - 1)) : std::nullopt;
}

}  // namespace facet
