// ops_common.h: what the sources of ops.h share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>

#include "train/parallel.h"
#include "train/torch.h"

namespace facet::train::ops {

// Whether our loops serve: f32 on the CPU, all that are defined.
inline bool on_fast_path(std::initializer_list<torch::Tensor> tensors) {
  return std::all_of(tensors.begin(), tensors.end(), [](const torch::Tensor& t) {
    return !t.defined() || (t.is_cpu() && t.scalar_type() == torch::kFloat32);
  });
}

inline float* floats(const torch::Tensor& t) { return t.data_ptr<float>(); }
inline float* floats_or_null(const torch::Tensor& t) { return t.defined() ? t.data_ptr<float>() : nullptr; }

// body(begin, end) over [0, n) in pieces of `piece`, whatever the number of threads: sums made per piece and added in
// order have the same bits on one thread and on sixteen.
template <typename Body>
void for_pieces(std::int64_t n, std::int64_t piece, const Body& body) {
  std::int64_t pieces = (n + piece - 1) / piece;
  parallel_for(0, pieces, 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto p = begin; p < end; ++p) body(p * piece, std::min(n, (p + 1) * piece));
  });
}

}  // namespace facet::train::ops
