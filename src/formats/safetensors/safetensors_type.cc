#include <array>
#include <utility>

#include "formats/safetensors/safetensors.h"

namespace facet {
namespace {

struct TypeInfo {
  std::string_view name;
  int bytes;
};
// In the order of SafetensorsType.
constexpr std::array<TypeInfo, 17> kTypes{{{"BOOL", 1},
                                           {"U8", 1},
                                           {"I8", 1},
                                           {"F8_E5M2", 1},
                                           {"F8_E4M3", 1},
                                           {"F8_E8M0", 1},
                                           {"I16", 2},
                                           {"U16", 2},
                                           {"F16", 2},
                                           {"BF16", 2},
                                           {"I32", 4},
                                           {"U32", 4},
                                           {"F32", 4},
                                           {"I64", 8},
                                           {"U64", 8},
                                           {"F64", 8},
                                           {"C64", 8}}};
static_assert(kTypes.size() == static_cast<std::size_t>(SafetensorsType::kC64) + 1);

constexpr std::pair<SafetensorsType, DType> kDecoded[] = {
    {SafetensorsType::kF32, DType::kF32}, {SafetensorsType::kF16, DType::kF16}, {SafetensorsType::kBF16, DType::kBF16}};

}  // namespace

std::string_view name_of(SafetensorsType type) { return kTypes[static_cast<std::size_t>(type)].name; }
int element_bytes(SafetensorsType type) { return kTypes[static_cast<std::size_t>(type)].bytes; }

std::optional<SafetensorsType> safetensors_type(std::string_view name) {
  for (std::size_t i = 0; i < kTypes.size(); ++i)
    if (kTypes[i].name == name) return static_cast<SafetensorsType>(i);
  return std::nullopt;
}

std::optional<DType> dtype_of(SafetensorsType type) {
  for (auto [stored, dtype] : kDecoded)
    if (stored == type) return dtype;
  return std::nullopt;
}

std::optional<SafetensorsType> safetensors_type_of(DType dtype) {
  for (auto [stored, ours] : kDecoded)
    if (ours == dtype) return stored;
  return std::nullopt;
}

}  // namespace facet
