// gguf_value.h: one metadata value of a GGUF file.
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

namespace facet {

// The C++ type decides the type on disk: std::uint32_t is u32, std::vector<bool> an array of bool.  Arrays of arrays do
// not exist.  Strings are views: of the mapping when a GgufFile hands the value out, of the caller's memory when given
// to GgufWriter (which copies at once).  An int literal is an i32: write std::uint32_t{35} where readers expect u32.
using GgufValue = std::variant<std::uint8_t, std::int8_t, std::uint16_t, std::int16_t, std::uint32_t, std::int32_t,
                               float, bool, std::string_view, std::uint64_t, std::int64_t, double,  //
                               std::vector<std::uint8_t>, std::vector<std::int8_t>, std::vector<std::uint16_t>,
                               std::vector<std::int16_t>, std::vector<std::uint32_t>, std::vector<std::int32_t>,
                               std::vector<float>, std::vector<bool>, std::vector<std::string_view>,
                               std::vector<std::uint64_t>, std::vector<std::int64_t>, std::vector<double>>;

// "u32" "string" "array of i32" ...
std::string_view type_name(const GgufValue& value);

}  // namespace facet
