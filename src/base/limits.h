// limits.h: how large the parts of a model file may be.  Far above any real model, far below what would hurt us; every
// reader and writer applies the same table, which docs/formats/ repeats.
#pragma once

#include <cstdint>

namespace facet::limits {

inline constexpr std::uint64_t kMaxTensors = 65536;
inline constexpr std::uint64_t kMaxKeys = 65536;                             // metadata entries
inline constexpr std::uint64_t kMaxStringBytes = std::uint64_t{64} << 20;    // keys and values
inline constexpr std::uint64_t kMaxArrayElements = std::uint64_t{64} << 20;  // of one metadata array
inline constexpr int kMaxDims = 4;
inline constexpr std::uint64_t kMaxGgufNameBytes = 63;  // llama.cpp keeps names in char[64]
inline constexpr std::uint64_t kMaxAlignment = 65536;
inline constexpr std::uint64_t kMaxJsonBytes = std::uint64_t{100} << 20;  // a safetensors header, any JSON file
inline constexpr int kMaxJsonDepth = 16;

}  // namespace facet::limits
