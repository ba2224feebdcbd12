// tested_tables.h: which instruction sets tests and fuzzers go through.  Tests only.
#pragma once

#include <vector>

#include "kernels/registry.h"

namespace facet::kernels {

#if defined(FACET_HAVE_X86)
extern const Table kAvxVnniEmulated;
extern const Table kAvx512Emulated;
#endif

// All that this CPU runs, ref included, and the emulated AVX-VNNI and AVX-512.
inline std::vector<const Table*> tested_tables() {
  std::vector<const Table*> tables = runnable();
#if defined(FACET_HAVE_X86)
  if (detect_cpu().avx2) {  // which is what emulation runs on
    tables.push_back(&kAvxVnniEmulated);
    tables.push_back(&kAvx512Emulated);
  }
#endif
  return tables;
}

}  // namespace facet::kernels
