#include "kernels/registry.h"

#include <cstdlib>

namespace facet::kernels {
namespace {

// Every table of this build, slowest first.
constexpr const Table* kAll[] = {
    &kRef,
#if defined(FACET_HAVE_X86)
    &kAvx2,    &kAvxVnni,  &kAvx512Vnni,
#endif
#if defined(FACET_HAVE_ARM)
    &kNeonDot, &kNeonI8mm,
#endif
};

bool can_run(const CpuFeatures& needs, const CpuFeatures& cpu) {
  return (!needs.avx2 || cpu.avx2) && (!needs.avx_vnni || cpu.avx_vnni) && (!needs.avx512_vnni || cpu.avx512_vnni) &&
         (!needs.neon_dot || cpu.neon_dot) && (!needs.neon_i8mm || cpu.neon_i8mm);
}

std::string names(const std::vector<const Table*>& tables) {
  std::string list;
  for (const Table* t : tables) list += (list.empty() ? "" : ", ") + std::string(t->name);
  return list;
}

const char* forced_isa() {
  const char* isa = std::getenv("FACET_ISA");
  return isa == nullptr || *isa == '\0' ? nullptr : isa;
}

}  // namespace

std::vector<const Table*> runnable() {
  const CpuFeatures cpu = detect_cpu();
  std::vector<const Table*> tables;
  for (const Table* t : kAll)
    if (can_run(t->needs, cpu)) tables.push_back(t);
  return tables;
}

Result<const Table*> choose() {
  if (const char* isa = forced_isa()) {
    Result<const Table*> table = choose(isa);
    return table.ok() ? table : Result<const Table*>(table.status().with_prefix("FACET_ISA"));
  }
  return runnable().back();
}

Result<const Table*> choose(std::string_view isa) {
  const std::vector<const Table*> tables = runnable();
  for (const Table* t : tables)
    if (t->name == isa) return t;
  for (const Table* t : kAll)
    if (t->name == isa)
      return invalid_argument("instruction set '" + std::string(isa) + "' is not offered by this CPU; it can run " +
                              names(tables));
  return invalid_argument("unknown instruction set '" + std::string(isa) + "'; this CPU can run " + names(tables));
}

std::string describe_choice() {
  const Result<const Table*> table = choose();
  if (!table.ok()) return table.status().message();
  return std::string((*table)->name) + (forced_isa() ? " (FACET_ISA)" : " (the best this CPU runs)") +
         "; can run: " + names(runnable());
}

}  // namespace facet::kernels
