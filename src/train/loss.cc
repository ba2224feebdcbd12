#include "train/loss.h"

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "train/cpu/gemm.h"
#include "train/cpu/kernels.h"
#include "train/ops_common.h"
#include "train/parallel.h"

namespace facet::train {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Everything of one call but the gradients' targets.
struct Problem {
  Tensor hidden, head;     // [N, D] and [V, D], detached, contiguous, in the type of the computation
  Tensor labels, weights;  // int64 [N] and f32 [N] on the CPU; weights undefined = 1
  const LossOptions* options;
  const Teacher* teacher;  // null = none
  bool wants_hidden, wants_head;

  bool wants_gradient() const { return wants_hidden || wants_head; }
  std::int64_t chunk() const {
    if (options->chunk_tokens > 0) return options->chunk_tokens;
    // A chunk's logits are about 4 MB (they stay in a cache), but never so few rows that the products starve.  Other
    // devices pay for every launch: 256 MB.
    const std::int64_t vocabulary = std::max<std::int64_t>(head.size(0), 1);
    if (!head.is_cpu()) return std::max<std::int64_t>((1 << 26) / vocabulary, 64);
    return std::clamp<std::int64_t>((1 << 20) / vocabulary, 64, 1024);
  }
  bool counts(std::int64_t i) const { return labels.data_ptr<std::int64_t>()[i] != kNoLabel; }
  double weight(std::int64_t i) const { return weights.defined() ? weights.data_ptr<float>()[i] : 1.0; }
};

// The teacher's logits of some rows, before its soft cap (or final ones, when it makes its own).
Tensor teacher_logits(const Problem& problem, std::int64_t first, std::int64_t count) {
  const Teacher& teacher = *problem.teacher;
  if (!teacher.hidden.defined()) {
    Tensor z = teacher.logits(first, count).detach();
    FACET_CHECK(z.dim() == 2 && z.size(0) == count && z.size(1) == problem.head.size(0),
                "a teacher's logits are [count, V] of the student's vocabulary");
    return z.to(problem.hidden.options());
  }
  return Tensor();
}
float teacher_cap(const Teacher& teacher) { return teacher.hidden.defined() ? teacher.softcap : 0.0f; }

// ---- our loops: f32 on the CPU

struct FastTeacher {
  Tensor hidden, head;
};

void fast_chunk(const Problem& problem, const FastTeacher& teacher, std::int64_t first, std::int64_t count,
                Tensor& logits, Tensor& teacher_z, LossResult& result, Tensor& dhidden, Tensor& dhead,
                std::vector<cpu::LossRow>& rows) {
  std::int64_t vocabulary = problem.head.size(0), d = problem.head.size(1);
  const LossOptions& options = *problem.options;
  cpu::Operand x{ops::floats(problem.hidden) + first * d, d, 1}, e{ops::floats(problem.head), d, 1};
  float* z = ops::floats(logits);
  cpu::Factors factors = options.compute == torch::kBFloat16 ? cpu::Factors::kBf16 : cpu::Factors::kF32;
  cpu::gemm(z, vocabulary, x, e.transposed(), count, vocabulary, d, false, factors);
  float* zt = nullptr;
  Tensor made;
  if (problem.teacher != nullptr) {
    if (teacher.hidden.defined()) {
      std::int64_t dt = teacher.head.size(1);
      zt = ops::floats(teacher_z);
      cpu::gemm(zt, vocabulary, {ops::floats(teacher.hidden) + first * dt, dt, 1},
                cpu::Operand{ops::floats(teacher.head), dt, 1}.transposed(), count, vocabulary, dt, false, factors);
    } else {
      made = teacher_logits(problem, first, count).clone(at::MemoryFormat::Contiguous);
      zt = ops::floats(made);
    }
  }
  const std::int64_t* labels = problem.labels.data_ptr<std::int64_t>();
  parallel_for(0, count, 4, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = begin; i < end; ++i) {
      if (!problem.counts(first + i)) {
        std::fill_n(z + i * vocabulary, vocabulary, 0.0f);
        continue;
      }
      cpu::LossRow& row = rows[static_cast<std::size_t>(i)];
      double w = problem.wants_gradient() ? problem.weight(first + i) : 0.0;
      row = {options.softcap,
             problem.teacher != nullptr ? teacher_cap(*problem.teacher) : 0.0f,
             labels[first + i],
             static_cast<float>(w * options.ce_weight),
             static_cast<float>(w * options.kl_weight),
             0,
             0,
             0,
             0};
      cpu::kernels().loss_row(z + i * vocabulary, zt == nullptr ? nullptr : zt + i * vocabulary, vocabulary, &row);
      // A token of weight 0 counts in the metrics and has no gradient; the kernel then leaves logits behind.
      if (problem.wants_gradient() && row.ce_scale == 0 && row.kl_scale == 0)
        std::fill_n(z + i * vocabulary, vocabulary, 0.0f);
    }
  });
  for (std::int64_t i = 0; i < count; ++i) {
    if (!problem.counts(first + i)) continue;
    const cpu::LossRow& row = rows[static_cast<std::size_t>(i)];
    double w = problem.weight(first + i);
    result.weight_sum += w;
    ++result.n_tokens;
    result.ce_sum += row.ce;
    result.kl_sum += row.kl;
    result.total += w * (options.ce_weight * row.ce + options.kl_weight * row.kl);
    result.n_correct += row.best == row.label;
    result.n_agree += row.best == row.teacher_best;
  }
  cpu::Operand dz{z, vocabulary, 1};
  if (problem.wants_hidden) cpu::gemm(ops::floats(dhidden) + first * d, d, dz, e, count, d, vocabulary, false, factors);
  if (problem.wants_head) cpu::gemm(ops::floats(dhead), d, dz.transposed(), x, vocabulary, d, count, true, factors);
}

