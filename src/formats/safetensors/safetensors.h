// safetensors.h: reads safetensors files, single or sharded: bytes -> named tensors.  Law: docs/formats/safetensors.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "facet/status.h"
#include "formats/stored_tensor.h"

namespace facet {

// Element types by their names in the header.  Facet computes with F32, F16 and BF16; the others give raw bytes.
enum class SafetensorsType : std::uint8_t {
  kBool,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kF8E8M0,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kI64,
  kU64,
  kF64,
  kC64
};
std::string_view name_of(SafetensorsType type);  // "BOOL" "U8" "F32" ...
int element_bytes(SafetensorsType type);
std::optional<SafetensorsType> safetensors_type(std::string_view name);
std::optional<DType> dtype_of(SafetensorsType type);              // F32, F16, BF16
std::optional<SafetensorsType> safetensors_type_of(DType dtype);  // the same; nullopt for blocks and row types

struct SafetensorsTensor {
  std::string name;
  SafetensorsType type;
  Shape shape;                       // as in the header, slowest first; {} is a scalar; 0 is a legal dimension
  std::span<const std::byte> bytes;  // any alignment
  std::uint32_t file;                // index into SafetensorsFile::files
};

//   FACET_ASSIGN(SafetensorsFile file, read_safetensors_folder("gemma-4-e2b"));
//   FACET_ASSIGN(StoredTensor w, file.tensor("model.layers.0.mlp.up_proj.weight"));       // F32, F16, BF16
//   const SafetensorsTensor* codes = file.find("model.layers.0.mlp.up_proj.weight");      // any type, raw
//
// One file, or all shards of an index as if they were one.  Immutable once read, so threads may share it.  Views live
// as long as the owner of their file.
struct SafetensorsFile {
  struct Shard {
    std::string path;
    std::shared_ptr<const void> owner;
    std::shared_ptr<const MappedFile> mapping;  // null over bytes in memory
  };
  std::vector<Shard> files;
  std::map<std::string, std::string> metadata;  // __metadata__; of several shards, the first to name a key wins
  std::vector<SafetensorsTensor> tensors;       // by name

  const SafetensorsTensor* find(std::string_view name) const;  // nullptr: absent
  // A tensor as numbers.  kNotFound: no such name; kUnsupported: a type without a DType (use find()).
  Result<StoredTensor> tensor(std::string_view name) const;
  // What keeps the bytes of a tensor alive.
  const std::shared_ptr<const void>& owner(const SafetensorsTensor& tensor) const { return files[tensor.file].owner; }
};

// Maps one file and validates its header: JSON of known form without duplicates, types, shapes, and that the tensors
// cover the data without hole or overlap.  Data is not touched.  kNotFound, kIo: cannot be opened; kCorrupt: malformed
// or cut short; kUnsupported: an element type of no known size.  Allocates at most a few times the size of the header.
Result<SafetensorsFile> read_safetensors(const std::string& path);

// index_path: a model.safetensors.index.json; shards lie beside it.  Every name in it must be in the shard it names,
// and no name in two shards, else kCorrupt; tensors that the index forgets are listed all the same.
Result<SafetensorsFile> read_safetensors_index(const std::string& index_path);

// A Hugging Face folder: model.safetensors.index.json if there is one, else model.safetensors, else kNotFound.
Result<SafetensorsFile> read_safetensors_folder(const std::string& folder);

// As read_safetensors, over bytes in memory, which `owner` keeps alive (nullptr: the caller does).  path: for messages.
Result<SafetensorsFile> parse_safetensors(std::span<const std::byte> bytes, std::string path,
                                          std::shared_ptr<const void> owner);

}  // namespace facet
