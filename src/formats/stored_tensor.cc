#include "formats/stored_tensor.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "base/check.h"

namespace facet {
namespace {

std::uintptr_t alignment_of(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return 4;
    case DType::kF16:
    case DType::kBF16:
    case DType::kQ8_0:  // blocks hold halves
    case DType::kQ4_0:
    case DType::kQ4_K:
    case DType::kQ6_K:
    case DType::kQ4_1:
    case DType::kQ5_0:
    case DType::kQ5_1:
    case DType::kQ2_K:
    case DType::kQ3_K:
    case DType::kQ5_K:
      return 2;
    case DType::kI8Row:
    case DType::kI4Row:
    case DType::kI2Row:
      return 1;
  }
  return 1;
}

}  // namespace

StoredTensor make_stored_tensor(DType dtype, Shape shape, std::span<const std::byte> bytes,
                                std::shared_ptr<const void> owner) {
  TensorView view{dtype, std::move(shape), bytes, {}};
  auto row = row_bytes(dtype, view.cols());
  FACET_CHECK(row && *row * static_cast<std::uint64_t>(view.rows()) == bytes.size(), "bytes do not suit the shape");
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % alignment_of(dtype) == 0)
    return {std::move(view), std::move(owner)};
  auto copy = std::make_shared<std::vector<std::byte>>(bytes.begin(), bytes.end());
  view.bytes = *copy;
  return {std::move(view), std::move(copy)};
}

}  // namespace facet
