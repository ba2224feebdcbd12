// The text of the AVX-512 target without its instructions: what the test runs on CPUs that lack them.
#define FACET_LANES 16
#define FACET_MR 12
#define FACET_TARGET kLanes16
#define FACET_TARGET_NAME "lanes16"
#include "train/cpu/kernels-inl.h"
