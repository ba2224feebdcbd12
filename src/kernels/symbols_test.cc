// Objects compiled for wide instruction sets must not offer the linker anything but their table: a weak symbol from one
// of them may replace the copy that every CPU runs (FBGEMM#46, numpy#25274).
#include <gtest/gtest.h>

#include <cstdio>
#include <sstream>
#include <string>

namespace {

std::string symbols_of(const std::string& object) {
  const std::string command = std::string(FACET_NM) + " -C '" + object + "'";
  std::FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return "";
  std::string text;
  char buffer[4096];
  while (const std::size_t n = std::fread(buffer, 1, sizeof(buffer), pipe)) text.append(buffer, n);
  return pclose(pipe) == 0 ? text : "";
}

void expect_one_external(const std::string& object, const std::string& table) {
  const std::string text = symbols_of(object);
  int n_tables = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.size() < 20) continue;  // "address type name"
    const char type = line[17];
    const std::string name = line.substr(19);
    // Local symbols are lower case, U is what the object wants from others; W V w v u are weak or unique.
    if (type == 'R' || type == 'D') {
      EXPECT_EQ(name, table) << object;
      ++n_tables;
    } else {
      EXPECT_NE(std::string("Urbtdn").find(type), std::string::npos) << object << ": " << line;
    }
  }
  EXPECT_EQ(n_tables, 1) << object << "\n" << text;
}

#if defined(FACET_HAVE_X86)
TEST(Symbols, Avx2ShowsOnlyItsTable) { expect_one_external(FACET_UNOPTIMIZED_AVX2, "facet::kernels::kAvx2"); }
TEST(Symbols, AvxVnniShowsOnlyItsTable) { expect_one_external(FACET_UNOPTIMIZED_AVX_VNNI, "facet::kernels::kAvxVnni"); }
TEST(Symbols, Avx512ShowsOnlyItsTable) {
  expect_one_external(FACET_UNOPTIMIZED_AVX512_VNNI, "facet::kernels::kAvx512Vnni");
}
#elif defined(FACET_HAVE_ARM)
TEST(Symbols, NeonDotShowsOnlyItsTable) { expect_one_external(FACET_UNOPTIMIZED_NEON_DOT, "facet::kernels::kNeonDot"); }
TEST(Symbols, NeonI8mmShowsOnlyItsTable) {
  expect_one_external(FACET_UNOPTIMIZED_NEON_I8MM, "facet::kernels::kNeonI8mm");
}
#endif

}  // namespace
