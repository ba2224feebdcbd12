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

// Codes of one byte, low bits first; int8 is two's complement, the others have an offset.
template <int kBits>
struct Field {
  static constexpr std::size_t kPerByte = 8 / kBits;
  static constexpr int kMask = (1 << kBits) - 1, kOffset = kBits == 8 ? 0 : -int_range(kBits).min;
};

template <int kBits>
void pack(std::span<const std::int8_t> codes, std::span<std::byte> packed) {
  using F = Field<kBits>;
  for (std::size_t j = 0; j < packed.size(); ++j) {
    unsigned byte = 0;
    for (std::size_t i = 0; i < F::kPerByte; ++i) {
      const std::size_t k = j * F::kPerByte + i;
      const int code = k < codes.size() ? codes[k] : 0;
      byte |= static_cast<unsigned>((code + F::kOffset) & F::kMask) << (kBits * i);
    }
    packed[j] = static_cast<std::byte>(byte);
  }
}

template <int kBits>
void unpack(std::span<const std::byte> packed, std::span<std::int8_t> codes) {
  using F = Field<kBits>;
  const std::size_t whole = codes.size() / F::kPerByte;
  const auto field = [&](std::size_t j, std::size_t i) {
    return static_cast<std::int8_t>((std::to_integer<int>(packed[j]) >> (kBits * i) & F::kMask) - F::kOffset);
  };
  for (std::size_t j = 0; j < whole; ++j)
    for (std::size_t i = 0; i < F::kPerByte; ++i) codes[j * F::kPerByte + i] = field(j, i);
  for (std::size_t k = whole * F::kPerByte; k < codes.size(); ++k) codes[k] = field(whole, k - whole * F::kPerByte);
}

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
  if (bits == 8) pack<8>(codes, packed);
  if (bits == 4) pack<4>(codes, packed);
  if (bits == 2) pack<2>(codes, packed);
}

void unpack_codes(std::span<const std::byte> packed, int bits, std::span<std::int8_t> codes) {
  FACET_CHECK(is_bits(bits) && packed.size() == (codes.size() * bits + 7) / 8, "ceil(n * bits / 8) bytes");
  if (bits == 8) unpack<8>(packed, codes);
  if (bits == 4) unpack<4>(packed, codes);
  if (bits == 2) unpack<2>(packed, codes);
}

}  // namespace facet
