// centroids.h: a vocabulary cut into clusters of one size, for the ordered heads of drafters.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace facet::train {

struct Clusters {
  std::vector<int> ordering;  // [V]: rows, cluster after cluster, ascending within each
  Tensor means;               // f32 [n_clusters, D]
};
// k-means over rows with clusters that all have V / n_clusters rows (which n_clusters divides).  table: [V, D].  In
// each round rows go to the nearest mean that has room, those first that would lose most by going elsewhere.  Seeded;
// the same on every number of threads.
Clusters balanced_clusters(std::span<const float> table, std::int64_t width, int n_clusters, std::uint64_t seed,
                           int rounds = 12);

}  // namespace facet::train
