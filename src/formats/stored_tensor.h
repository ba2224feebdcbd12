// stored_tensor.h: a tensor of a file as the rest of Facet sees it.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "tensor/tensor.h"

namespace facet {

// A view and what keeps its bytes alive: normally the file's mapping, which all tensors of a file share; for bytes that
// lie misaligned in the file (safetensors promises no alignment) an aligned private copy.  Keep `owner` as long as
// `view`.
//   checkpoint.tensors[name] = stored.view;  checkpoint.owners.push_back(stored.owner);
// view.bytes is aligned for its elements: 4 bytes for f32, 2 for f16, bf16 and the blocks; so a cast to them is sound.
struct StoredTensor {
  TensorView view;
  std::shared_ptr<const void> owner;
};

// bytes must have the size that dtype and shape imply (FACET_CHECK) and be kept alive by owner.
StoredTensor make_stored_tensor(DType dtype, Shape shape, std::span<const std::byte> bytes,
                                std::shared_ptr<const void> owner);

}  // namespace facet
