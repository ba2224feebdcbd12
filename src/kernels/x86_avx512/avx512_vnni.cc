// The AVX-512 target: F, BW, DQ, VL and VNNI.  As x86_avx2/avx2.cc, whose first comment holds here too.
#if defined(FACET_SIMDE)  // the tests build it once more in emulation, for machines without AVX-512
#include "kernels/x86_avx512/simde_intrinsics.h"
#else
#include <immintrin.h>
#endif

#include "kernels/table.h"

// acc + what the instruction makes of a and b: left to itself g++ 12 copies the sum first.
#if defined(FACET_SIMDE)
#define FACET_ADD_IN_PLACE(instruction, intrinsic, acc, a, b) intrinsic(acc, a, b)
#else
#define FACET_ADD_IN_PLACE(instruction, intrinsic, acc, a, b)     \
  ({                                                              \
    asm(#instruction " %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b)); \
    acc;                                                          \
  })
#endif

#define FACET_INLINE inline __attribute__((always_inline))
#define FACET_NOINLINE __attribute__((noinline))  // compiled once, not once per weight type
// What was stored is loaded again: keeps g++ from giving its registers to sums that are needed once per block.
#define FACET_KEEP_IN_MEMORY asm volatile("" ::: "memory")
#define FACET_UNROLL_REST  // the last few columns stay a loop
#define FACET_INLINE_LAMBDA __attribute__((always_inline))

namespace facet::kernels {
namespace avx512 {
namespace {

// Each builds on those before it.
// clang-format off
#include "kernels/generic/x86_256-inl.h"
#include "kernels/x86_avx512/vec-inl.h"
#include "kernels/generic/vnni_dots-inl.h"
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
#include "kernels/x86_avx512/eight_rows-inl.h"
#include "kernels/generic/int_matmul-inl.h"
// clang-format on

}  // namespace
}  // namespace avx512

#if defined(FACET_SIMDE)
extern const Table kAvx512Emulated;
constinit const Table kAvx512Emulated = {
    .name = "avx512_vnni (emulated)",
    .needs = {},
#else
constinit const Table kAvx512Vnni = {
    .name = "avx512_vnni",
    .needs = {.avx512_vnni = true},
#endif
#define FACET_TARGET avx512
#include "kernels/generic/table_entries-inl.h"
};

}  // namespace facet::kernels
