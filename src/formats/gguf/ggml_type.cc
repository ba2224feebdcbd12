#include "formats/gguf/ggml_type.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace facet {
namespace {

constexpr GgmlTypeInfo kTypes[] = {
    {0, "F32", 1, 4},         {1, "F16", 1, 2},         {2, "Q4_0", 32, 18},      {3, "Q4_1", 32, 20},
    {6, "Q5_0", 32, 22},      {7, "Q5_1", 32, 24},      {8, "Q8_0", 32, 34},      {9, "Q8_1", 32, 36},
    {10, "Q2_K", 256, 84},    {11, "Q3_K", 256, 110},   {12, "Q4_K", 256, 144},   {13, "Q5_K", 256, 176},
    {14, "Q6_K", 256, 210},   {15, "Q8_K", 256, 292},   {16, "IQ2_XXS", 256, 66}, {17, "IQ2_XS", 256, 74},
    {18, "IQ3_XXS", 256, 98}, {19, "IQ1_S", 256, 50},   {20, "IQ4_NL", 32, 18},   {21, "IQ3_S", 256, 110},
    {22, "IQ2_S", 256, 82},   {23, "IQ4_XS", 256, 136}, {24, "I8", 1, 1},         {25, "I16", 1, 2},
    {26, "I32", 1, 4},        {27, "I64", 1, 8},        {28, "F64", 1, 8},        {29, "IQ1_M", 256, 56},
    {30, "BF16", 1, 2},       {34, "TQ1_0", 256, 54},   {35, "TQ2_0", 256, 66},   {39, "MXFP4", 32, 17},
    {40, "NVFP4", 64, 36},    {41, "Q1_0", 128, 18},    {42, "Q2_0", 64, 18},
};
constexpr std::uint32_t kRetired[] = {4, 5, 31, 32, 33, 36, 37, 38};

constexpr std::pair<GgmlType, DType> kDecoded[] = {
    {GgmlType::kF32, DType::kF32},   {GgmlType::kF16, DType::kF16},   {GgmlType::kBF16, DType::kBF16},
    {GgmlType::kQ8_0, DType::kQ8_0}, {GgmlType::kQ4_0, DType::kQ4_0}, {GgmlType::kQ4_K, DType::kQ4_K},
    {GgmlType::kQ6_K, DType::kQ6_K}, {GgmlType::kQ4_1, DType::kQ4_1}, {GgmlType::kQ5_0, DType::kQ5_0},
    {GgmlType::kQ5_1, DType::kQ5_1}, {GgmlType::kQ2_K, DType::kQ2_K}, {GgmlType::kQ3_K, DType::kQ3_K},
    {GgmlType::kQ5_K, DType::kQ5_K}};

}  // namespace

const GgmlTypeInfo* ggml_type_info(std::uint32_t id) {
  auto it = std::find_if(std::begin(kTypes), std::end(kTypes), [&](const GgmlTypeInfo& t) { return t.id == id; });
  return it == std::end(kTypes) ? nullptr : it;
}

bool ggml_type_retired(std::uint32_t id) {
  return std::find(std::begin(kRetired), std::end(kRetired), id) != std::end(kRetired);
}

std::string_view ggml_type_name(GgmlType type) {
  const GgmlTypeInfo* info = ggml_type_info(type);
  return info ? info->name : "?";
}

std::optional<DType> dtype_of(GgmlType type) {
  for (auto [ggml, dtype] : kDecoded)
    if (ggml == type) return dtype;
  return std::nullopt;
}

std::optional<GgmlType> ggml_type_of(DType dtype) {
  for (auto [ggml, ours] : kDecoded)
    if (ours == dtype) return ggml;
  return std::nullopt;
}

}  // namespace facet
