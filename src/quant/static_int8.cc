#include "quant/static_int8.h"

#include <algorithm>

#include "base/check.h"
#include "quant/row_int.h"

// The arithmetic is that of a group of 8-bit weights: one definition serves both.
namespace facet {

void quantize_static_int8(std::span<const float> x, float scale, std::span<std::int8_t> codes) {
  quantize_group(x, scale, 8, codes);
}

void fake_quantize_static_int8(std::span<const float> x, float scale, std::span<float> y) {
  FACET_CHECK(y.size() == x.size(), "one output per input");
  if (scale == 0.0f) {
    if (y.data() != x.data()) std::copy(x.begin(), x.end(), y.begin());
    return;
  }
  fake_quantize_group(x, scale, 8, y);
}

double fake_quantize_static_int8_backward(std::span<const float> x, float scale, std::span<const float> grad,
                                          std::span<float> dx) {
  if (scale == 0.0f) {
    FACET_CHECK(dx.size() == grad.size(), "one gradient per input");
    if (dx.data() != grad.data()) std::copy(grad.begin(), grad.end(), dx.begin());
    return 0.0;
  }
  return fake_quantize_group_backward(x, scale, 8, grad, dx);
}

}  // namespace facet
