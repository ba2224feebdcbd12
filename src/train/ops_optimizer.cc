#include <cmath>
#include <vector>

#include "base/check.h"
#include "train/cpu/kernels.h"
#include "train/ops.h"
#include "train/ops_common.h"

namespace facet::train::ops {

namespace {
constexpr std::int64_t kPieceFloats = 1 << 14;
}

void adamw_step(torch::Tensor& value, const torch::Tensor& grad, torch::Tensor& first, torch::Tensor& second,
                const AdamWStep& step) {
  torch::NoGradGuard no_grad;
  FACET_CHECK(grad.sizes() == value.sizes() && first.sizes() == value.sizes() && second.sizes() == value.sizes(),
              "a parameter, its gradient and its moments have one shape");
  double c1 = 1 - std::pow(step.beta1, static_cast<double>(step.steps));
  double c2 = 1 - std::pow(step.beta2, static_cast<double>(step.steps));
  double decay = 1 - step.lr * step.weight_decay;
  if (!on_fast_path({value, grad, first, second})) {
    torch::Tensor g = step.grad_scale == 1 ? grad : grad * step.grad_scale;
    first.mul_(step.beta1).add_(g, 1 - step.beta1);
    second.mul_(step.beta2).addcmul_(g, g, 1 - step.beta2);
    value.mul_(decay).addcdiv_(first, second.sqrt().mul_(1 / std::sqrt(c2)).add_(step.eps), -step.lr / c1);
    return;
  }
  FACET_CHECK(value.is_contiguous() && first.is_contiguous() && second.is_contiguous(),
              "updated in place, as they lie");
  torch::Tensor g = grad.contiguous();
  cpu::AdamWScalars scalars{
      static_cast<float>(step.beta1),        static_cast<float>(step.beta2),      static_cast<float>(1 - step.beta1),
      static_cast<float>(1 - step.beta2),    static_cast<float>(step.grad_scale), static_cast<float>(step.lr / c1),
      static_cast<float>(1 / std::sqrt(c2)), static_cast<float>(step.eps),        static_cast<float>(decay)};
  for_pieces(value.numel(), kPieceFloats, [&](std::int64_t begin, std::int64_t end) {
    cpu::kernels().adamw(floats(value) + begin, floats(g) + begin, floats(first) + begin, floats(second) + begin,
                         end - begin, &scalars);
  });
}

double global_norm(const std::vector<torch::Tensor>& tensors) {
  double total = 0;
  torch::Tensor elsewhere;  // the sum over tensors without our loops: read once, since reading waits for the device
  for (const torch::Tensor& tensor : tensors) {
    if (tensor.numel() == 0) continue;
    if (!on_fast_path({tensor})) {
      torch::Tensor sum = tensor.detach().to(torch::kFloat64).square().sum();
      elsewhere = elsewhere.defined() ? elsewhere + sum : sum;
      continue;
    }
    torch::Tensor x = tensor.detach().contiguous();
    std::vector<double> partial(static_cast<std::size_t>((x.numel() + kPieceFloats - 1) / kPieceFloats));
    for_pieces(x.numel(), kPieceFloats, [&](std::int64_t begin, std::int64_t end) {
      partial[static_cast<std::size_t>(begin / kPieceFloats)] =
          cpu::kernels().sum_squares(floats(x) + begin, end - begin);
    });
    for (double p : partial) total += p;
  }
  if (elsewhere.defined()) total += elsewhere.item<double>();
  return std::sqrt(total);
}

}  // namespace facet::train::ops