// ---- the same in ATen: any device, any float type

Tensor capped(const Tensor& z, float cap) { return cap > 0 ? cap * torch::tanh(z / cap) : z; }

void aten_chunk(const Problem& problem, std::int64_t first, std::int64_t count, LossResult& result, Tensor& dhidden,
                Tensor& dhead) {
  const LossOptions& options = *problem.options;
  auto product = [&](const Tensor& a, const Tensor& b) {
    if (options.compute != torch::kBFloat16) return torch::matmul(a, b);
    return torch::matmul(a.to(torch::kBFloat16), b.to(torch::kBFloat16)).to(a.scalar_type());
  };
  torch::Device device = problem.hidden.device();
  Tensor labels_cpu = problem.labels.slice(0, first, first + count);
  Tensor counted_cpu = labels_cpu != kNoLabel;
  Tensor counted = counted_cpu.to(device), labels = labels_cpu.clamp_min(0).to(device);
  Tensor weight_cpu = counted_cpu.to(torch::kFloat64);
  if (problem.weights.defined()) weight_cpu = weight_cpu * problem.weights.slice(0, first, first + count);
  Tensor weight = weight_cpu.to(device, problem.hidden.scalar_type());

  Tensor x = problem.hidden.slice(0, first, first + count);
  Tensor z = capped(product(x, problem.head.t()), options.softcap);
  Tensor log_q = torch::log_softmax(z, -1);
  Tensor ce = -log_q.gather(-1, labels.unsqueeze(-1)).squeeze(-1), kl = torch::zeros_like(ce);
  Tensor best = z.argmax(-1), miss = torch::zeros_like(ce), p, q_masked;
  if (problem.teacher != nullptr) {
    const Teacher& teacher = *problem.teacher;
    Tensor zt = teacher.hidden.defined() ? product(teacher.hidden.detach()
                                                       .reshape({-1, teacher.hidden.size(-1)})
                                                       .slice(0, first, first + count)
                                                       .to(z.options()),
                                                   teacher.head.detach().to(z.options()).t())
                                         : teacher_logits(problem, first, count);
    zt = capped(zt, teacher_cap(teacher));
    Tensor log_p = torch::log_softmax(zt, -1);
    p = log_p.exp();
    kl = (p * (log_p - log_q)).sum(-1);
    const Tensor teacher_best = zt.argmax(-1);
    result.n_agree += ((best == teacher_best) & counted).sum().item<std::int64_t>();
    if (options.overlap != Overlap::kNone) {
      const Tensor q = log_q.exp();
      Tensor overlap;
      if (options.overlap == Overlap::kShared) {
        overlap = torch::minimum(p, q).sum(-1);
        q_masked = torch::where(q < p, q, torch::zeros({}, q.options()));
      } else {
        const Tensor index = teacher_best.unsqueeze(-1), chosen = q.gather(-1, index);
        overlap = chosen.squeeze(-1);
        q_masked = torch::zeros_like(q).scatter_(-1, index, chosen);
      }
      miss = 1 - overlap;
      result.overlap.slice(0, first, first + count)
          .copy_(torch::where(counted, overlap, torch::zeros({}, overlap.options())));
    }
  }
  auto total = [](const Tensor& t) { return t.to(torch::kFloat64).sum().item<double>(); };
  Tensor zero = torch::zeros_like(ce);
  ce = torch::where(counted, ce, zero), kl = torch::where(counted, kl, zero);
  miss = torch::where(counted, miss, zero);
  result.weight_sum += total(weight_cpu);
  result.n_tokens += counted_cpu.sum().item<std::int64_t>();
  result.ce_sum += total(ce);
  result.kl_sum += total(kl);
  result.total += total(weight * (options.ce_weight * ce + options.kl_weight * kl + options.miss_weight * miss));
  result.n_correct += ((best == labels) & counted).sum().item<std::int64_t>();
  if (!problem.wants_gradient()) return;

  Tensor dz = (options.ce_weight + options.kl_weight) * log_q.exp();
  if (p.defined()) dz = dz - options.kl_weight * p;
  dz.scatter_add_(-1, labels.unsqueeze(-1), torch::full({count, 1}, -options.ce_weight, dz.options()));
  // d overlap / dz = Q (mask - sum of mask Q): the mask of min(P, Q) is where Q is the smaller, that of Q(best) is
  // there.
  if (q_masked.defined() && options.miss_weight != 0)
    dz = dz - options.miss_weight * (q_masked - log_q.exp() * q_masked.sum(-1, /*keepdim=*/true));
  if (options.softcap > 0) dz = dz * (1 - (z / options.softcap).square());
  dz = torch::where(counted.unsqueeze(-1), dz * weight.unsqueeze(-1), torch::zeros({}, dz.options()));
  if (problem.wants_hidden) dhidden.slice(0, first, first + count).copy_(product(dz, problem.head));
  if (problem.wants_head) dhead.add_(product(dz.t(), x));
}

