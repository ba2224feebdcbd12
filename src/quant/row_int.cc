#include "quant/row_int.h"

#include <cstddef>

#include "base/check.h"
#include "quant/uniform.h"

namespace facet {
namespace {

uniform::Range bounds(int bits) {
  const IntRange r = int_range(bits);
  return {static_cast<float>(r.min), static_cast<float>(r.max)};
}

bool is_bits(int bits) { return bits == 2 || bits == 4 || bits == 8; }

}  // namespace

void quantize_group(std::span<const float> w, float scale, int bits, std::span<std::int8_t> codes) {
  FACET_CHECK(is_bits(bits) && codes.size() == w.size(), "2, 4 or 8 bits; one code per weight");
  FACET_DCHECK(scale > 0.0f, "a scale is positive");
  uniform::quantize(w.data(), w.size(), scale, bounds(bits), codes.data());
}

void dequantize_group(std::span<const std::int8_t> codes, float scale, std::span<float> w) {
  FACET_CHECK(codes.size() == w.size(), "one code per weight");
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(codes[i]) * scale;
}

void fake_quantize_group(std::span<const float> w, float scale, int bits, std::span<float> out) {
  FACET_CHECK(is_bits(bits) && out.size() == w.size(), "2, 4 or 8 bits; one output per weight");
  FACET_DCHECK(scale > 0.0f, "a scale is positive");
  uniform::fake_quantize(w.data(), w.size(), scale, scale, bounds(bits), out.data());
}

double fake_quantize_group_backward(std::span<const float> w, float scale, int bits, std::span<const float> grad,
                                    std::span<float> dw) {
  FACET_CHECK(is_bits(bits) && grad.size() == w.size() && dw.size() == w.size(),
              "2, 4 or 8 bits; one gradient per weight");
  FACET_DCHECK(scale > 0.0f, "a scale is positive");
  return uniform::backward(w.data(), w.size(), scale, bounds(bits), grad.data(), dw.data());
}

void fake_quantize_groups(std::span<const float> w, std::span<const float> scales, int bits, std::span<float> out) {
  if (scales.empty()) return;
  const std::size_t n = w.size() / scales.size();
  FACET_CHECK(n * scales.size() == w.size(), "groups of equal size");
  for (std::size_t g = 0; g < scales.size(); ++g)
    fake_quantize_group(w.subspan(g * n, n), scales[g], bits, out.subspan(g * n, n));
}

void fake_quantize_groups_backward(std::span<const float> w, std::span<const float> scales, int bits,
                                   std::span<const float> grad, std::span<float> dw, std::span<float> dscales) {
  if (scales.empty()) return;
  const std::size_t n = w.size() / scales.size();
  FACET_CHECK(n * scales.size() == w.size() && dscales.size() == scales.size(), "groups of equal size");
  for (std::size_t g = 0; g < scales.size(); ++g)
    dscales[g] = static_cast<float>(fake_quantize_group_backward(w.subspan(g * n, n), scales[g], bits,
                                                                 grad.subspan(g * n, n), dw.subspan(g * n, n)));
}

void pack_codes(std::span<const std::int8_t> codes, int bits, std::span<std::byte> packed) {
  FACET_CHECK(is_bits(bits) && packed.size() == (codes.size() * bits + 7) / 8, "ceil(n * bits / 8) bytes");
  const std::size_t per_byte = 8 / bits;
  const int offset = bits == 8 ? 0 : -int_range(bits).min, mask = (1 << bits) - 1;
  for (std::size_t j = 0; j < packed.size(); ++j) {
    int byte = 0;
    for (std::size_t i = 0; i < per_byte; ++i) {
      const std::size_t k = j * per_byte + i;
      const int code = k < codes.size() ? codes[k] : 0;
      byte |= ((code + offset) & mask) << (bits * i);
    }
    packed[j] = static_cast<std::byte>(byte);
  }
}

void unpack_codes(std::span<const std::byte> packed, int bits, std::span<std::int8_t> codes) {
  FACET_CHECK(is_bits(bits) && packed.size() == (codes.size() * bits + 7) / 8, "ceil(n * bits / 8) bytes");
  const std::size_t per_byte = 8 / bits;
  const int offset = bits == 8 ? 0 : -int_range(bits).min, mask = (1 << bits) - 1;
  for (std::size_t k = 0; k < codes.size(); ++k) {
    const int byte = std::to_integer<int>(packed[k / per_byte]);
    codes[k] = static_cast<std::int8_t>(((byte >> (bits * (k % per_byte))) & mask) - offset);
  }
}

}  // namespace facet
