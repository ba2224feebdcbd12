// The trainer's kernels for avx512 with bfloat16 products (VDPBF16PS); flags: cmake/FacetTorch.cmake.
#if defined(__x86_64__)
#define FACET_LANES 16
#define FACET_MR 12
#define FACET_TARGET kAvx512Bf16
#define FACET_TARGET_NAME "avx512_bf16"
#define FACET_BF16
#include "train/cpu/kernels-inl.h"
#endif
