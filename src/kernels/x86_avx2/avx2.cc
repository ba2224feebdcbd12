// The AVX2 target: FMA and F16C too.  Compiled with flags for those (cmake/FacetKernels.cmake), so everything here is
// internal but the table, and nothing inline from elsewhere is called: the linker could hand such a copy to code that
// runs on CPUs without AVX2.  kernels_symbols_test.cc watches over it.
#include <immintrin.h>

#include "kernels/table.h"

#define FACET_INLINE inline __attribute__((always_inline))
#define FACET_NOINLINE __attribute__((noinline))  // compiled once, not once per weight type
// What was stored is loaded again: keeps g++ from giving its registers to sums that are needed once per block.
#define FACET_KEEP_IN_MEMORY asm volatile("" ::: "memory")
#define FACET_UNROLL_REST  // the last few columns stay a loop
#define FACET_INLINE_LAMBDA __attribute__((always_inline))

namespace facet::kernels {
namespace avx2 {
namespace {

// Each builds on those before it.
// clang-format off
#include "kernels/generic/x86_256-inl.h"
#include "kernels/x86_avx2/vec-inl.h"
#include "kernels/x86_avx2/dots-inl.h"
#include "kernels/generic/elements-inl.h"
#include "kernels/generic/math-inl.h"
#include "kernels/generic/elementwise-inl.h"
#include "kernels/generic/float_attention-inl.h"
#include "kernels/generic/int_attention-inl.h"
#include "kernels/generic/attention-inl.h"
#include "kernels/generic/side_by_side-inl.h"
#include "kernels/generic/float_matmul-inl.h"
#include "kernels/generic/digits-inl.h"
#include "kernels/generic/int_tile-inl.h"
#include "kernels/generic/int_matvec-inl.h"
#include "kernels/generic/int_matmul-inl.h"
// clang-format on

}  // namespace
}  // namespace avx2

constinit const Table kAvx2 = {
    .name = "avx2",
    .needs = {.avx2 = true},
#define FACET_TARGET avx2
#include "kernels/generic/table_entries-inl.h"
};

}  // namespace facet::kernels
