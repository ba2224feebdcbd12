#include "ptq/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/rng.h"

namespace facet {
namespace {

TEST(MagnitudeHistogram, PercentilesOfNormalValues) {
  Rng rng(1);
  std::vector<float> x(200000);
  for (float& v : x) v = 3.0f * rng.normal();
  MagnitudeHistogram h;
  h.add(std::span(x).first(1000));
  h.add(std::span(x).subspan(1000));
  std::vector<float> sorted;
  for (float v : x) sorted.push_back(std::fabs(v));
  std::sort(sorted.begin(), sorted.end());
  for (double percent : {50.0, 99.0, 99.9, 99.99}) {
    const float exact = sorted[static_cast<std::size_t>(percent / 100 * 200000) - 1];
    EXPECT_GE(h.percentile(percent), exact);
    EXPECT_LE(h.percentile(percent), exact * 1.016f);
  }
  EXPECT_EQ(h.percentile(100), sorted.back());
  EXPECT_EQ(h.largest(), sorted.back());
  EXPECT_EQ(h.total(), x.size());
}

TEST(MagnitudeHistogram, ExtremesStayInside) {
  MagnitudeHistogram h;
  EXPECT_EQ(h.percentile(99.99), 0.0f);
  h.add(std::vector<float>{0.0f, -0.0f});
  EXPECT_EQ(h.percentile(99.99), 0.0f);
  h.add(std::vector<float>{1e-30f, -1e30f});
  EXPECT_EQ(h.largest(), 1e30f);
  h.add(std::vector<float>{-std::numeric_limits<float>::infinity()});
  EXPECT_FALSE(std::isfinite(h.largest()));
  h.add(std::vector<float>{std::numeric_limits<float>::quiet_NaN()});
  EXPECT_TRUE(std::isnan(h.largest()));
}

}  // namespace
}  // namespace facet
