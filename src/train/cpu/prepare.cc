#include "train/cpu/prepare.h"

#include <ATen/Parallel.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace facet::train::cpu {

void prepare(int n_threads) {
  at::set_num_threads(n_threads);
#if defined(__GLIBC__)
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 2'000'000'000);
#endif
}

}  // namespace facet::train::cpu
