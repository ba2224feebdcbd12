// gguf.h: reads GGUF files, versions 2 and 3: bytes -> metadata and named tensors.  Law: docs/formats/gguf.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "facet/status.h"
#include "formats/gguf/ggml_type.h"
#include "formats/gguf/gguf_value.h"
#include "formats/stored_tensor.h"

namespace facet {

struct GgufEntry {
  std::string_view key;
  GgufValue value;
};

struct GgufTensor {
  std::string_view name;
  GgmlType type;
  Shape shape;  // slowest first, {out, in} for a linear: the reverse of the order on disk
  std::uint64_t file_offset;
  std::span<const std::byte> bytes;
};

//   FACET_ASSIGN(GgufFile file, read_gguf("model.gguf"));
//   FACET_ASSIGN(std::int64_t n_layers, file.get_int("gemma4.block_count"));           // absent: kNotFound
//   FACET_ASSIGN(double softcap, file.get_float("gemma4.final_logit_softcapping", 0));  // absent: 0
//   FACET_ASSIGN(StoredTensor w, file.tensor("blk.0.attn_q.weight"));
//
// Immutable once read, so threads may share it.  Cheap to copy but for the lists.  Every string_view and span handed
// out looks into the mapping and lives as long as `owner` (or any copy of it) does.
//
// Getters never abort: an absent key is kNotFound unless a fallback is given, and a value of another type or range is
// kCorrupt (fallback or not), in a message that names file, key, the type found and the one wanted.
struct GgufFile {
  std::string path;
  std::uint32_t version = 3;
  std::uint64_t alignment = 32;
  std::vector<GgufEntry> metadata;  // file order
  std::vector<GgufTensor> tensors;  // file order
  std::shared_ptr<const void> owner;
  std::shared_ptr<const MappedFile> mapping;  // null over bytes in memory

  const GgufValue* find(std::string_view key) const;           // nullptr: absent
  const GgufTensor* find_tensor(std::string_view name) const;  // nullptr: absent

  // Any stored integer type that holds the value; floats and bools are not integers.
  Result<std::int64_t> get_int(std::string_view key, std::optional<std::int64_t> fallback = {}) const;
  // f32 or f64.
  Result<double> get_float(std::string_view key, std::optional<double> fallback = {}) const;
  Result<bool> get_bool(std::string_view key, std::optional<bool> fallback = {}) const;
  Result<std::string_view> get_string(std::string_view key, std::optional<std::string_view> fallback = {}) const;

  // Arrays.  Integers of any width come widened, floats as f32 (f64 arrays are rounded).
  Result<std::vector<std::int64_t>> get_ints(std::string_view key) const;
  Result<std::vector<float>> get_floats(std::string_view key) const;
  Result<std::vector<bool>> get_bools(std::string_view key) const;
  Result<std::span<const std::string_view>> get_strings(std::string_view key) const;  // lives as long as this GgufFile
  // For values that are "one for all layers, or one per layer": n copies of an integer, or an array of exactly n.
  Result<std::vector<std::int64_t>> get_ints_of(std::string_view key, std::size_t n) const;

  // A tensor as numbers.  kNotFound: no such name; kUnsupported: a type without a DType, such as Q5_K (its raw bytes
  // are in find_tensor(name)->bytes all the same).
  Result<StoredTensor> tensor(std::string_view name) const;

  // Positions of metadata and tensors in order of their names; made by the reader for the look-ups above.
  std::vector<std::uint32_t> keys_by_name, tensors_by_name;
};

// Maps and validates the whole header: magic, version, counts, strings, types, shapes, and that tensors lie one after
// another inside the file.  Tensor data is not touched.  kNotFound, kIo: the file cannot be opened; kCorrupt: malformed
// or cut short, with the byte offset; kUnsupported: version 1, a version above 3, big-endian, a retired or unknown
// type. Allocates at most a few times the size of the file, whatever its bytes say.
Result<GgufFile> read_gguf(const std::string& path);

// The same over bytes in memory, which `owner` keeps alive (nullptr: the caller does).  path: for messages.
Result<GgufFile> parse_gguf(std::span<const std::byte> bytes, std::string path, std::shared_ptr<const void> owner);

}  // namespace facet
