#include "train/ops_aten.h"

#include <cmath>
#include <limits>

namespace facet::train::aten {

using torch::Tensor;

Tensor linear(const Tensor& x, const Tensor& weight, torch::Dtype compute) {
  if (compute == x.scalar_type()) return torch::matmul(x, weight.t());
  return torch::matmul(x.to(compute), weight.to(compute).t()).to(x.scalar_type());
}

Tensor rms_norm(const Tensor& x, const Tensor& weight, double eps) {
  Tensor y = x * torch::rsqrt(x.square().mean(-1, /*keepdim=*/true) + eps);
  return weight.defined() ? y * weight : y;
}

Tensor add_rms_norm(const Tensor& residual, const Tensor& x, const Tensor& weight, double eps, const Tensor& scale) {
  Tensor y = residual + aten::rms_norm(x, weight, eps);
  return scale.defined() ? y * scale : y;
}

Tensor rms_norm_rope(const Tensor& x, const Tensor& weight, double eps, const Tensor& cos, const Tensor& sin) {
  Tensor y = aten::rms_norm(x, weight, eps);
  std::int64_t half = x.size(-1) / 2;
  Tensor a = y.slice(-1, 0, half), b = y.slice(-1, half);
  Tensor c = cos.unsqueeze(1), s = sin.unsqueeze(1);  // [T, 1, C/2]
  return torch::cat({a * c - b * s, b * c + a * s}, -1);
}

Tensor gelu_mul(const Tensor& gate, const Tensor& up) {
  Tensor u = (gate + 0.044715 * gate.pow(3)) * std::sqrt(2.0 / M_PI);
  return 0.5 * gate * (1.0 + torch::tanh(u)) * up;
}

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, std::int64_t window) {
  std::int64_t tokens = q.size(1), group = q.size(2) / k.size(2);
  auto heads_first = [&](const Tensor& t) { return t.permute({0, 2, 1, 3}); };  // [B, heads, T, C]
  Tensor keys = heads_first(k).repeat_interleave(group, 1), values = heads_first(v).repeat_interleave(group, 1);
  Tensor position = torch::arange(tokens, torch::TensorOptions().device(q.device()));
  Tensor distance = position.unsqueeze(1) - position.unsqueeze(0);
  Tensor hidden = distance < 0;
  if (window > 0) hidden = hidden | (distance >= window);
  Tensor scores = torch::matmul(heads_first(q), keys.transpose(-1, -2));
  Tensor probs = torch::softmax(scores.masked_fill(hidden, -std::numeric_limits<double>::infinity()), -1);
  return heads_first(torch::matmul(probs, values));
}

}  // namespace facet::train::aten
