// checked.h: the only size arithmetic allowed on numbers that come from a file.  nullopt: the result does not exist.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>

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

// The same number as another integer type, if that can hold it.
template <typename To, typename From>
std::optional<To> checked_narrow(From a) {
  return std::in_range<To>(a) ? std::optional(static_cast<To>(a)) : std::nullopt;
}
// Bytes of an array: element_bytes times all dimensions, below 2^63 so that it fits the signed counts of views.
// nullopt: too large, or a dimension is negative; also when only a dimension of 0 makes it small, because somebody will
// multiply the others alone.
inline std::optional<std::uint64_t> checked_size(std::uint64_t element_bytes, std::span<const std::int64_t> dims) {
  std::optional<std::uint64_t> size = element_bytes;
  bool empty = false;
  for (std::int64_t d : dims) {
    if (d < 0) return std::nullopt;
    empty = empty || d == 0;
    if (d != 0 && size) size = checked_mul(*size, static_cast<std::uint64_t>(d));
  }
  if (!size || !std::in_range<std::int64_t>(*size)) return std::nullopt;
  return empty ? 0 : *size;
}

}  // namespace facet
