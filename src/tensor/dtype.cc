#include "tensor/dtype.h"

#include <array>

#include "base/checked.h"

namespace facet {
namespace {

constexpr std::array<DTypeInfo, 16> kInfo{{{"f32", 1, 4},
                                           {"f16", 1, 2},
                                           {"bf16", 1, 2},
                                           {"q8_0", 32, 34},
                                           {"q4_0", 32, 18},
                                           {"q4_k", 256, 144},
                                           {"q6_k", 256, 210},
                                           {"q4_1", 32, 20},
                                           {"q5_0", 32, 22},
                                           {"q5_1", 32, 24},
                                           {"q2_k", 256, 84},
                                           {"q3_k", 256, 110},
                                           {"q5_k", 256, 176},
                                           {"int8", 1, 1},
                                           {"int4", 2, 1},
                                           {"int2", 4, 1}}};

}  // namespace

const DTypeInfo& info(DType type) { return kInfo[static_cast<std::size_t>(type)]; }

std::optional<DType> dtype_from_name(std::string_view name) {
  for (std::size_t i = 0; i < kInfo.size(); ++i)
    if (kInfo[i].name == name) return static_cast<DType>(i);
  return std::nullopt;
}

std::optional<std::uint64_t> row_bytes(DType type, std::int64_t cols) {
  if (cols < 0) return std::nullopt;
  const DTypeInfo& t = info(type);
  auto n = static_cast<std::uint64_t>(cols);
  if (has_row_scales(type)) return (n + t.block - 1) / t.block * t.block_bytes;
  if (n % t.block != 0) return std::nullopt;
  return checked_mul(n / t.block, t.block_bytes);
}

}  // namespace facet
