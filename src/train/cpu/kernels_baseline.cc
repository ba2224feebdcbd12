// The trainer's kernels for any CPU this was compiled for; flags: cmake/FacetTorch.cmake.
#define FACET_LANES 4
#define FACET_MR 4
#define FACET_TARGET kBaseline
#define FACET_TARGET_NAME "baseline"
#include "train/cpu/kernels-inl.h"
