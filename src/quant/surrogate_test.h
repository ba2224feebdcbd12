// surrogate_test.h: how straight-through gradients are tested: against central differences of the frozen-residual
// surrogate (spec/qat-training.md 1.5), in double.  The region and the rounding residual of each element are those of
// the base point.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

namespace facet {

struct Surrogate {
  enum class Region { kIn, kHigh, kLow };
  double min, max;
  std::vector<Region> regions;
  std::vector<double> residuals;

  Surrogate(std::span<const float> w, double scale, double min_code, double max_code) : min(min_code), max(max_code) {
    for (float x : w) {
      const double v = double(x) / scale;
      regions.push_back(v > max ? Region::kHigh : v < min ? Region::kLow : Region::kIn);
      residuals.push_back(std::nearbyint(v) - v);
    }
  }
  double value(std::size_t i, double w, double scale) const {
    if (regions[i] == Region::kHigh) return scale * max;
    if (regions[i] == Region::kLow) return scale * min;
    return scale * (w / scale + residuals[i]);
  }
  // d(sum of grad * value) / d(scale), and d(value i) / d(w i).
  double scale_gradient(std::span<const float> w, double scale, std::span<const float> grad) const {
    const double h = 1e-6 * scale;
    double sum = 0.0;
    for (std::size_t i = 0; i < w.size(); ++i)
      sum += grad[i] * (value(i, w[i], scale + h) - value(i, w[i], scale - h)) / (2 * h);
    return sum;
  }
  double weight_gradient(std::size_t i, double w, double scale) const {
    const double h = 1e-6 * scale;
    return (value(i, w + h, scale) - value(i, w - h, scale)) / (2 * h);
  }
};

}  // namespace facet
