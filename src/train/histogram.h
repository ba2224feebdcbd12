// histogram.h: the distribution of |x| at one activation site, order-independent and mergeable by addition.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <span>

namespace facet::train {

// Bins are equal steps of log2|x|: 64 per octave from 2^-24 to 2^16, so a percentile is known within 1.1 %.
class LogHistogram {
 public:
  static constexpr int kPerOctave = 64, kMinExponent = -24, kOctaves = 40, kBins = kPerOctave * kOctaves;

  void add(std::span<const float> values) {
    for (float v : values) {
      // The exponent and the top 6 bits of the mantissa: linear inside an octave, which is close enough to equal steps.
      std::uint32_t bits = std::bit_cast<std::uint32_t>(v) & 0x7fffffffu;
      int bin = static_cast<int>(bits >> 17) - ((127 + kMinExponent) << 6);
      ++counts_[bin < 0 ? 0 : bin >= kBins ? kBins - 1 : bin];
    }
    total_ += values.size();
  }
  // The upper edge of the bin where the given share of all values is reached; 0 when empty.
  float percentile(double share) const {
    if (total_ == 0) return 0;
    auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(total_));
    std::uint64_t seen = 0;
    for (int bin = 0; bin < kBins; ++bin)
      if ((seen += counts_[bin]) > wanted || seen == total_)
        return std::bit_cast<float>(static_cast<std::uint32_t>(bin + 1 + ((127 + kMinExponent) << 6)) << 17);
    return 0;
  }
  std::uint64_t total() const { return total_; }
  std::array<std::uint64_t, kBins>& counts() { return counts_; }  // for merging over processes and saving
  void recount() {
    total_ = 0;
    for (auto c : counts_) total_ += c;
  }

 private:
  std::array<std::uint64_t, kBins> counts_{};
  std::uint64_t total_ = 0;
};

}  // namespace facet::train