// Hands the gradients made in forward to autograd.
struct Computed : torch::autograd::Function<Computed> {
  static Tensor forward(AutogradContext* context, const Tensor& hidden, const Tensor& /*head*/, const Tensor& dhidden,
                        const Tensor& dhead, double total) {
    context->save_for_backward({dhidden, dhead});
    return torch::full({}, total, hidden.options().requires_grad(false));
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    variable_list saved = context->get_saved_variables();
    auto scaled = [&](const Tensor& g) { return g.numel() == 0 ? Tensor() : g * grads[0].to(g.scalar_type()); };
    return {scaled(saved[0]), scaled(saved[1]), Tensor(), Tensor(), Tensor()};
  }
};

// A factor as gemm() wants it.
Tensor factor(const Tensor& t, bool bf16) {
  return bf16 && !cpu::rounds_to_bf16() ? t.to(torch::kBFloat16).to(t.scalar_type()) : t;
}

}  // namespace

LossResult chunked_loss(const Tensor& hidden, const Tensor& head, const Tensor& labels, const LossOptions& options,
                        const Teacher* teacher, const Tensor& token_weights) {
  FACET_CHECK((options.kl_weight == 0 && options.overlap == Overlap::kNone) || teacher != nullptr,
              "what follows a teacher has one");
  FACET_CHECK(options.miss_weight == 0 || options.overlap != Overlap::kNone, "what misses the overlap knows which");
  FACET_CHECK(head.dim() == 2 && hidden.size(-1) == head.size(1), "hidden [.., D] meets a head of [V, D]");
  std::int64_t d = head.size(1), n = hidden.numel() / d;
  FACET_CHECK(labels.numel() == n && labels.scalar_type() == torch::kInt64, "one int64 label per hidden state");
  FACET_CHECK(!token_weights.defined() || token_weights.numel() == n, "one weight per hidden state");
  bool grad = torch::GradMode::is_enabled();

  LossResult result;
  Tensor dhidden, dhead;
  {
    torch::NoGradGuard no_grad;
    const bool fast = ops::on_fast_path({hidden, head}) && options.overlap == Overlap::kNone;
    const bool bf16 = options.compute == torch::kBFloat16;
    if (options.overlap != Overlap::kNone) result.overlap = torch::zeros({n}, hidden.options().dtype(torch::kFloat32));
    Problem problem{hidden.detach().reshape({n, d}).contiguous(),
                    head.detach().contiguous(),
                    labels.detach().reshape({n}).to(torch::kCPU).contiguous(),
                    token_weights.defined()
                        ? token_weights.detach().reshape({n}).to(torch::kCPU, torch::kFloat32).contiguous()
                        : Tensor(),
                    &options,
                    teacher,
                    grad && hidden.requires_grad(),
                    grad && head.requires_grad()};
    const std::int64_t* label = problem.labels.data_ptr<std::int64_t>();
    for (std::int64_t i = 0; i < n; ++i)
      FACET_CHECK(label[i] == kNoLabel || (label[i] >= 0 && label[i] < head.size(0)), "labels are in the vocabulary");
    dhidden = problem.wants_hidden ? torch::empty_like(problem.hidden) : torch::empty({0});
    dhead = problem.wants_head ? torch::zeros_like(problem.head) : torch::empty({0});
    std::int64_t chunk = std::min(problem.chunk(), std::max<std::int64_t>(n, 1));
    FastTeacher fast_teacher;
    Tensor logits, teacher_z;
    if (fast) {
      problem.hidden = factor(problem.hidden, bf16);
      problem.head = factor(problem.head, bf16);
      logits = torch::empty({chunk, head.size(0)}, problem.hidden.options());
      if (teacher != nullptr && teacher->hidden.defined()) {
        fast_teacher.hidden = factor(teacher->hidden.detach().to(torch::kFloat32).reshape({n, -1}).contiguous(), bf16);
        fast_teacher.head = factor(teacher->head.detach().to(torch::kFloat32).contiguous(), bf16);
        FACET_CHECK(fast_teacher.head.size(0) == head.size(0), "student and teacher share a vocabulary");
        teacher_z = torch::empty_like(logits);
      }
    }
    std::vector<cpu::LossRow> rows(static_cast<std::size_t>(chunk));
    for (std::int64_t first = 0; first < n; first += chunk) {
      std::int64_t count = std::min(chunk, n - first);
      if (fast)
        fast_chunk(problem, fast_teacher, first, count, logits, teacher_z, result, dhidden, dhead, rows);
      else
        aten_chunk(problem, first, count, result, dhidden, dhead);
    }
    if (dhidden.numel() > 0) dhidden = dhidden.reshape(hidden.sizes());
  }
  result.loss = Computed::apply(hidden, head, dhidden, dhead, result.total);
  return result;
}

}  // namespace facet::train
