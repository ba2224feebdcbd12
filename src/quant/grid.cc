#include "quant/grid.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "base/half.h"

namespace facet {
namespace {

constexpr float kScaleOfZeros = 1e-8f;
constexpr int kMostLevels = 128;  // of 8-bit codes
constexpr int kMostTries = 16;    // scales of one precision

// Of a number >= 0; not a call of the math library, for this is the loop of a conversion.
inline int nearest(double v) { return static_cast<int>(v + 0.5); }

float round_to(DType stored, double value) {
  // Through f32: code * scale has at most 32 significant bits, and the f32 product is what decoding computes.
  const auto v = static_cast<float>(value);
  switch (stored) {
    case DType::kBF16:
      return to_float(to_bfloat16(v));
    case DType::kF16:
      return to_float(to_half(v));
    default:
      return v;
  }
}

// The numbers that may have been rounded to `magnitude` >= 0, ends included: half way to its neighbours.
struct Interval {
  double low, high;
};
Interval origins(DType stored, float magnitude) {
  const auto bits = std::bit_cast<std::uint32_t>(magnitude);
  switch (stored) {
    case DType::kBF16:
      return {std::bit_cast<float>(bits - 0x8000u), std::bit_cast<float>(bits + 0x8000u)};
    case DType::kF16: {
      const std::uint16_t half = to_half(magnitude).bits;
      auto neighbour = [](int h) { return double{to_float(Half{static_cast<std::uint16_t>(h)})}; };
      return {(neighbour(half - 1) + magnitude) / 2, (neighbour(half + 1) + magnitude) / 2};
    }
    default:
      return {(double{std::bit_cast<float>(bits - 1)} + magnitude) / 2,
              (double{std::bit_cast<float>(bits + 1)} + magnitude) / 2};
  }
}

// What decides about a group: the different magnitudes in it, ascending, and the largest of either sign.
class Levels {
 public:
  // False: a value is not finite, or some lie closer together than levels 1..most of any grid do.
  bool collect(std::span<const float> w, int most, DType stored) {
    // Side by side, so that a compiler makes vectors of it: a maximum of floats is no sum that it may put in another
    // order.
    constexpr std::size_t kLanes = 8;
    std::array<float, kLanes> positives{}, negatives{};
    std::array<std::uint32_t, kLanes> largest_bits{}, zero_bits{}, positive_zero_bits{};
    auto look = [&](std::size_t lane, float v) {
      const auto bits = std::bit_cast<std::uint32_t>(v), magnitude = bits & 0x7fffffffu;
      positives[lane] = positives[lane] < v ? v : positives[lane];
      negatives[lane] = negatives[lane] < -v ? -v : negatives[lane];
      largest_bits[lane] = largest_bits[lane] < magnitude ? magnitude : largest_bits[lane];
      zero_bits[lane] |= magnitude == 0;
      positive_zero_bits[lane] |= bits == 0;
    };
    std::size_t at = 0;
    for (; at + kLanes <= w.size(); at += kLanes)
      for (std::size_t lane = 0; lane < kLanes; ++lane) look(lane, w[at + lane]);
    for (std::size_t lane = 0; at < w.size(); ++at, ++lane) look(lane, w[at]);
    constexpr std::uint32_t kInfinity = 0x7f800000u;  // and NaN above it
    if (std::ranges::max(largest_bits) >= kInfinity) return false;
    const float positive = std::ranges::max(positives), negative = std::ranges::max(negatives);
    const bool zero = std::ranges::max(zero_bits) != 0, positive_zero = std::ranges::max(positive_zero_bits) != 0;
    largest_positive_ = positive;
    largest_negative_ = negative;
    zeros_negative_ = zero && !positive_zero;
    const float largest = std::max(positive, negative);
    if (largest == 0) return true;
    // Levels k / m of the largest, m <= most, are at least 1 / most apart: four places.  What is stored is off by at
    // most half a place for each of the two.
    const int n_places = kPlacesOfALevel * most;
    const float raise = largest < 0x1p-100f ? 0x1p64f : 1.0f;  // a quotient by less would be infinite
    const float places_of_one = static_cast<float>(n_places) / (largest * raise);
    std::array<std::uint64_t, kPlaces / 64 + 1> taken{};  // bits: places that hold a value
    bool crowded = false;
    constexpr std::size_t kAtOnce = 32;
    for (std::size_t first = 0; first < w.size(); first += kAtOnce) {
      const auto some = w.subspan(first, std::min(kAtOnce, w.size() - first));
      std::array<int, kAtOnce> index;
      for (std::size_t i = 0; i < some.size(); ++i)
        index[i] = static_cast<int>(std::fabs(some[i]) * raise * places_of_one + 0.5f);
      for (std::size_t i = 0; i < some.size(); ++i) {
        const float a = std::fabs(some[i]);
        float& place = places_[static_cast<std::size_t>(index[i])];
        std::uint64_t& word = taken[static_cast<std::size_t>(index[i]) / 64];
        const std::uint64_t bit = std::uint64_t{1} << (index[i] % 64);
        crowded |= (word & bit) != 0 && place != a;
        word |= bit;
        place = a;
      }
    }
    if (crowded) return false;
    for (std::size_t word = 0; word <= static_cast<std::size_t>(n_places) / 64; ++word)
      for (std::uint64_t bits = taken[word]; bits != 0; bits &= bits - 1) {
        const float value = places_[word * 64 + static_cast<std::size_t>(std::countr_zero(bits))];
        if (value == 0) continue;
        if (n_ == most) return false;
        values_[n_] = value;
        origins_[n_++] = origins(stored, value);
      }
    return true;
  }
  std::span<const float> values() const { return std::span(values_).first(n_); }
  const Interval& origins_of(int i) const { return origins_[i]; }  // of values()[i]
  float largest_positive() const { return largest_positive_; }
  float largest_negative() const { return largest_negative_; }
  bool zeros_are_negative() const { return zeros_negative_; }

