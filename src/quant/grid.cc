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
constexpr int kMostLevels = 128;  // magnitudes that 8-bit codes have
constexpr int kMostTries = 16;    // scales of one precision

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

// What decides about a group: the magnitudes in it, ascending, and the largest of either sign.
class Levels {
 public:
  // False: a value is not finite, or there are more magnitudes than `most`, so that no grid holds them.
  bool collect(std::span<const float> w, int most) {
    for (float v : w) {
      const float a = std::fabs(v);
      if (a == 0) {
        zeros_negative_ = zeros_negative_ && std::signbit(v);
        has_zero_ = true;
        continue;
      }
      if (v > 0)
        largest_positive_ = std::max(largest_positive_, a);
      else
        largest_negative_ = std::max(largest_negative_, a);
      if (seen(a)) continue;
      if (n_ == most || !(a <= std::numeric_limits<float>::max())) return false;
      values_[n_++] = a;
    }
    std::sort(values_.begin(), values_.begin() + n_);
    return true;
  }
  std::span<const float> values() const { return std::span(values_).first(n_); }
  float largest_positive() const { return largest_positive_; }
  float largest_negative() const { return largest_negative_; }
  bool zeros_are_negative() const { return has_zero_ && zeros_negative_; }

 private:
  // Whether a magnitude is among values_; if not, it gets the next place in the table of them.
  bool seen(float a) {
    const std::uint32_t hash = std::bit_cast<std::uint32_t>(a) * 2654435761u >> 24;
    for (std::uint32_t at = hash;; at = (at + 1) % places_.size()) {
      if (places_[at] == 0) {
        if (n_ < kMostLevels) places_[at] = static_cast<std::uint8_t>(n_ + 1);
        return false;
      }
      if (values_[places_[at] - 1] == a) return true;
    }
  }
  std::array<float, kMostLevels> values_;
  std::array<std::uint8_t, 256> places_{};
  int n_ = 0;
  float largest_positive_ = 0, largest_negative_ = 0;
  bool has_zero_ = false, zeros_negative_ = true;
};

// Scales that make `peak` of the largest magnitude and whole numbers of the others.
std::optional<Interval> scales_for(std::span<const float> levels, DType stored, int peak) {
  const Interval top = origins(stored, levels.back());
  Interval scale{top.low / peak, top.high / peak};
  for (float level : levels.first(levels.size() - 1)) {  // small ones first: they leave no doubt about their codes
    const Interval from = origins(stored, level);
    const double middle = (scale.low + scale.high) / 2, code = std::nearbyint(level / middle);
    if (code == 0) return std::nullopt;
    scale.low = std::max(scale.low, from.low / code);
    scale.high = std::min(scale.high, from.high / code);
    if (scale.low > scale.high) return std::nullopt;
  }
  return scale;
}

bool gives_back(float scale, std::span<const float> levels, DType stored) {
  return std::all_of(levels.begin(), levels.end(), [&](float level) {
    const float code = std::nearbyint(level / scale);
    return round_to(stored, double{code} * scale) == level;
  });
}

// The number of fewest significant bits between the bounds that gives back all levels; of several, next to the middle.
std::optional<float> simplest_scale(Interval in, std::span<const float> levels, DType stored, GridFormat::Scale type) {
  const bool half = type == GridFormat::Scale::kHalf;
  constexpr double kLargestHalf = 65504;
  constexpr int kLeastHalfPlace = -24, kLeastFloatPlace = -149;
  if (half) in.high = std::min(in.high, kLargestHalf);
  const int exponent = std::ilogb(in.high), most_bits = half ? 11 : 24;
  for (int bits = 1; bits <= most_bits; ++bits) {
    const double step = std::ldexp(1.0, std::max(exponent - bits + 1, half ? kLeastHalfPlace : kLeastFloatPlace));
    const auto first = static_cast<std::int64_t>(std::ceil(in.low / step)),
               last = static_cast<std::int64_t>(std::floor(in.high / step));
    if (first > last) continue;
    // All but the ends of the interval serve, so a few tries are enough.
    const auto centre =
        std::clamp(static_cast<std::int64_t>(std::nearbyint((in.low + in.high) / 2 / step)), first, last);
    for (std::int64_t away = 0; away <= std::min<std::int64_t>(last - first, kMostTries); ++away)
      for (const std::int64_t at : {centre + away, centre - away}) {
        if (at < first || at > last || at <= 0) continue;
        const auto scale = static_cast<float>(static_cast<double>(at) * step);
        if (gives_back(scale, levels, stored)) return scale;
      }
  }
  return std::nullopt;
}

}  // namespace

std::optional<float> grid_scale(std::span<const float> w, DType stored, const GridFormat& format) {
  FACET_CHECK(is_float(stored) && format.min == -format.max - 1, "floats, and codes of two's complement");
  Levels levels;
  if (!levels.collect(w, -format.min)) return std::nullopt;
  const bool half = format.scale == GridFormat::Scale::kHalf;
  const float preferred_sign = format.either_sign && levels.zeros_are_negative() ? -1.0f : 1.0f;
  if (levels.values().empty()) return half ? preferred_sign * 0.0f : kScaleOfZeros;
  for (int peak = -format.min; peak >= 1; --peak) {
    const auto scales = scales_for(levels.values(), stored, peak);
    if (!scales) continue;
    const auto scale = simplest_scale(*scales, levels.values(), stored, format.scale);
    if (!scale) continue;
    // A code of |min| is on one side only: of the sign that the scale does not have.
    auto fits = [&](float sign) {
      const float on_max_side = sign > 0 ? levels.largest_positive() : levels.largest_negative();
      return std::nearbyint(on_max_side / *scale) <= format.max;
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
  auto code = [&](int i) { return *scale == 0 ? 8 : static_cast<int>(std::nearbyint(w[i] / *scale)) + 8; };
  for (int i = 0; i < Q4_0Block::kWeights / 2; ++i)
    out.codes[i] = static_cast<std::uint8_t>(code(i) | code(i + Q4_0Block::kWeights / 2) << 4);
  return true;
}

}  // namespace facet
