#include "train/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/rng.h"

namespace facet::train {
namespace {

TEST(LogHistogram, PercentilesOfANormalSample) {
  Rng rng(1);
  std::vector<float> values(100000);
  for (float& v : values) v = 3.0f * rng.normal();
  LogHistogram histogram;
  histogram.add(values);
  for (float& v : values) v = std::abs(v);
  std::sort(values.begin(), values.end());
  for (double share : {0.5, 0.9, 0.99, 0.999}) {
    float exact = values[static_cast<std::size_t>(share * values.size())];
    EXPECT_NEAR(histogram.percentile(share), exact, 0.02 * exact) << share;
    EXPECT_GE(histogram.percentile(share), exact * 0.999f);  // never below: clipping more than asked would surprise
  }
  EXPECT_EQ(histogram.percentile(1.0), histogram.percentile(0.99999999));
}

TEST(LogHistogram, MergesByAddition) {
  LogHistogram a, b;
  a.add(std::vector<float>{1, -2, 0, 1e-30f});
  b.add(std::vector<float>{100, 1e30f});
  for (int i = 0; i < LogHistogram::kBins; ++i) a.counts()[i] += b.counts()[i];
  a.recount();
  EXPECT_EQ(a.total(), 6u);
  EXPECT_EQ(LogHistogram().percentile(0.5), 0.0f);
}

}  // namespace
}  // namespace facet::train
