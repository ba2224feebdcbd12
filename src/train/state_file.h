// state_file.h: named torch tensors of any type in one safetensors file.
#pragma once

#include <cstdint>
#include <string>

#include "facet/status.h"
#include "train/train_hooks.h"

namespace facet::train {

// Of the whole file.  The checksum finds truncation and rot, not malice.
struct StateFileInfo {
  std::uint64_t size_bytes = 0, checksum = 0;
  bool operator==(const StateFileInfo&) const = default;
};

// f32, f64, bf16, f16, int64, int32, uint8 and bool tensors on any device.  Atomic (base/atomic_file.h).
Result<StateFileInfo> write_state_file(const std::string& path, const StateMap& tensors);
// Tensors on the CPU, owning their memory.  kCorrupt when size or checksum differ from `expected`, or the file is
// malformed.
Result<StateMap> read_state_file(const std::string& path, const StateFileInfo& expected);
// Size and checksum of a file as it lies.
Result<StateFileInfo> state_file_info(const std::string& path);

}  // namespace facet::train
