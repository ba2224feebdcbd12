#include "train/cpu/gemm.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <memory>
#include <new>

#include "train/cpu/kernels.h"

namespace facet::train::cpu {
namespace {

// Depth of one pass: a panel of b (depth x nr) stays in the first-level cache while a's strips stream past it.
constexpr std::int64_t kDepth = 512;
// Rows of a per task: its block (rows x depth) stays in the second level while panels of b change.
constexpr std::int64_t kBlockRows = 96;
// b is packed in column blocks of at most this many floats (8 MB, a third-level cache's share).
constexpr std::int64_t kPackedFloats = 2 << 20;
constexpr std::int64_t kPackRun = 64;
constexpr std::int64_t kEnoughTasks = 16;

struct Free {
  void operator()(float* p) const { ::operator delete[](p, std::align_val_t{64}); }
};
struct Buffer {
  std::unique_ptr<float[], Free> data;
  std::size_t size = 0;
};

std::int64_t round_up(std::int64_t x, std::int64_t unit) { return (x + unit - 1) / unit * unit; }

void product(float* c, std::ptrdiff_t c_row, std::ptrdiff_t c_col, Operand a, Operand b, std::int64_t m, std::int64_t n,
             std::int64_t k, bool accumulate) {
  const Kernels& f = kernels();
  std::int64_t nr = f.nr, mr = f.mr;
  std::int64_t block_columns = std::max(nr, std::min(round_up(n, nr), kPackedFloats / k / nr * nr));
  for (std::int64_t first = 0; first < n; first += block_columns) {
    std::int64_t columns = std::min(block_columns, n - first), panels = (columns + nr - 1) / nr;
    float* packed = scratch(Scratch::kPackedB, static_cast<std::size_t>(panels * nr * k));
    // Runs of k, all panels of each: rows of b are read once, along memory.
    std::int64_t runs = (k + kPackRun - 1) / kPackRun;
    at::parallel_for(0, runs, std::max<std::int64_t>(1, 32768 / (kPackRun * nr * panels)),
                     [&](std::int64_t begin, std::int64_t end) {
                       for (auto run = begin; run < end; ++run) {
                         std::int64_t p = run * kPackRun;
                         auto depth = static_cast<int>(std::min(kPackRun, k - p));
                         for (std::int64_t q = 0; q < panels; ++q)
                           f.pack_b(packed + q * nr * k + p * nr, b.data + p * b.row + (first + q * nr) * b.col, b.row,
                                    b.col, depth, static_cast<int>(std::min(nr, columns - q * nr)));
                       }
                     });

    // Tasks are blocks of rows by groups of panels.  Outputs of few rows are cut by columns first: thin row blocks
    // would stream all of b past too little work.
    std::int64_t rows = std::min(kBlockRows / mr * mr, round_up(m, mr)), group = panels;
    auto enough = [&] { return ((m + rows - 1) / rows) * ((panels + group - 1) / group) >= kEnoughTasks; };
    while (!enough() && group > 8) group = (group + 1) / 2;
    while (!enough() && rows > 4 * mr) rows = round_up(rows / 2, mr);
    while (!enough() && group > 2) group = (group + 1) / 2;
    std::int64_t row_blocks = (m + rows - 1) / rows;
    std::int64_t groups = (panels + group - 1) / group;
    at::parallel_for(0, row_blocks * groups, 1, [&](std::int64_t begin, std::int64_t end) {
      for (auto task = begin; task < end; ++task) {
        std::int64_t i = task / groups * rows, j = task % groups * group * nr;
        auto task_rows = static_cast<int>(std::min(rows, m - i));
        auto task_columns = static_cast<int>(std::min(group * nr, columns - j));
        for (std::int64_t p = 0; p < k; p += kDepth) {
          auto depth = static_cast<int>(std::min(kDepth, k - p));
          const float* block = a.data + i * a.row + p * a.col;
          std::ptrdiff_t strip = mr * a.row, a_row = a.row, a_col = a.col;
          if (a.col != 1) {  // rows lie across memory: gather them once
            float* copy = scratch(Scratch::kPackedA, static_cast<std::size_t>(round_up(task_rows, mr) * depth));
            f.pack_a(copy, block, a.row, a.col, task_rows, depth);
            block = copy, strip = mr * depth, a_row = 1, a_col = mr;
          }
          f.multiply(c + i * c_row + (first + j) * c_col, c_row, c_col, block, strip, a_row, a_col,
                     packed + j * k + p * nr, nr * k, task_rows, task_columns, depth, accumulate || p > 0);
        }
      }
    });
  }
}

}  // namespace

float* scratch(Scratch slot, std::size_t n_floats) {
  thread_local std::array<Buffer, static_cast<std::size_t>(Scratch::kCount)> buffers;
  Buffer& buffer = buffers[static_cast<std::size_t>(slot)];
  if (buffer.size < n_floats) {
    buffer.data.reset();
    buffer.data.reset(static_cast<float*>(::operator new[](n_floats * sizeof(float), std::align_val_t{64})));
    buffer.size = n_floats;
  }
  return buffer.data.get();
}

void gemm(float* c, std::ptrdiff_t c_row, Operand a, Operand b, std::int64_t m, std::int64_t n, std::int64_t k,
          bool accumulate) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    if (!accumulate)
      for (std::int64_t i = 0; i < m; ++i) std::fill_n(c + i * c_row, n, 0.0f);
    return;
  }
  // Where both factors must be packed, the narrow one had better be the one that is packed whole.
  if (a.col != 1 && m < n)
    product(c, 1, c_row, b.transposed(), a.transposed(), n, m, k, accumulate);
  else
    product(c, c_row, 1, a, b, m, n, k, accumulate);
}

}  // namespace facet::train::cpu
