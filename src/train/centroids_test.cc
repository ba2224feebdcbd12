#include "train/centroids.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/rng.h"
#include "train/torch.h"

namespace facet::train {
namespace {

// Rows around a few far points, dealt out in turn.
std::vector<float> planted(int n, int width, int n_points) {
  Rng rng(5, 1);
  std::vector<float> points(static_cast<std::size_t>(n_points * width)), out;
  for (float& x : points) x = 10 * rng.normal();
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < width; ++j)
      out.push_back(points[static_cast<std::size_t>(i % n_points * width + j)] + 0.1f * rng.normal());
  return out;
}

TEST(Centroids, FindWhatBelongsTogether) {
  const std::vector<float> rows = planted(240, 6, 3);
  // A start can leave two means in one heap, so one cluster per heap is asked of the best of a few.
  bool found = false;
  for (std::uint64_t seed = 0; seed < 8 && !found; ++seed) {
    const Clusters c = balanced_clusters(rows, 6, 3, seed);
    found = true;
    for (int k = 0; k < 3; ++k) {
      std::set<int> heaps;
      for (int i = 0; i < 80; ++i) heaps.insert(c.ordering[static_cast<std::size_t>(80 * k + i)] % 3);
      found = found && heaps.size() == 1;
    }
  }
  EXPECT_TRUE(found);
}

TEST(Centroids, AreAPermutationInEqualPartsWithTheirMeans) {
  // More clusters than a row has candidates, and heaps that do not fit them: rows must go elsewhere.
  const int n = 1200, width = 5, n_clusters = 40;
  const std::vector<float> rows = planted(n, width, 7);
  const Clusters c = balanced_clusters(rows, width, n_clusters, 3);
  std::vector<int> sorted = c.ordering;
  std::sort(sorted.begin(), sorted.end());
  for (int i = 0; i < n; ++i) ASSERT_EQ(sorted[static_cast<std::size_t>(i)], i);
  ASSERT_EQ(c.means.shape, (std::vector<std::int64_t>{n_clusters, width}));
  for (int k = 0; k < n_clusters; ++k) {
    const auto first = c.ordering.begin() + 30 * k;
    EXPECT_TRUE(std::is_sorted(first, first + 30)) << k;
    for (int j = 0; j < width; ++j) {
      double sum = 0;
      for (auto row = first; row != first + 30; ++row) sum += rows[static_cast<std::size_t>(*row * width + j)];
      EXPECT_NEAR(c.means.floats()[static_cast<std::size_t>(k * width + j)], sum / 30, 1e-3) << k;
    }
  }
}

TEST(Centroids, DependOnTheSeedAndNotOnThreads) {
  const std::vector<float> rows = planted(600, 4, 9);
  at::set_num_threads(2);
  const Clusters a = balanced_clusters(rows, 4, 12, 1);
  at::set_num_threads(1);
  EXPECT_EQ(a.ordering, balanced_clusters(rows, 4, 12, 1).ordering);
  EXPECT_NE(a.ordering, balanced_clusters(rows, 4, 12, 2).ordering);
}

}  // namespace
}  // namespace facet::train
