#include "train/cpu/kernels.h"

#include <cstdlib>
#include <string_view>

namespace facet::train::cpu {
namespace {

const Kernels& choose() {
  const Kernels* targets[kMaxTargets];
  int n = runnable_kernels(targets);
  const char* name = std::getenv("FACET_ISA");
  if (name == nullptr) return *targets[n - 1];
  std::string_view wanted = name;
  if (wanted == "ref") return *targets[0];
  for (int i = n - 1; i > 0; --i)
    if (wanted.substr(0, std::string_view(targets[i]->name).size()) == targets[i]->name) return *targets[i];
  return *targets[wanted == kBaseline.name ? 0 : n - 1];
}

}  // namespace

int runnable_kernels(const Kernels* out[kMaxTargets]) {
  int n = 0;
  out[n++] = &kBaseline;
#if defined(__x86_64__)
  // The builtin asks the operating system too (XGETBV).
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) out[n++] = &kAvx2;
  if (n == 2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) out[n++] = &kAvx512;
  if (n == 3 && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512bf16")) out[n++] = &kAvx512Bf16;
#endif
  return n;
}

const Kernels& kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

}  // namespace facet::train::cpu
