#include "base/process.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <vector>

namespace facet {
namespace {

TEST(Process, PeakRssGrowsWithTouchedMemoryAndNeverShrinks) {
  constexpr std::size_t kBytes = std::size_t{64} << 20;
  std::uint64_t before = peak_rss_bytes();
  ASSERT_GT(before, 0u);
  {
    std::vector<char> memory(kBytes, 1);
    ASSERT_EQ(memory[kBytes / 2], 1);
  }
  std::uint64_t after = peak_rss_bytes();
  EXPECT_GT(after, kBytes);
  EXPECT_GE(peak_rss_bytes(), after);
}

TEST(Process, ChildReturnsItsResultAndKeepsItsMemoryToItself) {
  const std::uint64_t before = peak_rss_bytes();
  const Result<std::uint64_t> child_peak = run_in_child<std::uint64_t>([]() -> Result<std::uint64_t> {
    std::vector<char> memory(std::size_t{96} << 20, 1);
    return memory[5] == 1 ? peak_rss_bytes() : 0;
  });
  ASSERT_TRUE(child_peak.ok()) << child_peak.status().message();
  EXPECT_GT(*child_peak, std::uint64_t{96} << 20);
  EXPECT_LT(peak_rss_bytes(), before + (std::uint64_t{32} << 20));
}

TEST(Process, ChildReportsErrorsAndDeath) {
  const Result<int> error = run_in_child<int>([]() -> Result<int> { return corrupt("a broken file"); });
  EXPECT_EQ(error.status().code(), Code::kCorrupt);
  EXPECT_EQ(error.status().message(), "a broken file");
  const Result<int> death = run_in_child<int>([]() -> Result<int> { std::_Exit(3); });
  EXPECT_EQ(death.status().code(), Code::kNoResources);
}

TEST(Process, ResidentBytesSeeMemoryOfOurOwn) {
  const ResidentBytes before = resident_bytes();
  std::vector<char> memory(std::size_t{64} << 20, 1);
  EXPECT_GE(resident_bytes().anonymous, before.anonymous + (std::size_t{60} << 20));
  EXPECT_EQ(memory[77], 1);
}

}  // namespace
}  // namespace facet
