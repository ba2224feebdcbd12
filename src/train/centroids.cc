#include "train/centroids.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "base/rng.h"
#include "train/torch.h"

namespace facet::train {
namespace {

using torch::Tensor;

// A row's nearest means among those with room.
constexpr std::int64_t kNearest = 16;

struct Candidates {
  Tensor distance, cluster;  // [n, m] f32 and int64, nearest first
};

// Squared distances less |row|^2, which is the same for every mean.
Candidates nearest(const Tensor& rows, const Tensor& means, const Tensor& full) {
  const std::int64_t m = std::min(kNearest, means.size(0));
  const Tensor norms = means.square().sum(-1).masked_fill(full, std::numeric_limits<float>::infinity());
  std::vector<Tensor> distance, cluster;
  const std::int64_t piece = std::max<std::int64_t>(1, (std::int64_t{1} << 22) / means.size(0));
  for (std::int64_t at = 0; at < rows.size(0); at += piece) {
    const Tensor d = norms - 2 * torch::matmul(rows.slice(0, at, std::min(at + piece, rows.size(0))), means.t());
    auto [values, indices] = d.topk(m, -1, /*largest=*/false, /*sorted=*/true);
    distance.push_back(values);
    cluster.push_back(indices);
  }
  return {torch::cat(distance), torch::cat(cluster)};
}

// The cluster of each row, every cluster filled to `size`.
std::vector<int> assign(const Tensor& table, const Tensor& means, std::int64_t size) {
  const std::int64_t n_clusters = means.size(0);
  std::vector<int> out(static_cast<std::size_t>(table.size(0)), -1);
  std::vector<std::int64_t> room(static_cast<std::size_t>(n_clusters), size);
  Tensor full = torch::zeros({n_clusters}, torch::kBool);
  std::vector<std::int64_t> open(out.size());
  std::iota(open.begin(), open.end(), 0);
  while (!open.empty()) {
    const Tensor index = torch::tensor(open, torch::kInt64);
    const Candidates c = nearest(table.index_select(0, index), means, full);
    const std::int64_t m = c.cluster.size(1);
    const float* distance = c.distance.data_ptr<float>();
    const std::int64_t* cluster = c.cluster.data_ptr<std::int64_t>();
    auto regret = [&](std::size_t i) {
      const float* d = distance + static_cast<std::int64_t>(i) * m;
      return m > 1 ? d[1] - d[0] : 0.0f;
    };
    std::vector<std::size_t> order(open.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return regret(a) > regret(b); });
    std::vector<std::int64_t> left;
    for (std::size_t i : order) {
      const std::int64_t* mine = cluster + static_cast<std::int64_t>(i) * m;
      const std::int64_t* found =
          std::find_if(mine, mine + m, [&](std::int64_t k) { return room[static_cast<std::size_t>(k)] > 0; });
      if (found == mine + m) {
        left.push_back(open[i]);
        continue;
      }
      out[static_cast<std::size_t>(open[i])] = static_cast<int>(*found);
      if (--room[static_cast<std::size_t>(*found)] == 0) full[*found] = true;
    }
    std::sort(left.begin(), left.end());
    open = std::move(left);
  }
  return out;
}

Tensor means_of(const Tensor& table, const std::vector<int>& cluster_of, std::int64_t n_clusters, std::int64_t size) {
  const Tensor index = torch::tensor(std::vector<std::int64_t>(cluster_of.begin(), cluster_of.end()), torch::kInt64);
  return torch::zeros({n_clusters, table.size(1)}).index_add_(0, index, table) / static_cast<double>(size);
}

}  // namespace

Clusters balanced_clusters(std::span<const float> table, std::int64_t width, int n_clusters, std::uint64_t seed,
                           int rounds) {
  torch::NoGradGuard no_grad;
  const auto n = static_cast<std::int64_t>(table.size()) / width;
  FACET_CHECK(n_clusters > 0 && n % n_clusters == 0, "clusters of one size");
  const std::int64_t size = n / n_clusters;
  Tensor rows = torch::empty({n, width});
  std::memcpy(rows.data_ptr<float>(), table.data(), table.size_bytes());

  std::vector<std::int64_t> shuffled(static_cast<std::size_t>(n));
  std::iota(shuffled.begin(), shuffled.end(), 0);
  Rng rng(seed, 0);
  for (std::size_t i = 0; i < static_cast<std::size_t>(n_clusters); ++i)
    std::swap(shuffled[i], shuffled[i + rng.below(static_cast<std::uint32_t>(shuffled.size() - i))]);
  shuffled.resize(static_cast<std::size_t>(n_clusters));
  Tensor means = rows.index_select(0, torch::tensor(shuffled, torch::kInt64));
  std::vector<int> cluster_of;
  for (int round = 0; round < rounds; ++round) {
    std::vector<int> next = assign(rows, means, size);
    if (next == cluster_of) break;
    cluster_of = std::move(next);
    means = means_of(rows, cluster_of, n_clusters, size);
  }

  Clusters out;
  out.ordering.resize(static_cast<std::size_t>(n));
  std::iota(out.ordering.begin(), out.ordering.end(), 0);
  std::stable_sort(out.ordering.begin(), out.ordering.end(), [&](int a, int b) {
    return cluster_of[static_cast<std::size_t>(a)] < cluster_of[static_cast<std::size_t>(b)];
  });
  out.means = facet::Tensor::zeros(DType::kF32, {n_clusters, width});
  means = means.contiguous();
  std::memcpy(out.means.bytes.data(), means.data_ptr<float>(), out.means.bytes.size());
  return out;
}

}  // namespace facet::train
