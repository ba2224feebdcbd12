#include "train/fake_quant.h"

#include <cmath>
#include <span>
#include <vector>

#include "base/check.h"
#include "quant/q4_0.h"
#include "quant/row_int.h"
#include "quant/static_int8.h"
#include "train/parallel.h"

namespace facet::train {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

std::span<const float> floats(const Tensor& t) { return {t.data_ptr<float>(), static_cast<std::size_t>(t.numel())}; }
std::span<float> mutable_floats(Tensor& t) { return {t.data_ptr<float>(), static_cast<std::size_t>(t.numel())}; }

// Work is cut into pieces of this many elements; sums over pieces are added in order, so that the number of threads
// never shows in a result.
constexpr std::int64_t kPiece = 1 << 14;

// body(first element, number of elements) for every piece of n elements; pieces are multiples of `unit`.
template <typename Body>
void for_pieces(std::int64_t n, std::int64_t unit, const Body& body) {
  std::int64_t piece = std::max<std::int64_t>(unit, kPiece / unit * unit);
  std::int64_t pieces = (n + piece - 1) / piece;
  parallel_for(0, pieces, 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto p = begin; p < end; ++p) body(p * piece, std::min(piece, n - p * piece));
  });
}

// Non-finite latents are caught by the trainer's loss check before they could get here.
void require(const Status& status) { FACET_CHECK(status.ok(), status.message().c_str()); }

// d/d(log s) = s * d/ds.
struct Q4_0Live : Function<Q4_0Live> {
  static Tensor forward(AutogradContext*, const Tensor& w) {
    Tensor source = w.detach().contiguous(), out = torch::empty_like(source);
    auto in = floats(source);
    auto to = mutable_floats(out);
    for_pieces(source.numel(), Q4_0Block::kWeights, [&](std::int64_t first, std::int64_t n) {
      require(fake_quantize_q4_0(in.subspan(first, n), to.subspan(first, n)));
    });
    return out;
  }
  static variable_list backward(AutogradContext*, variable_list grads) { return {grads[0]}; }
};

struct Q4_0Learned : Function<Q4_0Learned> {
  static Tensor forward(AutogradContext* context, const Tensor& w, const Tensor& log_scale, const Tensor& sign) {
    Tensor source = w.detach().contiguous(), out = torch::empty_like(source);
    Tensor scales = torch::empty_like(log_scale.detach());
    for (std::int64_t i = 0; i < scales.numel(); ++i)
      scales.data_ptr<float>()[i] =
          to_float(to_half(sign.data_ptr<float>()[i] * scale_of(log_scale.data_ptr<float>()[i])));
    auto in = floats(source), s = floats(scales);
    auto to = mutable_floats(out);
    for_pieces(source.numel(), 32, [&](std::int64_t first, std::int64_t n) {
      require(fake_quantize_q4_0_learned(in.subspan(first, n), s.subspan(first / 32, n / 32), to.subspan(first, n)));
    });
    context->save_for_backward({source, scales});
    return out;
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    auto saved = context->get_saved_variables();
    Tensor grad = grads[0].contiguous(), dw = torch::empty_like(grad), dscale = torch::empty_like(saved[1]);
    auto w = floats(saved[0]), s = floats(saved[1]), g = floats(grad);
    auto out = mutable_floats(dw), ds = mutable_floats(dscale);
    for_pieces(grad.numel(), 32, [&](std::int64_t first, std::int64_t n) {
      fake_quantize_q4_0_learned_backward(w.subspan(first, n), s.subspan(first / 32, n / 32), g.subspan(first, n),
                                          out.subspan(first, n), ds.subspan(first / 32, n / 32));
    });
    return {dw, dscale * saved[1], Tensor()};
  }
};

struct Rows : Function<Rows> {
  static Tensor forward(AutogradContext* context, const Tensor& w, const Tensor& log_scale, std::int64_t bits) {
    Tensor source = w.detach().contiguous(), out = torch::empty_like(source);
    Tensor scales = log_scale.detach().contiguous().clone();
    for (float& s : mutable_floats(scales)) s = scale_of(s);
    std::int64_t group = source.numel() / scales.numel();
    FACET_CHECK(group * scales.numel() == source.numel(), "one scale per group of equal size");
    auto in = floats(source), s = floats(scales);
    auto to = mutable_floats(out);
    for_pieces(source.numel(), group, [&](std::int64_t first, std::int64_t n) {
      for (auto i = first; i < first + n; i += group)
        fake_quantize_group(in.subspan(i, group), s[i / group], int(bits), to.subspan(i, group));
    });
    context->save_for_backward({source, scales});
    context->saved_data["bits"] = bits;
    return out;
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    auto saved = context->get_saved_variables();
    int bits = int(context->saved_data["bits"].toInt());
    Tensor grad = grads[0].contiguous(), dw = torch::empty_like(grad), dlog = torch::empty_like(saved[1]);
    std::int64_t group = grad.numel() / dlog.numel();
    auto w = floats(saved[0]), s = floats(saved[1]), g = floats(grad);
    auto out = mutable_floats(dw), d = mutable_floats(dlog);
    for_pieces(grad.numel(), group, [&](std::int64_t first, std::int64_t n) {
      for (auto i = first; i < first + n; i += group) {
        double ds = fake_quantize_group_backward(w.subspan(i, group), s[i / group], bits, g.subspan(i, group),
                                                 out.subspan(i, group));
        d[i / group] = static_cast<float>(ds * s[i / group]);
      }
    });
    return {dw, dlog, Tensor()};
  }
};

