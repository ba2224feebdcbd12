// The target of Armv8.6 with the matrix product of bytes, SMMLA, and SDOT.  As neon_dot.cc, whose first comment holds
// here too; only products for several tokens differ.
#include <arm_neon.h>

#include "kernels/table.h"

#define FACET_INLINE inline __attribute__((always_inline))
#define FACET_NOINLINE __attribute__((noinline))  // compiled once, not once per weight type
// What was stored is loaded again: keeps g++ from mixing one step's work with the next one's, and running out of
// registers.
#define FACET_KEEP_IN_MEMORY asm volatile("" ::: "memory")
// Where the last few columns index their sums by variables, g++ stores pairs of registers in the main loop too.
#define FACET_UNROLL_REST _Pragma("GCC unroll 4")
#define FACET_INLINE_LAMBDA __attribute__((always_inline))

namespace facet::kernels {
namespace neon_i8mm {
namespace {

// Each builds on those before it.
// clang-format off
#include "kernels/arm_neon/vec-inl.h"
#include "kernels/arm_neon/codes-inl.h"
#include "kernels/generic/elements-inl.h"
#include "kernels/generic/math-inl.h"
#include "kernels/generic/elementwise-inl.h"
#include "kernels/generic/float_attention-inl.h"
#include "kernels/arm_neon/q8_attention-inl.h"
#include "kernels/generic/attention-inl.h"
#include "kernels/generic/side_by_side-inl.h"
#include "kernels/generic/float_matmul-inl.h"
#include "kernels/generic/digits-inl.h"
#include "kernels/arm_neon/int_matvec-inl.h"
#include "kernels/arm_neon/mmla_cells-inl.h"
#include "kernels/arm_neon/int_tile-inl.h"
#include "kernels/generic/int_matmul-inl.h"
// clang-format on

}  // namespace
}  // namespace neon_i8mm

constinit const Table kNeonI8mm = {
    .name = "neon_i8mm",
    .needs = {.neon_i8mm = true},
#define FACET_TARGET neon_i8mm
#include "kernels/generic/table_entries-inl.h"
};

}  // namespace facet::kernels
