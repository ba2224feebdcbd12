// static_int8.h: static int8 activations and KV cache of the mobile format ("SRQ"; spec/qat-training.md Q12, Q13).
// y = clamp(round_half_even(x / s), -128, 127) * s with one scale per site; s == 0 means "not quantized": y = x.
#pragma once

#include <cstdint>
#include <span>

namespace facet {

void quantize_static_int8(std::span<const float> x, float scale, std::span<std::int8_t> codes);  // scale > 0
void fake_quantize_static_int8(std::span<const float> x, float scale, std::span<float> y);
// dx = grad inside -128 <= x/s <= 127, else 0.  Returns the gradient of the scale, as fake_quantize_group_backward
// does.
double fake_quantize_static_int8_backward(std::span<const float> x, float scale, std::span<const float> grad,
                                          std::span<float> dx);

}  // namespace facet