struct StaticInt8 : Function<StaticInt8> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& log_scale) {
    Tensor source = x.detach().contiguous(), out = torch::empty_like(source);
    float s = scale_of(log_scale.item<float>());
    auto in = floats(source);
    auto to = mutable_floats(out);
    for_pieces(source.numel(), 1, [&](std::int64_t first, std::int64_t n) {
      fake_quantize_static_int8(in.subspan(first, n), s, to.subspan(first, n));
    });
    context->save_for_backward({source});
    context->saved_data["scale"] = double(s);
    return out;
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    Tensor x = context->get_saved_variables()[0];
    auto s = static_cast<float>(context->saved_data["scale"].toDouble());
    Tensor grad = grads[0].contiguous(), dx = torch::empty_like(grad);
    auto in = floats(x), g = floats(grad);
    auto out = mutable_floats(dx);
    std::vector<double> partial((grad.numel() + kPiece - 1) / kPiece, 0.0);
    for_pieces(grad.numel(), 1, [&](std::int64_t first, std::int64_t n) {
      partial[first / kPiece] =
          fake_quantize_static_int8_backward(in.subspan(first, n), s, g.subspan(first, n), out.subspan(first, n));
    });
    double ds = 0;
    for (double p : partial) ds += p;
    return {dx, torch::tensor(static_cast<float>(ds * s), grad.options())};
  }
};

// value + (forward - value).detach(), without the rounding of that sum: the forward value exactly, the gradient of
// `value`.
struct StraightThrough : Function<StraightThrough> {
  static Tensor forward(AutogradContext*, const Tensor& /*value*/, const Tensor& forward) { return forward; }
  static variable_list backward(AutogradContext*, variable_list grads) { return {grads[0], Tensor()}; }
};

// LSQ from ATen parts: codes by rounding w / s; where saturated, w has no gradient and s gets the bound.
Tensor lsq_aten(const Tensor& w, const Tensor& scale, double lo, double hi) {
  Tensor v = w / scale;
  Tensor q = StraightThrough::apply(torch::clamp(v, lo, hi), torch::round(torch::clamp(v.detach(), lo, hi)));
  return q * scale;
}

}  // namespace

float scale_of(float log_scale) { return std::exp(log_scale); }

torch::Tensor fake_quant_q4_0(const torch::Tensor& w) {
  return w.device().is_cpu() ? Q4_0Live::apply(w) : fake_quant_q4_0_aten(w);
}

torch::Tensor fake_quant_q4_0_learned(const torch::Tensor& w, const torch::Tensor& log_scale,
                                      const torch::Tensor& sign) {
  if (w.device().is_cpu()) return Q4_0Learned::apply(w, log_scale, sign);
  Tensor exact = sign * torch::exp(log_scale);
  Tensor scale = StraightThrough::apply(exact, exact.detach().to(torch::kHalf).to(torch::kFloat32));
  return lsq_aten(w.reshape({-1, 32}), scale.reshape({-1, 1}), -8, 7).reshape(w.sizes());
}

torch::Tensor fake_quant_rows(const torch::Tensor& w, const torch::Tensor& log_scale, int bits) {
  return w.device().is_cpu() ? Rows::apply(w, log_scale, std::int64_t{bits}) : fake_quant_rows_aten(w, log_scale, bits);
}

torch::Tensor fake_quant_bf16(const torch::Tensor& w) {
  return StraightThrough::apply(w, w.detach().to(torch::kBFloat16).to(w.scalar_type()));
}

torch::Tensor fake_quant_static_int8(const torch::Tensor& x, const torch::Tensor& log_scale) {
  return x.device().is_cpu() ? StaticInt8::apply(x, log_scale) : fake_quant_static_int8_aten(x, log_scale);
}

torch::Tensor fake_quant_q4_0_aten(const torch::Tensor& w) {
  torch::Tensor blocks = w.detach().reshape({-1, 32});
  torch::Tensor at = std::get<1>(blocks.abs().max(1, /*keepdim=*/true));  // the first of equals on the CPU
  torch::Tensor d = blocks.gather(1, at) / -8.0f;
  torch::Tensor id = torch::where(d == 0, torch::zeros_like(d), 1.0f / d);
  torch::Tensor codes = torch::clamp_max(torch::trunc(blocks * id + 8.5f), 15.0f);
  torch::Tensor value = (codes - 8.0f) * d.to(torch::kHalf).to(torch::kFloat32);
  return StraightThrough::apply(w, value.reshape(w.sizes()));
}

torch::Tensor fake_quant_rows_aten(const torch::Tensor& w, const torch::Tensor& log_scale, int bits) {
  IntRange range = int_range(bits);
  return lsq_aten(w.reshape({log_scale.numel(), -1}), torch::exp(log_scale).reshape({-1, 1}), range.min, range.max)
      .reshape(w.sizes());
}

torch::Tensor fake_quant_static_int8_aten(const torch::Tensor& x, const torch::Tensor& log_scale) {
  return lsq_aten(x, torch::exp(log_scale), -128, 127);
}

}  // namespace facet::train
