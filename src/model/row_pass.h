// row_pass.h: a walk over the rows of a tensor that may be larger than memory.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "model/checkpoint.h"
#include "quant/codec.h"

namespace facet {

// Rows decoded before any of them is given on: some sixteen megabytes of floats.
inline std::int64_t rows_of_a_piece(const TensorView& view) {
  return std::clamp<std::int64_t>((4 << 20) / std::max<std::int64_t>(view.cols(), 1), 1,
                                  std::max<std::int64_t>(view.rows(), 1));
}

// body(row, its values) -> Status: rows in parallel; then after(n rows) -> Status: in order, once per piece.  The pages
// of a piece that is done go back to the system.  Returns one of the failures, with tensor and row before it.
template <typename Body, typename After>
Status for_rows(const Checkpoint& checkpoint, const std::string& name, const TensorView& view, ThreadPool& pool,
                const Body& body, const After& after) {
  const std::int64_t rows = view.rows(), cols = view.cols(), piece = rows_of_a_piece(view);
  const std::size_t stride = *row_bytes(view.dtype, cols);
  constexpr int kRounds = 3;
  Status failure;
  std::mutex mutex;
  for (std::int64_t first = 0; first < rows; first += piece) {
    const std::int64_t n = std::min(piece, rows - first);
    pool.parallel_for(
        n, 1,
        [&](std::int64_t begin, std::int64_t end) {
          std::vector<float> values(static_cast<std::size_t>(cols));
          for (std::int64_t r = first + begin; r < first + end; ++r) {
            decode_row(view, r, values);
            const Status status = body(r, std::span<const float>(values));
            if (status.ok()) continue;
            const std::lock_guard lock(mutex);
            failure = status.with_prefix(fmt::format("tensor '{}', row {}", name, r));
          }
        },
        kRounds);
    FACET_TRY(failure);
    FACET_TRY(after(n));
    checkpoint.release(
        view.bytes.subspan(static_cast<std::size_t>(first) * stride, static_cast<std::size_t>(n) * stride));
  }
  return {};
}

}  // namespace facet