 private:
  static constexpr int kPlacesOfALevel = 4, kPlaces = kPlacesOfALevel * kMostLevels + 1;
  std::array<float, kPlaces> places_;
  std::array<float, kMostLevels> values_;
  std::array<Interval, kMostLevels> origins_;
  int n_ = 0;
  float largest_positive_ = 0, largest_negative_ = 0;
  bool zeros_negative_ = false;
};

// 1 / code.
constexpr auto kInverse = [] {
  std::array<double, kMostLevels + 1> out{};
  for (int code = 1; code <= kMostLevels; ++code) out[code] = 1.0 / code;
  return out;
}();

// Scales that make `peak` of the largest magnitude and whole numbers of the others; a hair more, for the ends may serve
// and products by an inverse are rounded.  Whoever takes one looks whether it gives the values back.
std::optional<Interval> scales_for(const Levels& levels, int peak) {
  constexpr double kLess = 1 - 1e-15, kMore = 1 + 1e-15;
  const int last = static_cast<int>(levels.values().size()) - 1;
  const Interval& top = levels.origins_of(last);
  Interval scale{top.low * kInverse[peak] * kLess, top.high * kInverse[peak] * kMore};
  // Small codes follow from any of these scales; large ones want those that the small ones have left.
  constexpr int kSmall = 16;
  double per_code = 2 / (scale.low + scale.high);
  for (int i = 0; i < last; ++i) {
    if (peak > kSmall) per_code = 2 / (scale.low + scale.high);
    const int code = nearest(levels.values()[i] * per_code);
    if (code == 0 || code > kMostLevels) return std::nullopt;
    scale.low = std::max(scale.low, levels.origins_of(i).low * kInverse[code] * kLess);
    scale.high = std::min(scale.high, levels.origins_of(i).high * kInverse[code] * kMore);
    if (scale.low > scale.high) return std::nullopt;
  }
  return scale;
}

bool gives_back(float scale, std::span<const float> levels, DType stored) {
  const double per_code = 1 / double{scale};
  return std::all_of(levels.begin(), levels.end(),
                     [&](float level) { return round_to(stored, nearest(level * per_code) * double{scale}) == level; });
}

// 2^n for n in [-1022, 1023].
double power_of_two(int n) { return std::bit_cast<double>(static_cast<std::uint64_t>(1023 + n) << 52); }

// The number of fewest significant bits between the bounds that gives back all levels; of several, next to the middle.
std::optional<float> simplest_scale(Interval in, std::span<const float> levels, DType stored, GridFormat::Scale type) {
  constexpr double kLargestHalf = 65504;
  constexpr int kLeastHalfPlace = -24, kLeastFloatPlace = -149;
  const bool half = type == GridFormat::Scale::kHalf;
  if (half) in.high = std::min(in.high, kLargestHalf);
  if (in.low > in.high) return std::nullopt;
  // The bounds in units of the last place that a scale can have.
  const int exponent = static_cast<int>(std::bit_cast<std::uint64_t>(in.high) >> 52) - 1023;
  const int place = std::max(exponent - (half ? 10 : 23), half ? kLeastHalfPlace : kLeastFloatPlace);
  const double unit = power_of_two(place);
  auto low = static_cast<std::int64_t>(in.low / unit);
  low += static_cast<double>(low) * unit < in.low;
  const auto high = static_cast<std::int64_t>(in.high / unit), middle = (low + high) / 2;
  if (low > high) return std::nullopt;
  for (int zeros = half ? 11 : 24; zeros >= 0; --zeros) {  // at the end of the number
    const std::int64_t first = (low + (std::int64_t{1} << zeros) - 1) >> zeros, last = high >> zeros;
    if (first > last) continue;
    // All but the ends of the interval serve, so a few tries are enough.
    const std::int64_t centre = std::clamp(middle >> zeros, first, last);
    for (std::int64_t away = 0; away <= std::min<std::int64_t>(last - first, kMostTries); ++away)
      for (const std::int64_t at : {centre + away, centre - away}) {
        if (at < first || at > last || at <= 0) continue;
        const auto scale = static_cast<float>(static_cast<double>(at << zeros) * unit);
        if (gives_back(scale, levels, stored)) return scale;
      }
  }
  return std::nullopt;
}

}  // namespace

std::optional<float> grid_scale(std::span<const float> w, DType stored, const GridFormat& format) {
  FACET_CHECK(is_float(stored) && format.min == -format.max - 1, "floats, and codes of two's complement");
  Levels levels;
  if (!levels.collect(w, -format.min, stored)) return std::nullopt;
  const bool half = format.scale == GridFormat::Scale::kHalf;
  const float preferred_sign = format.either_sign && levels.zeros_are_negative() ? -1.0f : 1.0f;
  if (levels.values().empty()) return half ? preferred_sign * 0.0f : kScaleOfZeros;
  for (int peak = 1; peak <= -format.min; ++peak) {
    const auto scales = scales_for(levels, peak);
    if (!scales) continue;
    const auto scale = simplest_scale(*scales, levels.values(), stored, format.scale);
    if (!scale) continue;
    // A code of |min| is on one side only: of the sign that the scale does not have.
    auto fits = [&](float sign) {
      const float on_max_side = sign > 0 ? levels.largest_positive() : levels.largest_negative();
      return nearest(on_max_side / *scale) <= format.max;
    };
    if (fits(preferred_sign)) return preferred_sign * *scale;
    if (format.either_sign && fits(-preferred_sign)) return -preferred_sign * *scale;
  }
  return std::nullopt;
}

bool recover_block(std::span<const float> w, DType stored, Q4_0Block& out) {
  FACET_CHECK(w.size() == Q4_0Block::kWeights, "a block");
  const std::optional<float> scale = grid_scale(w, stored, kQ4_0Grid);
  if (!scale) return false;
  out.scale = to_half(*scale);
  auto code = [&](int i) { return *scale == 0 ? 8 : nearest(w[i] / *scale + 8); };
  for (int i = 0; i < Q4_0Block::kWeights / 2; ++i)
    out.codes[i] = static_cast<std::uint8_t>(code(i) | code(i + Q4_0Block::kWeights / 2) << 4);
  return true;
}

}  // namespace facet
