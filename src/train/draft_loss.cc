#include "train/draft_loss.h"

#include <cmath>

#include "base/check.h"
#include "train/ops.h"

namespace facet::train {
namespace {

using torch::Tensor;

// The steps of a batch and what they are compared with: row r of step i guesses the token of index r + 2 + i, which the
// target draws from its row r + 1 + i.
class Problem {
 public:
  Problem(const Graph& drafter, GraphHooks& hooks, const Graph& target, const Tensor& tokens, const Tensor& labels,
          int n_steps)
      : drafter_(drafter),
        hooks_(hooks),
        labels_(labels),
        states_(target_states(target, tokens)),
        z_(draft_steps(drafter, hooks, states_, n_steps)),
        softcap_(target.config().logit_softcap) {
    GraphHooks plain;
    target_head_ = target.head(plain).detach();
  }
  const std::vector<Tensor>& z() const { return z_; }

  // Over tokens.  weights: of rows, or none.
  LossResult loss(int i, const LossOptions& options, const Tensor& weights = {}) const {
    Teacher teacher;
    teacher.hidden = states(i);
    teacher.head = target_head_;
    teacher.softcap = softcap_;
    const bool follows = options.kl_weight > 0 || options.overlap != Overlap::kNone;
    return chunked_loss(z_[static_cast<std::size_t>(i)], drafter_.head(hooks_), labels_.slice(1, 1 + i).contiguous(),
                        options, follows ? &teacher : nullptr, weights);
  }

  // Over clusters: a cluster's chance is that of its tokens together.
  LossResult cluster_loss(int i, LossOptions options) const {
    const GemmaConfig& c = drafter_.config();
    const Tensor ordering = drafter_.token_ordering();
    const std::int64_t size = c.vocab_size / c.n_clusters;
    const Tensor hidden = states(i).reshape({-1, target_head_.size(1)});
    Teacher teacher;
    teacher.logits = [&](std::int64_t first, std::int64_t count) {
      Tensor logits = ops::linear(hidden.slice(0, first, first + count), target_head_).index_select(1, ordering);
      if (softcap_ > 0) logits = softcap_ * torch::tanh(logits / softcap_);
      return torch::logsumexp(logits.reshape({count, c.n_clusters, size}), -1);
    };
    const Tensor cluster_of = torch::empty_like(ordering).scatter_(
        0, ordering, torch::arange(c.vocab_size, ordering.options()).floor_divide(size));
    const Tensor labels = labels_.slice(1, 1 + i);
    const Tensor clusters = torch::where(labels == kNoLabel, labels, cluster_of.index({labels.clamp_min(0)}));
    options.softcap = 0;
    options.overlap = Overlap::kNone;
    return chunked_loss(z_[static_cast<std::size_t>(i)], centroids(drafter_, hooks_), clusters.contiguous(), options,
                        &teacher);
  }

 private:
  Tensor states(int i) const { return states_.hidden.slice(1, 1 + i).contiguous(); }

