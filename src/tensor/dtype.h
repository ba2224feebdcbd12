// dtype.h: the element types a stored tensor can have, and their sizes.  Facts about each are in docs/formats/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace facet {

// How the bytes of a row encode its elements.  Rows are the unit: a row starts at a byte and never shares one.
// kI4Row and kI2Row are the mobile format's offset-binary packings (low bits first, code + 8 or + 2), kI8Row two's
// complement; each takes one f32 scale per row (or per row and group), stored apart.
enum class DType : std::uint8_t {
  kF32,
  kF16,
  kBF16,
  kQ8_0,
  kQ4_0,
  kQ4_K,
  kQ6_K,
  kQ4_1,  // from here to kQ5_K: read and never made (quant/ggml_blocks.h)
  kQ5_0,
  kQ5_1,
  kQ2_K,
  kQ3_K,
  kQ5_K,
  kI8Row,
  kI4Row,
  kI2Row
};

struct DTypeInfo {
  std::string_view name;  // as printed: "f32" "q4_0" ...
  int block;              // elements per block
  int block_bytes;        // bytes per block
};
const DTypeInfo& info(DType type);
std::optional<DType> dtype_from_name(std::string_view name);

// Bytes of a row of `cols` elements, or nullopt when cols is negative or not a multiple of the block (the row types of
// the mobile format round up to whole bytes) or overflows.
std::optional<std::uint64_t> row_bytes(DType type, std::int64_t cols);

inline bool is_float(DType t) { return t == DType::kF32 || t == DType::kF16 || t == DType::kBF16; }
inline bool is_read_only(DType t) { return t >= DType::kQ4_1 && t <= DType::kQ5_K; }
inline bool has_row_scales(DType t) { return t == DType::kI8Row || t == DType::kI4Row || t == DType::kI2Row; }

}  // namespace facet
