// Baseline code: runs on any CPU of the architecture, before anything wider is chosen.
#include "kernels/registry.h"

#if defined(FACET_HAVE_X86)
#include <cpuid.h>
#elif defined(FACET_HAVE_ARM) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace facet::kernels {

#if defined(FACET_HAVE_X86)
namespace {

struct CpuidLeaf {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};
CpuidLeaf cpuid(unsigned leaf, unsigned subleaf = 0) {
  CpuidLeaf r;
  if (__get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx) == 0) return {};
  return r;
}

// The register states that the OS saves and restores.  Call only when CPUID says OSXSAVE.
std::uint64_t enabled_states() {
  unsigned low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));  // the intrinsic would need -mxsave
  return std::uint64_t{high} << 32 | low;
}

bool all(std::uint64_t word, std::initializer_list<int> bits) {
  for (int bit : bits)
    if ((word >> bit & 1) == 0) return false;
  return true;
}

// Zen 5 (all of family 0x1a): 1.0 to 1.24 times the speed of rows far apart; on Zen 3 and a Xeon with AMX 0.65 to 1.1
// (bench/results/2026-11-27-zen5-2-cores.md, -zen3-2-cores.md).
bool is_zen5() {
  const CpuidLeaf vendor = cpuid(0), one = cpuid(1);
  const bool amd = vendor.ebx == 0x68747541 && vendor.edx == 0x69746e65 && vendor.ecx == 0x444d4163;  // AuthenticAMD
  const unsigned base = one.eax >> 8 & 0xf, extended = one.eax >> 20 & 0xff;
  return amd && base == 0xf && base + extended == 0x1a;
}

}  // namespace

bool reads_neighbours = is_zen5();

// Bit numbers: Intel SDM volume 2A, CPUID, leaves 1 and 7; volume 1, 13.3 for XCR0.
CpuFeatures detect_cpu() {
  CpuFeatures found;
  const CpuidLeaf one = cpuid(1), seven = cpuid(7);
  const bool fma = all(one.ecx, {12}), f16c = all(one.ecx, {29}), osxsave = all(one.ecx, {27}),
             avx = all(one.ecx, {28});
  if (!osxsave || !avx) return found;
  const std::uint64_t states = enabled_states();
  const bool ymm = all(states, {1, 2}), zmm = ymm && all(states, {5, 6, 7});
  found.avx2 = ymm && fma && f16c && all(seven.ebx, {5});
  found.avx_vnni = found.avx2 && seven.eax >= 1 && all(cpuid(7, 1).eax, {4});
  const bool f_dq_bw_vl = all(seven.ebx, {16, 17, 30, 31}), vnni = all(seven.ecx, {11});
  found.avx512_vnni = found.avx2 && zmm && f_dq_bw_vl && vnni;
  return found;
}
#elif defined(FACET_HAVE_ARM) && defined(__linux__)
bool reads_neighbours = false;  // Arm's kernels have a way of their own

CpuFeatures detect_cpu() {
  CpuFeatures found;
  found.neon_dot = (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
  found.neon_i8mm = found.neon_dot && (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0;
  return found;
}
#else
bool reads_neighbours = false;

CpuFeatures detect_cpu() { return {}; }
#endif

}  // namespace facet::kernels