  const Graph& drafter_;
  GraphHooks& hooks_;
  const Tensor& labels_;
  const TargetStates states_;
  const std::vector<Tensor> z_;
  float softcap_;
  Tensor target_head_;
};

// Of the chances [B, T - 1 - i] that draft i is right, the earlier ones given; missing rows count as wrong.
struct Chain {
  std::vector<Tensor> right;
  void add(const Tensor& overlap, std::int64_t batch) {
    Tensor a = overlap.reshape({batch, -1});
    if (!right.empty()) a = torch::constant_pad_nd(a, {0, right[0].size(1) - a.size(1)});
    right.push_back(a);
  }
  double accepted() const {
    Tensor all = torch::ones_like(right[0]), sum = torch::zeros_like(right[0]);
    for (const Tensor& a : right) all = all * a, sum = sum + all;
    return sum.to(torch::kFloat64).sum().item<double>();
  }
  // d (A_1 + ... + A_n) / d right[i]: what comes before it times one more than what may follow.
  std::vector<Tensor> worth() const {
    std::vector<Tensor> out(right.size());
    Tensor after = torch::ones_like(right[0]);
    for (std::size_t i = right.size(); i-- > 0;) {
      out[i] = after;
      after = 1 + right[i] * after;
    }
    Tensor before = torch::ones_like(right[0]);
    for (std::size_t i = 0; i < right.size(); ++i) {
      out[i] = out[i] * before;
      before = before * right[i];
    }
    return out;
  }
};

LossResult length_loss(const Problem& problem, const DraftLossOptions& options, std::int64_t batch) {
  Chain chain;
  LossResult out;
  {
    torch::NoGradGuard no_grad;
    for (int i = 0; i < options.n_steps; ++i) {
      LossResult step = problem.loss(i, options.loss);
      chain.add(step.overlap, batch);
      if (i == 0) out = std::move(step);
    }
  }
  out.accepted_sum = chain.accepted();
  LossOptions miss = options.loss;
  miss.ce_weight = miss.kl_weight = 0;
  miss.miss_weight = 1;
  const std::vector<Tensor> worth = chain.worth();
  out.loss = Tensor();
  for (int i = 0; i < options.n_steps; ++i) {
    const Tensor& z = problem.z()[static_cast<std::size_t>(i)];
    const LossResult step = problem.loss(i, miss, worth[static_cast<std::size_t>(i)].slice(1, 0, z.size(1)));
    out.loss = out.loss.defined() ? out.loss + step.loss : step.loss;
  }
  // The gradient is that of the length; so shall the value be.
  out.total = -out.accepted_sum - static_cast<double>(out.n_tokens);
  out.loss = out.loss + (out.total - out.loss.item<double>());
  return out;
}

}  // namespace

LossResult draft_loss(const Graph& drafter, GraphHooks& hooks, const Graph& target, const Tensor& tokens,
                      const Tensor& labels, const DraftLossOptions& options) {
  const Problem problem(drafter, hooks, target, tokens, labels, options.n_steps);
  if (options.goal == DraftGoal::kLength) return length_loss(problem, options, tokens.size(0));
  double weights = 0;
  for (int i = 0; i < options.n_steps; ++i) weights += std::pow(options.decay, i);
  LossResult out;
  Chain chain;
  for (int i = 0; i < options.n_steps; ++i) {
    const LossResult step =
        options.goal == DraftGoal::kClusters ? problem.cluster_loss(i, options.loss) : problem.loss(i, options.loss);
    if (step.overlap.defined()) chain.add(step.overlap, tokens.size(0));
    if (step.n_tokens == 0) continue;
    const double weight = std::pow(options.decay, i) / weights;
    // Later steps have fewer rows; each counts for as many as the first, whose number the caller divides by.
    if (!out.loss.defined()) {
      out.n_tokens = step.n_tokens;
      out.weight_sum = step.weight_sum;
      out.n_correct = step.n_correct;
      out.n_agree = step.n_agree;
    }
    const double share = weight * static_cast<double>(out.n_tokens) / static_cast<double>(step.n_tokens);
    out.loss = out.loss.defined() ? out.loss + step.loss * share : step.loss * share;
    out.total += step.total * share;
    out.ce_sum += step.ce_sum * share;
    out.kl_sum += step.kl_sum * share;
  }
  if (!chain.right.empty()) out.accepted_sum = chain.accepted();
  if (!out.loss.defined()) out.loss = (problem.z()[0] * 0).sum();  // a batch without labels
  return out;
}

double DraftAgreement::mean_length() const {
  double length = 1;
  for (std::size_t i = 0; i < right.size(); ++i) length += share(i);
  return length;
}

void add_agreement(const Graph& drafter, GraphHooks& hooks, const Graph& target, const Tensor& tokens, int n_steps,
                   DraftAgreement& out) {
  torch::NoGradGuard no_grad;
  const TargetStates states = target_states(target, tokens);
  const std::vector<Tensor> z = draft_steps(drafter, hooks, states, n_steps);
  const Tensor chosen = best_tokens(target, states.hidden);
  out.right.resize(static_cast<std::size_t>(n_steps));
  const std::int64_t rows = z.back().size(1);  // those that every step has
  Tensor all = torch::ones({tokens.size(0), rows}, torch::TensorOptions().dtype(torch::kBool).device(tokens.device()));
  for (int i = 0; i < n_steps; ++i) {
    const Tensor drafts = draft_tokens(drafter, hooks, z[static_cast<std::size_t>(i)].slice(1, 0, rows));
    all = all.logical_and(drafts == chosen.slice(1, 1 + i, 1 + i + rows));
    out.right[static_cast<std::size_t>(i)] += all.sum().item<std::int64_t>();
  }
  out.n += all.numel();
}

}  // namespace facet::train
