#include "eval/stats.h"

#include <gtest/gtest.h>

#include <cmath>

namespace facet {
namespace {

TEST(Stats, StandardErrorByHand) {
  // Means 1, 2, 3 of equal weight: s = 1, se = 1 / sqrt(3).
  EXPECT_NEAR(clustered_stderr(std::vector<double>{1, 2, 3}, std::vector<double>{5, 5, 5}), 1 / std::sqrt(3.0), 1e-12);
  EXPECT_EQ(clustered_stderr(std::vector<double>{1}, std::vector<double>{5}), 0);
}

TEST(Stats, QuantilesByHand) {
  std::vector<double> v{5, 1, 4, 2, 3};
  EXPECT_EQ(quantile(v, 0.5), 3);
  EXPECT_EQ(quantile(v, 0.999), 5);
  EXPECT_EQ(quantile(v, 0.0), 1);
  std::vector<double> none;
  EXPECT_EQ(quantile(none, 0.5), 0);
}

TEST(Stats, BootstrapOfAMeanMatchesTheNormalInterval) {
  std::vector<double> x;
  for (int i = 0; i < 400; ++i) x.push_back(i % 2);
  Interval i = bootstrap(400, [&](std::span<const int> at) {
    double s = 0;
    for (int a : at) s += x[a];
    return s / double(at.size());
  });
  EXPECT_NEAR(i.low, 0.5 - 1.96 * 0.025, 0.01);
  EXPECT_NEAR(i.high, 0.5 + 1.96 * 0.025, 0.01);
}

TEST(Stats, McNemarExact) {
  EXPECT_DOUBLE_EQ(mcnemar_p(0, 0), 1.0);
  EXPECT_NEAR(mcnemar_p(0, 5), 2.0 / 32, 1e-12);
  EXPECT_NEAR(mcnemar_p(1, 5), 2.0 * 7 / 64, 1e-12);
  EXPECT_DOUBLE_EQ(mcnemar_p(3, 3), 1.0);
}

}  // namespace
}  // namespace facet
