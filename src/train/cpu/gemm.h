// gemm.h: products of f32 matrices on the CPU, split over parallel_for.
// Why ours and not BLAS: OpenBLAS's own threads fight parallel_for's, it changes the order of its sums with the
// number of threads, and it runs generic kernels on CPUs younger than itself.
#pragma once

#include <cstddef>
#include <cstdint>

namespace facet::train::cpu {

// A matrix as it lies: element (i, j) at data[i * row + j * col], one of row and col is 1.
struct Operand {
  const float* data;
  std::ptrdiff_t row, col;
  Operand transposed() const { return {data, col, row}; }
};

// What a product does to its factors: nothing, or round them to bfloat16 (sums stay f32).
enum class Factors { kF32, kBf16 };

// c[m, n] (rows c_row apart) = or += a[m, k] b[k, n].  c overlaps neither.  Same bits for any number of threads.
// kBf16 where rounds_to_bf16() is false multiplies the factors as they are: round them first.
void gemm(float* c, std::ptrdiff_t c_row, Operand a, Operand b, std::int64_t m, std::int64_t n, std::int64_t k,
          bool accumulate, Factors factors = Factors::kF32);

// Whether the chosen kernels multiply bfloat16 by themselves, twice as fast as f32 (VDPBF16PS).
bool rounds_to_bf16();

// Working memory of the calling thread, aligned to 64 bytes, kept for its next use.  slot: uses that live together
// differ.
enum class Scratch { kPackedA, kPackedB, kAttention, kRow, kCount };
float* scratch(Scratch slot, std::size_t n_floats);

}  // namespace facet::train::cpu
