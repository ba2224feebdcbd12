#include "base/check.h"
#include "train/cpu/gemm.h"
#include "train/ops.h"
#include "train/ops_aten.h"
#include "train/ops_common.h"

namespace facet::train::ops {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// x: [n, k] contiguous, as (i, j) = row i, column j.
cpu::Operand rows_of(const Tensor& x) { return {floats(x), x.size(-1), 1}; }

// A factor as gemm() wants it.
Tensor factor(const Tensor& t, bool bf16) {
  bool round = bf16 && !cpu::rounds_to_bf16();
  return round ? t.detach().to(torch::kBFloat16).to(torch::kFloat32).contiguous() : t.detach().contiguous();
}

cpu::Factors factors(bool bf16) { return bf16 ? cpu::Factors::kBf16 : cpu::Factors::kF32; }

// Saves x and the weights as they were multiplied; the gradients of several weights that read one x add up in one
// buffer.
struct Linears : torch::autograd::Function<Linears> {
  static variable_list forward(AutogradContext* context, const Tensor& x, at::TensorList weights, bool bf16) {
    Tensor input = factor(x, bf16);
    std::int64_t k = x.size(-1), n = x.numel() / std::max<std::int64_t>(k, 1);
    variable_list saved{input}, outputs;
    for (const Tensor& w : weights) {
      FACET_CHECK(w.dim() == 2 && w.size(1) == k, "a linear weight is [out, in]");
      Tensor matrix = factor(w, bf16);
      std::vector<std::int64_t> shape = x.sizes().vec();
      shape.back() = w.size(0);
      Tensor y = torch::empty(shape, x.options().requires_grad(false));
      cpu::gemm(floats(y), w.size(0), rows_of(input), rows_of(matrix).transposed(), n, w.size(0), k, false,
                factors(bf16));
      outputs.push_back(y);
      saved.push_back(matrix);
    }
    context->save_for_backward(saved);
    context->saved_data["bf16"] = bf16;
    context->saved_data["x"] = x.requires_grad();
    c10::List<bool> wanted;
    for (const Tensor& w : weights) wanted.push_back(w.requires_grad());
    context->saved_data["weights"] = wanted;
    return outputs;
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    variable_list saved = context->get_saved_variables();
    bool bf16 = context->saved_data["bf16"].toBool(), wants_x = context->saved_data["x"].toBool();
    auto wants_w = context->saved_data["weights"].toBoolList();
    const Tensor& input = saved[0];
    std::int64_t k = input.size(-1), n = input.numel() / std::max<std::int64_t>(k, 1);
    Tensor dx = wants_x ? torch::empty_like(input) : Tensor();
    variable_list result{dx};
    for (std::size_t i = 0; i < grads.size(); ++i) {
      Tensor dy = factor(grads[i], bf16);
      const Tensor& matrix = saved[i + 1];
      std::int64_t out = matrix.size(0);
      if (wants_x) cpu::gemm(floats(dx), k, rows_of(dy), rows_of(matrix), n, k, out, i > 0, factors(bf16));
      Tensor dw;
      if (wants_w.get(i)) {
        dw = torch::empty_like(matrix);
        cpu::gemm(floats(dw), k, rows_of(dy).transposed(), rows_of(input), out, k, n, false, factors(bf16));
      }
      result.push_back(dw);
    }
    result.emplace_back();
    return result;
  }
};

}  // namespace

std::vector<Tensor> linears(const Tensor& x, const std::vector<Tensor>& weights, torch::Dtype compute) {
  bool fast = on_fast_path({x});
  for (const Tensor& w : weights) fast = fast && on_fast_path({w});
  if (fast) return Linears::apply(x, at::TensorList(weights), compute == torch::kBFloat16);
  std::vector<Tensor> outputs;
  for (const Tensor& w : weights)
    outputs.push_back(aten::linear(x, w, compute == torch::kBFloat16 ? compute : x.scalar_type()));
  return outputs;
}

Tensor linear(const Tensor& x, const Tensor& weight, torch::Dtype compute) { return linears(x, {weight}, compute)[0]; }

}  // namespace facet::train::ops
