// verify.h: what can be said of a tensor by recomputing it.
#pragma once

#include "base/thread_pool.h"
#include "model/checkpoint.h"

namespace facet {

// Of a matrix that is stored as floats: the quantization it already carries (quant/grid.h).
struct CarriedGrid {
  std::string name;  // "q4_0": blocks of 32; "int2", "int4", "int8": rows (per-layer tables: a row's groups)
  std::int64_t n_on = 0, n_groups = 0;
};
struct TensorCheck {
  std::int64_t n_not_finite = 0;  // weights whose decoded value is NaN or infinite
  CarriedGrid grid;  // the one that holds the largest share; name empty: none holds anything, or no float matrix
};
// Reads the whole tensor and gives its pages back.
Result<TensorCheck> check_tensor(const Checkpoint& checkpoint, const TensorSpec& spec, ThreadPool& pool);

}  // namespace facet
