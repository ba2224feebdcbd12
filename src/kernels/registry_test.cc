#include "kernels/registry.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>

namespace facet::kernels {
namespace {

// Sets FACET_ISA for one scope.
class ForcedIsa {
 public:
  explicit ForcedIsa(const char* isa) {
    if (const char* old = std::getenv("FACET_ISA")) old_ = old;
    setenv("FACET_ISA", isa, 1);
  }
  ~ForcedIsa() { old_.empty() ? unsetenv("FACET_ISA") : setenv("FACET_ISA", old_.c_str(), 1); }

 private:
  std::string old_;
};

TEST(Registry, RefIsFirstAndChoiceIsBest) {
  const auto tables = runnable();
  ASSERT_FALSE(tables.empty());
  EXPECT_EQ(tables.front(), &kRef);
  const ForcedIsa none("");
  EXPECT_EQ(*choose(), tables.back());
}

TEST(Registry, EveryRunnableNameCanBeForced) {
  for (const Table* t : runnable()) {
    const ForcedIsa forced(t->name);
    EXPECT_EQ(*choose(), t);
    EXPECT_EQ(*choose(t->name), t);
    EXPECT_TRUE(describe_choice().starts_with(std::string(t->name) + " (FACET_ISA)"));
  }
}

TEST(Registry, UnknownOrMissingNamesAreErrors) {
  for (const char* isa : {"sse9", "AVX2", "ref "}) {
    const ForcedIsa forced(isa);
    const Status status = choose().status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_TRUE(status.message().find(isa) != std::string::npos) << status.message();
    EXPECT_TRUE(status.message().starts_with("FACET_ISA: ")) << status.message();
  }
  if (!detect_cpu().avx_vnni) {
    EXPECT_EQ(choose("avx_vnni").status().code(), Code::kInvalidArgument);
  }
  if (!detect_cpu().avx512_vnni) {
    EXPECT_EQ(choose("avx512_vnni").status().code(), Code::kInvalidArgument);
  }
}

// An independent witness: the compiler's own detection, or the CPU's registers.
#if defined(__x86_64__)
TEST(Registry, DetectionAgreesWithTheCompiler) {
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  EXPECT_EQ(detect_cpu().avx2, avx2);
  EXPECT_EQ(detect_cpu().avx512_vnni, avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                                          __builtin_cpu_supports("avx512vnni"));
#if !defined(__clang__)  // g++ knows the name from version 11 on
  EXPECT_EQ(detect_cpu().avx_vnni, avx2 && __builtin_cpu_supports("avxvnni"));
#endif
}
#elif defined(__aarch64__) && defined(__linux__)
std::uint64_t field(std::uint64_t id_register, int bit) { return id_register >> bit & 15; }
TEST(Registry, DetectionAgreesWithTheIdRegisters) {
  std::uint64_t isar0, isar1;  // Linux lets programs read them
  asm("mrs %0, ID_AA64ISAR0_EL1" : "=r"(isar0));
  asm("mrs %0, ID_AA64ISAR1_EL1" : "=r"(isar1));
  EXPECT_EQ(detect_cpu().neon_dot, field(isar0, 44) != 0);
  EXPECT_EQ(detect_cpu().neon_i8mm, field(isar0, 44) != 0 && field(isar1, 52) != 0);
}
#endif

}  // namespace
}  // namespace facet::kernels
