// The AVX-VNNI target: the AVX2 one, but for dot products of bytes.  Intel's CPUs without AVX-512 have it, from Alder
// Lake on.  As x86_avx2/avx2.cc, whose first comment holds here too.
#if defined(FACET_EMULATED)  // the tests build it once more in emulation, for machines without AVX-VNNI
#include "kernels/x86_avx_vnni/emulated_intrinsics-inl.h"
#else
#include <immintrin.h>
#endif

#include "kernels/table.h"

#define FACET_INLINE inline __attribute__((always_inline))
#define FACET_NOINLINE __attribute__((noinline))  // compiled once, not once per weight type
// What was stored is loaded again: keeps g++ from giving its registers to sums that are needed once per block.
#define FACET_KEEP_IN_MEMORY asm volatile("" ::: "memory")
#define FACET_UNROLL_REST  // the last few columns stay a loop
#define FACET_INLINE_LAMBDA __attribute__((always_inline))

namespace facet::kernels {
namespace avx_vnni {
namespace {

// Each builds on those before it.
// clang-format off
#include "kernels/generic/x86_256-inl.h"
#include "kernels/x86_avx2/vec-inl.h"
#include "kernels/x86_avx_vnni/vec-inl.h"
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
#include "kernels/generic/int_matmul-inl.h"
// clang-format on

}  // namespace
}  // namespace avx_vnni

#if defined(FACET_EMULATED)
extern const Table kAvxVnniEmulated;
constinit const Table kAvxVnniEmulated = {
    .name = "avx_vnni (emulated)",
    .needs = {},
#else
constinit const Table kAvxVnni = {
    .name = "avx_vnni",
    .needs = {.avx_vnni = true},
#endif
#define FACET_TARGET avx_vnni
#include "kernels/generic/table_entries-inl.h"
};

}  // namespace facet::kernels
