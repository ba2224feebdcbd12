#include "quant/scale_search.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "base/half.h"
#include "quant/row_int.h"
#include "quant/uniform.h"

namespace facet {
namespace {

// What a group of zeros gets.  Any positive scale serves; the trainer takes its logarithm.
constexpr float kTinyScale = 1e-8f;
struct Group {
  std::span<const float> w, importance;
  uniform::Range range;

  const float* weights_of_error() const { return importance.empty() ? nullptr : importance.data(); }
  // The least-squares scale for the codes that `scale` chooses; 0 when all of them are 0.
  float refit(float scale) const {
    const uniform::Moments m = uniform::moments(w.data(), weights_of_error(), w.size(), scale, range);
    return m.qq > 0.0 ? static_cast<float>(m.wq / m.qq) : 0.0f;
  }
  double error(float scale) const {
    return uniform::squared_error(w.data(), weights_of_error(), w.size(), scale, range);
  }
};

float absmax(std::span<const float> w) {
  float a = 0.0f;
  for (float v : w) a = std::max(a, std::fabs(v));
  return a;
}

// Keeps the best of the scales it is shown, each with its refits.  stored: what the format makes of a scale.
template <typename Stored>
struct Search {
  Search(const Group& g, Stored s) : group(g), stored(s) {}  // Clang 14 deduces Stored from nothing less
  const Group& group;
  Stored stored;
  float best = 0.0f;
  double best_error = std::numeric_limits<double>::infinity();

  bool consider(float scale) {
    scale = stored(scale);
    if (scale == 0.0f || !std::isfinite(scale)) return false;
    const double e = group.error(scale);
    if (!(e < best_error)) return false;
    best = scale;
    best_error = e;
    return true;
  }
  void consider_refit(float scale) {
    scale = stored(scale);
    if (scale != 0.0f && std::isfinite(scale)) consider(group.refit(scale));
  }
  // Alternates refit and requantization from the best scale until the error stops falling.
  void polish() {
    for (int i = 0; i < 8 && best != 0.0f; ++i)
      if (!consider(group.refit(best))) return;
  }
};

}  // namespace

float search_group_scale(std::span<const float> w, int bits, std::span<const float> importance) {
  FACET_CHECK(importance.empty() || importance.size() == w.size(), "one importance per weight");
  const IntRange range = int_range(bits);
  const Group group{w, importance, {static_cast<float>(range.min), static_cast<float>(range.max)}};
  const float a = absmax(w);
  if (!(a > kTinyScale)) return kTinyScale;
  Search search{group, [](float s) { return s; }};
  search.consider(absmax_group_scale(w, bits));
  search.consider(a / -group.range.min);  // exact where the extremum is negative and on the grid
  // Clip ratios, as parts of what lets the extremum reach the largest code.  int2 needs a finer grid (the second
  // divisor), int8 finer steps: there a hundredth of the ratio moves the outer codes by one.
  for (int percent = 100; percent >= 10; percent -= bits == 8 ? 1 : 2) {
    const float clip = a * (static_cast<float>(percent) / 100.0f);
    search.consider_refit(clip / group.range.max);
    if (bits == 2) search.consider_refit(clip / -group.range.min);
  }
  search.polish();
  return search.best > 0.0f ? search.best : absmax_group_scale(w, bits);
}

float absmax_group_scale(std::span<const float> w, int bits) {
  const float levels = bits == 8 ? 127.0f : bits == 4 ? 7.5f : 2.0f;
  return std::max(absmax(w) / levels, kTinyScale);
}

float search_q4_0_scale(std::span<const float> w, std::span<const float> importance) {
  FACET_CHECK(importance.empty() || importance.size() == w.size(), "one importance per weight");
  const Group group{w, importance, {-8.0f, 7.0f}};
  float extremum = 0.0f;
  for (float v : w)
    if (std::fabs(v) > std::fabs(extremum)) extremum = v;
  if (extremum == 0.0f) return 0.0f;
  Search search{group, [](float s) { return to_float(to_half(s)); }};
  search.consider(extremum / -8.0f);
  // The extremum at 6.5 to 12 steps from zero, on the side of code -8 and on that of 7.
  for (int tenths = 65; tenths <= 120; tenths += tenths < 90 ? 1 : 5) {
    search.consider_refit(extremum / (-0.1f * float(tenths)));
    search.consider_refit(extremum / (0.1f * float(tenths)));
  }
  search.polish();
  return search.best;
}

}  // namespace facet
