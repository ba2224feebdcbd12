#include "train/cpu/gemm.h"

#include <algorithm>
#include <array>
#include <memory>
#include <new>
#include <utility>

#include "train/cpu/kernels.h"
#include "train/parallel.h"

namespace facet::train::cpu {
namespace {

// Depth of one pass: a panel of b (depth x nr) stays in the first-level cache while a's strips stream past it.
constexpr std::int64_t kDepth = 512;
// Rows of a per task: its block (rows x depth) stays in the second level while panels of b change.
constexpr std::int64_t kBlockRows = 96;
// b is packed in column blocks of at most this many words (8 MB, a third-level cache's share).
constexpr std::int64_t kPackedWords = 2 << 20;
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

// How a kind of factor is packed: words of kPerWord elements along k.
struct F32Words {
  using Word = float;
  static constexpr std::int64_t kPerWord = 1;
  const Kernels& f;
  static bool lies_right(const Operand& a) { return a.col == 1; }
};
struct Bf16Words {
  using Word = std::int32_t;
  static constexpr std::int64_t kPerWord = 2;
  const Bf16Products& f;
  static bool lies_right(const Operand&) { return false; }  // rounding is a copy
};

template <class Words>
void product(const Words& words, float* c, std::ptrdiff_t c_row, std::ptrdiff_t c_col, Operand a, Operand b,
             std::int64_t m, std::int64_t n, std::int64_t k, bool accumulate) {
  using Word = typename Words::Word;
  static_assert(sizeof(Word) == sizeof(float) && kPackRun % Words::kPerWord == 0 && kDepth % Words::kPerWord == 0);
  std::int64_t nr = kernels().nr, mr = kernels().mr, k_words = (k + Words::kPerWord - 1) / Words::kPerWord;
  std::int64_t block_columns = std::max(nr, std::min(round_up(n, nr), kPackedWords / k_words / nr * nr));
  for (std::int64_t first = 0; first < n; first += block_columns) {
    std::int64_t columns = std::min(block_columns, n - first), panels = (columns + nr - 1) / nr;
    auto* packed = reinterpret_cast<Word*>(scratch(Scratch::kPackedB, static_cast<std::size_t>(panels * nr * k_words)));
    // Runs of k, all panels of each: rows of b are read once, along memory.
    std::int64_t runs = (k + kPackRun - 1) / kPackRun;
    parallel_for(0, runs, std::max<std::int64_t>(1, 32768 / (kPackRun * nr * panels)),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (auto run = begin; run < end; ++run) {
                     std::int64_t p = run * kPackRun;
                     auto depth = static_cast<int>(std::min(kPackRun, k - p));
                     for (std::int64_t q = 0; q < panels; ++q)
                       words.f.pack_b(packed + q * nr * k_words + p / Words::kPerWord * nr,
                                      b.data + p * b.row + (first + q * nr) * b.col, b.row, b.col, depth,
                                      static_cast<int>(std::min(nr, columns - q * nr)));
                   }
                 });

    // Tasks are blocks of rows by groups of panels.  Where a lies right as it is, outputs of few rows are cut by
    // columns first: thin row blocks would stream all of b past too little work.  Where it must be gathered, columns
    // come last: every group gathers anew.
    std::int64_t rows = std::min(kBlockRows / mr * mr, round_up(m, mr)), group = panels;
    auto enough = [&] { return ((m + rows - 1) / rows) * ((panels + group - 1) / group) >= kEnoughTasks; };
    if (Words::lies_right(a))
      while (!enough() && group > 8) group = (group + 1) / 2;
    while (!enough() && rows > 4 * mr) rows = round_up(rows / 2, mr);
    while (!enough() && group > 2) group = (group + 1) / 2;
    std::int64_t row_blocks = (m + rows - 1) / rows;
    std::int64_t groups = (panels + group - 1) / group;
    parallel_for(0, row_blocks * groups, 1, [&](std::int64_t begin, std::int64_t end) {
      for (auto task = begin; task < end; ++task) {
        std::int64_t i = task / groups * rows, j = task % groups * group * nr;
        auto task_rows = static_cast<int>(std::min(rows, m - i));
        auto task_columns = static_cast<int>(std::min(group * nr, columns - j));
        for (std::int64_t p = 0; p < k; p += kDepth) {
          auto depth = static_cast<int>(std::min(kDepth, k - p));
          std::int64_t depth_words = (depth + Words::kPerWord - 1) / Words::kPerWord;
          const float* from = a.data + i * a.row + p * a.col;
          auto multiply = [&](const Word* block, std::ptrdiff_t strip, std::ptrdiff_t a_row, std::ptrdiff_t a_col) {
            words.f.multiply(c + i * c_row + (first + j) * c_col, c_row, c_col, block, strip, a_row, a_col,
                             packed + j * k_words + p / Words::kPerWord * nr, nr * k_words, task_rows, task_columns,
                             static_cast<int>(depth_words), accumulate || p > 0);
          };
          if constexpr (Words::kPerWord == 1) {
            if (Words::lies_right(a)) {
              multiply(from, mr * a.row, a.row, 1);
              continue;
            }
          }
          auto* copy = reinterpret_cast<Word*>(
              scratch(Scratch::kPackedA, static_cast<std::size_t>(round_up(task_rows, mr) * depth_words)));
          words.f.pack_a(copy, from, a.row, a.col, task_rows, depth);
          bool in_rows = a.col == 1;  // and not in strips of mr
          multiply(copy, mr * depth_words, in_rows ? depth_words : 1, in_rows ? 1 : mr);
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
          bool accumulate, Factors factors) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    if (!accumulate)
      for (std::int64_t i = 0; i < m; ++i) std::fill_n(c + i * c_row, n, 0.0f);
    return;
  }
  // Where both factors must be packed, the narrow one had better be the one that is packed whole.
  bool swapped = a.col != 1 && m < n;
  std::ptrdiff_t c_col = 1;
  if (swapped) {
    std::swap(a, b);
    std::swap(m, n);
    std::swap(c_row, c_col);
    a = a.transposed(), b = b.transposed();
  }
  if (factors == Factors::kBf16 && rounds_to_bf16())
    product(Bf16Words{*kernels().bf16}, c, c_row, c_col, a, b, m, n, k, accumulate);
  else
    product(F32Words{kernels()}, c, c_row, c_col, a, b, m, n, k, accumulate);
}

bool rounds_to_bf16() { return kernels().bf16 != nullptr; }

}  // namespace facet::train::cpu
