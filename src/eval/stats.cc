#include "eval/stats.h"

#include <algorithm>
#include <cmath>

#include "base/rng.h"

namespace facet {

double clustered_stderr(std::span<const double> means, std::span<const double> weights) {
  std::size_t n = means.size();
  if (n < 2) return 0;
  double total = 0, mean = 0, square = 0;
  for (std::size_t i = 0; i < n; ++i) {
    total += weights[i];
    mean += weights[i] * means[i];
  }
  mean /= total;
  for (std::size_t i = 0; i < n; ++i) {
    double d = weights[i] * (means[i] - mean);
    square += d * d;
  }
  return std::sqrt(square * double(n) / double(n - 1)) / total;
}

double quantile(std::vector<double>& values, double share) {
  if (values.empty()) return 0;
  auto rank = static_cast<std::size_t>(std::ceil(share * double(values.size())));
  rank = std::clamp<std::size_t>(rank, 1, values.size()) - 1;
  std::nth_element(values.begin(), values.begin() + std::ptrdiff_t(rank), values.end());
  return values[rank];
}

Interval bootstrap(int n, const std::function<double(std::span<const int>)>& statistic, int resamples,
                   std::uint64_t seed) {
  Rng rng(seed);
  std::vector<int> indices(static_cast<std::size_t>(n));
  std::vector<double> values;
  for (int r = 0; r < resamples; ++r) {
    for (int& i : indices) i = static_cast<int>(rng.below(static_cast<std::uint32_t>(n)));
    values.push_back(statistic(indices));
  }
  return {quantile(values, 0.025), quantile(values, 0.975)};
}

double mcnemar_p(int b, int c) {
  int n = b + c, k = std::min(b, c);
  if (n == 0) return 1;
  double sum = 0;
  for (int i = 0; i <= k; ++i)
    sum += std::exp(std::lgamma(n + 1.0) - std::lgamma(i + 1.0) - std::lgamma(n - i + 1.0) - n * std::log(2.0));
  return std::min(1.0, 2 * sum);
}

}  // namespace facet
