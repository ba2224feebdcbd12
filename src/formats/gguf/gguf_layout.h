// gguf_layout.h: what reader and writer of GGUF share.  Law: docs/formats/gguf.md.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include "facet/status.h"
#include "formats/gguf/ggml_type.h"
#include "tensor/tensor.h"

namespace facet::gguf {

static_assert(std::endian::native == std::endian::little, "numbers and tensors are used as they lie in the file");

inline constexpr std::string_view kMagic = "GGUF";
inline constexpr std::uint32_t kVersion = 3;
inline constexpr std::uint64_t kDefaultAlignment = 32;
inline constexpr std::string_view kAlignmentKey = "general.alignment";

// Type numbers of metadata values on disk.
enum ValueType : std::int32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};

template <typename T>
struct TypeOf;
template <>
struct TypeOf<std::uint8_t> {
  static constexpr ValueType value = kU8;
};
template <>
struct TypeOf<std::int8_t> {
  static constexpr ValueType value = kI8;
};
template <>
struct TypeOf<std::uint16_t> {
  static constexpr ValueType value = kU16;
};
template <>
struct TypeOf<std::int16_t> {
  static constexpr ValueType value = kI16;
};
template <>
struct TypeOf<std::uint32_t> {
  static constexpr ValueType value = kU32;
};
template <>
struct TypeOf<std::int32_t> {
  static constexpr ValueType value = kI32;
};
template <>
struct TypeOf<float> {
  static constexpr ValueType value = kF32;
};
template <>
struct TypeOf<bool> {
  static constexpr ValueType value = kBool;
};
template <>
struct TypeOf<std::string_view> {
  static constexpr ValueType value = kString;
};
template <>
struct TypeOf<std::uint64_t> {
  static constexpr ValueType value = kU64;
};
template <>
struct TypeOf<std::int64_t> {
  static constexpr ValueType value = kI64;
};
template <>
struct TypeOf<double> {
  static constexpr ValueType value = kF64;
};

// A power of two in 1..65536.  Zero would divide by zero, a huge one would let 40 bytes ask for gigabytes of padding.
bool is_valid_alignment(std::uint64_t alignment);

// Size of a tensor's data, or what is wrong with its type or shape (a Status without file and name: the caller adds
// them). shape: slowest first.
Result<std::uint64_t> tensor_bytes(GgmlType type, const Shape& shape);

}  // namespace facet::gguf
