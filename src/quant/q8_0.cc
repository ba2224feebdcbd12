#include "quant/q8_0.h"

#include <cmath>
#include <string>

#include "base/check.h"
#include "quant/blocks.h"

namespace facet {

constexpr std::size_t kN = Q8_0Block::kWeights;

Status encode_row(std::span<const float> w, std::span<Q8_0Block> out) {
  if (w.size() != out.size() * kN)
    return invalid_argument("q8_0: " + std::to_string(w.size()) + " weights for " + std::to_string(out.size()) +
                            " blocks of 32; the row length must be a multiple of 32");
  FACET_TRY(check_block_weights(w, kQ8_0MaxWeight, "q8_0"));
  for (std::size_t b = 0; b < out.size(); ++b) {
    const float* x = w.data() + b * kN;
    float absmax = 0.0f;
    for (std::size_t i = 0; i < kN; ++i) absmax = std::fabs(x[i]) > absmax ? std::fabs(x[i]) : absmax;
    const float scale = absmax / 127.0f;
    const float reciprocal =
        1.0f / scale;  // infinite at zero, and where ggml's code is undefined: the stored scale is 0
    const float factor = std::isinf(reciprocal) ? 0.0f : reciprocal;
    out[b].scale = to_half(scale);
    for (std::size_t i = 0; i < kN; ++i) out[b].codes[i] = static_cast<std::int8_t>(std::round(x[i] * factor));
  }
  return {};
}

void decode_row(std::span<const Q8_0Block> in, std::span<float> w) noexcept {
  FACET_CHECK(w.size() == in.size() * kN, "32 weights per block");
  for (std::size_t b = 0; b < in.size(); ++b) {
    const float scale = to_float(in[b].scale);
    for (std::size_t i = 0; i < kN; ++i) w[b * kN + i] = static_cast<float>(in[b].codes[i]) * scale;
  }
}

}  // namespace facet
