#include "base/process.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace facet
