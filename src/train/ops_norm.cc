#include <vector>

#include "base/check.h"
#include "train/cpu/gemm.h"
#include "train/cpu/kernels.h"
#include "train/ops.h"
#include "train/ops_aten.h"
#include "train/ops_common.h"

namespace facet::train::ops {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Floats per piece of work; the sums behind a weight's gradient are made per piece (ops_common.h).
constexpr std::int64_t kPieceFloats = 1 << 14;
std::int64_t piece_rows(std::int64_t width) { return std::max<std::int64_t>(1, kPieceFloats / width); }
// A gradient of the weight per piece would cost more than it is worth for long inputs: at most this many partial sums.
constexpr std::int64_t kPartials = 64;
std::int64_t backward_piece(std::int64_t rows, std::int64_t width) {
  return std::max(piece_rows(width), (rows + kPartials - 1) / kPartials);
}

// Function::apply takes no undefined tensors; one without elements stands for "not there".
const Tensor& absent() {
  static const Tensor empty = torch::empty({0});
  return empty;
}
const Tensor& or_absent(const Tensor& t) { return t.defined() ? t : absent(); }
bool is_absent(const Tensor& t) { return t.numel() == 0; }
Tensor contiguous_or_none(const Tensor& t) { return is_absent(t) ? Tensor() : t.detach().contiguous(); }

Tensor sum_partials(const Tensor& partials) { return partials.sum(0); }

struct AddRmsNorm : torch::autograd::Function<AddRmsNorm> {
  // residual, weight and scale may be absent.
  static Tensor forward(AutogradContext* context, const Tensor& residual_in, const Tensor& x_in, const Tensor& weight,
                        double eps, const Tensor& scale) {
    Tensor x = x_in.detach().contiguous();
    Tensor residual = contiguous_or_none(residual_in), w = contiguous_or_none(weight);
    std::int64_t n = x.size(-1), rows = x.numel() / n;
    float s = is_absent(scale) ? 1.0f : *floats(scale);
    Tensor y = torch::empty_like(x), inv = torch::empty({rows}, x.options());
    for_pieces(rows, piece_rows(n), [&](std::int64_t begin, std::int64_t end) {
      const float* r = floats_or_null(residual);
      cpu::kernels().rms_norm(floats(y) + begin * n, floats(inv) + begin, floats(x) + begin * n, floats_or_null(w),
                              r == nullptr ? r : r + begin * n, s, static_cast<int>(n), end - begin,
                              static_cast<float>(eps));
    });
    bool scale_trains = scale.requires_grad();
    context->save_for_backward({x, w, inv, scale_trains ? residual : Tensor()});
    context->saved_data["scale"] = static_cast<double>(s);
    context->saved_data["has_residual"] = residual.defined();
    context->saved_data["weight_trains"] = weight.requires_grad();
    context->saved_data["scale_trains"] = scale_trains;
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    variable_list saved = context->get_saved_variables();
    Tensor g = grads[0].contiguous(), x = saved[0], w = saved[1], inv = saved[2], residual = saved[3];
    auto s = static_cast<float>(context->saved_data["scale"].toDouble());
    bool weight_trains = context->saved_data["weight_trains"].toBool();
    bool scale_trains = context->saved_data["scale_trains"].toBool();
    std::int64_t n = x.size(-1), rows = x.numel() / n, piece = backward_piece(rows, n);
    std::int64_t pieces = (rows + piece - 1) / piece;
    Tensor dx = torch::empty_like(x);
    Tensor dw = weight_trains ? torch::zeros({pieces, n}, x.options()) : Tensor();
    Tensor dscale = scale_trains ? torch::zeros({pieces}, x.options().dtype(torch::kFloat64)) : Tensor();
    for_pieces(rows, piece, [&](std::int64_t begin, std::int64_t end) {
      std::int64_t p = begin / piece;
      cpu::kernels().rms_norm_backward(floats(dx) + begin * n, weight_trains ? floats(dw) + p * n : nullptr,
                                       scale_trains ? dscale.data_ptr<double>() + p : nullptr, floats(g) + begin * n,
                                       floats(x) + begin * n, floats_or_null(w), floats(inv) + begin,
                                       scale_trains ? floats(residual) + begin * n : nullptr, s, static_cast<int>(n),
                                       end - begin);
    });
    Tensor dresidual;
    if (context->saved_data["has_residual"].toBool()) dresidual = s == 1.0f ? g : g * s;
    return {dresidual, dx, weight_trains ? sum_partials(dw) : Tensor(), Tensor(),
            scale_trains ? sum_partials(dscale).to(torch::kFloat32).reshape({1}) : Tensor()};
  }
};

struct RmsNormRope : torch::autograd::Function<RmsNormRope> {
  static Tensor forward(AutogradContext* context, const Tensor& x_in, const Tensor& weight, double eps,
                        const Tensor& cos, const Tensor& sin) {
    Tensor x = x_in.detach().contiguous(), w = contiguous_or_none(weight);
    std::int64_t tokens = x.size(1), heads = x.size(2), c = x.size(3), positions = x.size(0) * tokens;
    FACET_CHECK(cos.is_contiguous() && sin.is_contiguous() && cos.size(0) >= tokens && cos.size(1) * 2 == c,
                "one row of angles per token");
    Tensor y = torch::empty_like(x), inv = torch::empty({positions * heads}, x.options());
    const cpu::Kernels& f = cpu::kernels();
    for_pieces(positions, piece_rows(heads * c), [&](std::int64_t begin, std::int64_t end) {
      for (auto i = begin; i < end; ++i) {
        float* to = floats(y) + i * heads * c;
        f.rms_norm(to, floats(inv) + i * heads, floats(x) + i * heads * c, floats_or_null(w), nullptr, 1.0f,
                   static_cast<int>(c), heads, static_cast<float>(eps));
        f.rope(to, to, floats(cos) + i % tokens * (c / 2), floats(sin) + i % tokens * (c / 2), 1.0f,
               static_cast<int>(c / 2), static_cast<int>(heads));
      }
    });
    context->save_for_backward({x, w, inv, cos, sin});
    context->saved_data["weight_trains"] = weight.requires_grad();
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    variable_list saved = context->get_saved_variables();
    Tensor g = grads[0].contiguous(), x = saved[0], w = saved[1], inv = saved[2], cos = saved[3], sin = saved[4];
    bool weight_trains = context->saved_data["weight_trains"].toBool();
    std::int64_t tokens = x.size(1), heads = x.size(2), c = x.size(3), positions = x.size(0) * tokens;
    std::int64_t piece = backward_piece(positions, heads * c), pieces = (positions + piece - 1) / piece;
    Tensor dx = torch::empty_like(x), dw = weight_trains ? torch::zeros({pieces, c}, x.options()) : Tensor();
    const cpu::Kernels& f = cpu::kernels();
    for_pieces(positions, piece, [&](std::int64_t begin, std::int64_t end) {
      for (auto i = begin; i < end; ++i) {
        float* to = floats(dx) + i * heads * c;
        f.rope(to, floats(g) + i * heads * c, floats(cos) + i % tokens * (c / 2), floats(sin) + i % tokens * (c / 2),
               -1.0f, static_cast<int>(c / 2), static_cast<int>(heads));
        f.rms_norm_backward(to, weight_trains ? floats(dw) + begin / piece * c : nullptr, nullptr, to,
                            floats(x) + i * heads * c, floats_or_null(w), floats(inv) + i * heads, nullptr, 1.0f,
                            static_cast<int>(c), heads);
      }
    });
    return {dx, weight_trains ? sum_partials(dw) : Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

struct GeluMul : torch::autograd::Function<GeluMul> {
  static Tensor forward(AutogradContext* context, const Tensor& gate_in, const Tensor& up_in) {
    Tensor gate = gate_in.detach().contiguous(), up = up_in.detach().contiguous(), y = torch::empty_like(gate);
    for_pieces(gate.numel(), kPieceFloats, [&](std::int64_t begin, std::int64_t end) {
      cpu::kernels().gelu_mul(floats(y) + begin, floats(gate) + begin, floats(up) + begin, end - begin);
    });
    context->save_for_backward({gate, up});
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    variable_list saved = context->get_saved_variables();
    Tensor g = grads[0].contiguous(), gate = saved[0], up = saved[1];
    Tensor dgate = torch::empty_like(gate), dup = torch::empty_like(up);
    for_pieces(gate.numel(), kPieceFloats, [&](std::int64_t begin, std::int64_t end) {
      cpu::kernels().gelu_mul_backward(floats(dgate) + begin, floats(dup) + begin, floats(g) + begin,
                                       floats(gate) + begin, floats(up) + begin, end - begin);
    });
    return {dgate, dup};
  }
};

}  // namespace

Tensor rms_norm(const Tensor& x, const Tensor& weight, double eps) {
  if (!on_fast_path({x, weight}) || x.numel() == 0) return aten::rms_norm(x, weight, eps);
  return AddRmsNorm::apply(absent(), x, or_absent(weight), eps, absent());
}

Tensor add_rms_norm(const Tensor& residual, const Tensor& x, const Tensor& weight, double eps, const Tensor& scale) {
  FACET_CHECK(residual.sizes() == x.sizes(), "residual and update have one shape");
  FACET_CHECK(!scale.defined() || scale.numel() == 1, "one scale");
  if (!on_fast_path({residual, x, weight, scale}) || x.numel() == 0)
    return aten::add_rms_norm(residual, x, weight, eps, scale);
  return AddRmsNorm::apply(residual, x, or_absent(weight), eps, or_absent(scale));
}

Tensor rms_norm_rope(const Tensor& x, const Tensor& weight, double eps, const Tensor& cos, const Tensor& sin) {
  if (!on_fast_path({x, weight, cos, sin}) || x.numel() == 0) return aten::rms_norm_rope(x, weight, eps, cos, sin);
  return RmsNormRope::apply(x, or_absent(weight), eps, cos, sin);
}

Tensor gelu_mul(const Tensor& gate, const Tensor& up) {
  FACET_CHECK(gate.sizes() == up.sizes(), "gate and up have one shape");
  if (!on_fast_path({gate, up})) return aten::gelu_mul(gate, up);
  return GeluMul::apply(gate, up);
}

}  // namespace facet::train::ops
