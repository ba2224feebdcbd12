// stats.h: the statistics of a report.  Windows of a text are the sampling unit: tokens inside one are not independent.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace facet {

// Standard error of the weighted mean of cluster means (ratio estimator); 0 for fewer than two clusters.
double clustered_stderr(std::span<const double> means, std::span<const double> weights);

// The share-quantile of values (nearest rank, values are reordered); 0 when empty.
double quantile(std::vector<double>& values, double share);

struct Interval {
  double low, high;
};
// Percentile bootstrap of a statistic of resampled cluster indices: statistic(indices) with indices drawn with
// replacement from 0..n-1. Seeded; 95 %.  Resampling all arms by the same indices makes the interval a paired one.
Interval bootstrap(int n, const std::function<double(std::span<const int>)>& statistic, int resamples = 2000,
                   std::uint64_t seed = 1);

// Exact two-sided McNemar test on discordant pairs: b items only the first got right, c only the second.
double mcnemar_p(int b, int c);

}  // namespace facet
