// The trainer's kernels for avx512; flags: cmake/FacetTorch.cmake.
#if defined(__x86_64__)
#define FACET_LANES 16
#define FACET_MR 12
#define FACET_TARGET kAvx512
#define FACET_TARGET_NAME "avx512"
#include "train/cpu/kernels-inl.h"
#endif
