// ggml_type.h: the element types a GGUF tensor can have.  Ids are on disk and never change; law: docs/formats/gguf.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "tensor/dtype.h"

namespace facet {

// The types that Facet reads as numbers.  Others are known by size only (ggml_type_info), so that any file
// can be listed; any id of that table may be cast to this type.
enum class GgmlType : std::uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kBF16 = 30
};

struct GgmlTypeInfo {
  std::uint32_t id;
  std::string_view name;  // as llama.cpp prints it: "F32" "Q4_K"
  int block;              // elements per block
  int block_bytes;
};

// nullptr for an id that never existed or is retired.
const GgmlTypeInfo* ggml_type_info(std::uint32_t id);
inline const GgmlTypeInfo* ggml_type_info(GgmlType type) { return ggml_type_info(static_cast<std::uint32_t>(type)); }
bool ggml_type_retired(std::uint32_t id);        // once meant something; such files need an old llama.cpp to convert
std::string_view ggml_type_name(GgmlType type);  // "?" when unknown

std::optional<DType> dtype_of(GgmlType type);       // nullopt: Facet has no decoder
std::optional<GgmlType> ggml_type_of(DType dtype);  // nullopt: the row types of the mobile format have no GGUF form

}  // namespace facet
