// registry.h: which instruction sets this machine can run, and the one in use.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "facet/status.h"
#include "kernels/table.h"

namespace facet::kernels {

CpuFeatures detect_cpu();  // asks CPUID and XGETBV, or the kernel (HWCAP); no such instruction is executed
// Tables this CPU can run, slowest first; ref is always there.
std::vector<const Table*> runnable();
// The best runnable table, or the one FACET_ISA names ("ref" "avx2" "avx_vnni" "avx512_vnni" "neon_dot" "neon_i8mm");
// kInvalidArgument when that name is unknown or the CPU lacks it.  Chosen once per call: keep the pointer.
Result<const Table*> choose();
Result<const Table*> choose(std::string_view isa);
std::string describe_choice();  // for `facet info`

}  // namespace facet::kernels
