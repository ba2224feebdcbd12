#include "train/cpu/kernels.h"

#include <cstdlib>
#include <string_view>

namespace facet::train::cpu {
namespace {

const Kernels& choose() {
  [[maybe_unused]] const char* name = std::getenv("FACET_ISA");
#if defined(__x86_64__)
  std::string_view wanted = name == nullptr ? "" : name;
  if (wanted == "ref" || wanted == "baseline") return kBaseline;
  // The builtin asks the operating system too (XGETBV).
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && wanted != "avx2") return kAvx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return kAvx2;
#endif
  return kBaseline;
}

}  // namespace

const Kernels& kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

}  // namespace facet::train::cpu
