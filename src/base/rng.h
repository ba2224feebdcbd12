// rng.h: counter-based random numbers (Philox 4x32-10: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
// 2011). A draw is a pure function of (seed, stream, counter), so results do not depend on threads, and resuming is
// storing a counter.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

namespace facet {

inline std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    std::uint64_t a = std::uint64_t{0xD2511F53u} * counter[0];
    std::uint64_t b = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {std::uint32_t(b >> 32) ^ counter[1] ^ key[0], std::uint32_t(b),
               std::uint32_t(a >> 32) ^ counter[3] ^ key[1], std::uint32_t(a)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

// A sequence of draws.  `stream` separates purposes under one seed; position() and seek() save and restore it.
class Rng {
 public:
  explicit Rng(std::uint64_t seed, std::uint64_t stream = 0) : seed_(seed), stream_(stream) {}
  std::uint32_t next_u32() {
    std::uint64_t block = position_ / 4;
    if (position_ % 4 == 0 || !filled_) {
      words_ = philox4x32(
          {std::uint32_t(block), std::uint32_t(block >> 32), std::uint32_t(stream_), std::uint32_t(stream_ >> 32)},
          {std::uint32_t(seed_), std::uint32_t(seed_ >> 32)});
      filled_ = true;
    }
    return words_[position_++ % 4];
  }
  // Uniform in [0, n), n > 0.  Multiply-shift: the bias is below n / 2^32.
  std::uint32_t below(std::uint32_t n) { return std::uint32_t((std::uint64_t(next_u32()) * n) >> 32); }
  // Uniform in [0, 1), 24 bits.
  float uniform() { return float(next_u32() >> 8) * 0x1p-24f; }
  // Standard normal (Box-Muller, one draw kept per pair of uniforms; two draws of next_u32 each).
  float normal() {
    float u = (float(next_u32() >> 8) + 0.5f) * 0x1p-24f, v = uniform();
    return std::sqrt(-2.0f * std::log(u)) * std::cos(6.28318530718f * v);
  }
  std::uint64_t position() const { return position_; }
  void seek(std::uint64_t position) {
    position_ = position;
    filled_ = false;
  }

 private:
  std::uint64_t seed_, stream_, position_ = 0;
  std::array<std::uint32_t, 4> words_{};
  bool filled_ = false;
};

}  // namespace facet
