// The trainer's kernels for avx2; flags: cmake/FacetTorch.cmake.
#if defined(__x86_64__)
#define FACET_LANES 8
#define FACET_MR 6
#define FACET_TARGET kAvx2
#define FACET_TARGET_NAME "avx2"
#include "train/cpu/kernels-inl.h"
#endif
