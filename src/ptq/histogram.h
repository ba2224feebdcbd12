// histogram.h: the distribution of |x| at one activation site, whatever the order the values come in.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <span>

namespace facet {

// Bins are equal steps inside each octave, 64 of them, from 2^-24 to 2^16: a percentile is known within 1.6 %.
class MagnitudeHistogram {
 public:
  static constexpr int kPerOctaveLog2 = 6, kMinExponent = -24, kOctaves = 40, kBins = kOctaves << kPerOctaveLog2;

  void add(std::span<const float> values) {
    for (float v : values) {
      const std::uint32_t bits = std::bit_cast<std::uint32_t>(v) & 0x7fffffffu;
      const int bin = static_cast<int>(bits >> kShift) - kFirst;
      ++counts_[bin < 0 ? 0 : bin >= kBins ? kBins - 1 : bin];
      largest_bits_ =
          bits > largest_bits_ ? bits : largest_bits_;  // as integers: NaN and infinity are the largest of all
    }
    total_ += values.size();
  }
  // The upper edge of the bin where `percent` of all values is reached, at most the largest value; 0 when empty.
  float percentile(double percent) const {
    const auto wanted = static_cast<std::uint64_t>(percent / 100.0 * static_cast<double>(total_));
    std::uint64_t seen = 0;
    for (int bin = 0; bin < kBins; ++bin) {
      seen += counts_[bin];
      if (seen < wanted || seen == 0) continue;
      const float edge = std::bit_cast<float>(static_cast<std::uint32_t>(bin + 1 + kFirst) << kShift);
      return edge < largest() ? edge : largest();
    }
    return largest();
  }
  float largest() const { return std::bit_cast<float>(largest_bits_); }
  std::uint64_t total() const { return total_; }

 private:
  static constexpr int kShift = 23 - kPerOctaveLog2, kFirst = (127 + kMinExponent) << kPerOctaveLog2;
  std::array<std::uint64_t, kBins> counts_{};
  std::uint64_t total_ = 0;
  std::uint32_t largest_bits_ = 0;
};

}  // namespace facet
