// bytes.h: a cursor over bytes from a file.  The only code that moves through a file; it cannot pass the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace facet {

// Little-endian reader.  A read past the end yields zeros and sets failed(); check once after a group of reads.
// Views it hands out live as long as the span it was made from.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <typename T>
  requires std::is_arithmetic_v<T> T read() {
    T value{};
    if (auto raw = take(sizeof(T)); raw.size() == sizeof(T)) std::memcpy(&value, raw.data(), sizeof(T));
    return value;
  }
  // The next n bytes, or an empty span (and failed) when fewer are left.
  std::span<const std::byte> take(std::uint64_t n) {
    if (failed_ || n > remaining()) {
      failed_ = true;
      return {};
    }
    auto out = bytes_.subspan(offset_, n);
    offset_ += n;
    return out;
  }
  std::string_view take_string(std::uint64_t n) {
    auto raw = take(n);
    return {reinterpret_cast<const char*>(raw.data()), raw.size()};
  }
  std::uint64_t offset() const { return offset_; }
  std::uint64_t remaining() const { return bytes_.size() - offset_; }
  bool failed() const { return failed_; }

 private:
  std::span<const std::byte> bytes_;
  std::uint64_t offset_ = 0;
  bool failed_ = false;
};

}  // namespace facet
