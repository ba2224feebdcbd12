// The feed-forward block of forward.h: the dense MLP, and beside it the experts of a mixture.
#include <algorithm>
#include <cmath>

#include "engine/forward.h"

namespace facet {

void Forward::feed_forward_block(int l) {
  const LayerWeights& w = model_.layers()[l];
  const int d = c_.hidden_size;
  dense_mlp(w);
  if (c_.has_moe()) {
    route(w);
    run_experts(w);
    for_each_row(8 * d, [&](std::int64_t t) {
      float *dense = o_.get() + t * d, *experts = expert_sum_.get() + t * d;
      kernels_.rms_norm(dense, dense, w.post_ffn_norm_1, d, c_.rms_eps);
      kernels_.rms_norm(experts, experts, w.post_ffn_norm_2, d, c_.rms_eps);
      kernels_.add(dense, experts, d);
    });
  }
  for_each_row(4 * d, [&](std::int64_t t) {
    float* o = o_.get() + t * d;
    kernels_.rms_norm(o, o, w.post_ffn_norm, d, c_.rms_eps);
    kernels_.add(x_.get() + t * d, o, d);
  });
}

// o = down(gelu(gate(m)) * up(m)), m the normed stream.
void Forward::dense_mlp(const LayerWeights& w) {
  const int d = c_.hidden_size, f = w.gate.rows;
  for_each_row(
      3 * d, [&](std::int64_t t) { kernels_.rms_norm(a_.get() + t * d, x_.get() + t * d, w.ffn_norm, d, c_.rms_eps); });
  projector_.set_input(rows(a_, d), n_rows(), d);
  projector_.run({{w.gate, rows(gate_, f)}, {w.up, rows(up_, f)}});
  for_each_row(16 * f, [&](std::int64_t t) {
    kernels_.gelu_mul(gate_.get() + t * f, gate_.get() + t * f, up_.get() + t * f, f);
  });
  projector_.set_input(rows(gate_, f), n_rows(), f);
  projector_.run({{w.down, rows(o_, d)}});
}

// Chooses each row's experts and their weights, then lists the rows of every expert.
void Forward::route(const LayerWeights& w) {
  const int d = c_.hidden_size, n_experts = c_.n_experts, used = c_.n_experts_used;
  for_each_row(4 * d, [&](std::int64_t t) {  // from the raw stream, not from what the experts will see
    kernels_.rms_norm(a_.get() + t * d, x_.get() + t * d, w.router_scale, d, c_.rms_eps);
    kernels_.scale(a_.get() + t * d, 1.0f / std::sqrt(float(d)), d);
  });
  projector_.set_input(rows(a_, d), n_rows(), d);
  projector_.run({{w.router, rows(router_, n_experts)}});

  for_each_row(32 * n_experts, [&](std::int64_t t) {
    float* p = router_.get() + t * n_experts;
    int* chosen = chosen_.get() + t * used;
    float* share = share_.get() + t * used;
    kernels_.softmax(p, n_experts);
    float sum = 0;
    for (int i = 0; i < used; ++i) {
      constexpr float kTaken = -1;  // never chosen twice, not even among NaNs
      int best = -1;
      for (int e = 0; e < n_experts; ++e)
        if (p[e] != kTaken && (best < 0 || p[e] > p[best])) best = e;
      chosen[i] = best;
      sum += share[i] = p[best];
      p[best] = kTaken;
    }
    for (int i = 0; i < used; ++i) share[i] = share[i] / sum * w.expert_scale[chosen[i]];
  });

  int* first = expert_first_.get();  // a counting sort of the entries by expert
  std::fill(first, first + n_experts + 1, 0);
  const int from = begin_ * used, to = end_ * used;
  for (int i = from; i < to; ++i) ++first[chosen_[i] + 1];
  for (int e = 0; e < n_experts; ++e) first[e + 1] += first[e];
  for (int i = from; i < to; ++i) expert_entries_[first[chosen_[i]]++] = i;
  for (int e = n_experts; e > 0; --e) first[e] = first[e - 1];
  first[0] = 0;
}

// expert_sum = sum over the chosen experts, in the order of their numbers, so that the cut of a batch does not matter.
void Forward::run_experts(const LayerWeights& w) {
  const int d = c_.hidden_size, f = c_.expert_ffn_size, used = c_.n_experts_used;
  for_each_row(4 * d, [&](std::int64_t t) {
    kernels_.rms_norm(a_.get() + t * d, x_.get() + t * d, w.ffn_norm_2, d, c_.rms_eps);
    std::fill_n(expert_sum_.get() + t * d, d, 0.0f);
  });
  for (int e = 0; e < c_.n_experts; ++e) {
    const int* entries = expert_entries_.get() + expert_first_[e];
    const int n = expert_first_[e + 1] - expert_first_[e];
    if (n == 0) continue;
    for (int i = 0; i < n; ++i)
      std::copy_n(a_.get() + std::int64_t{entries[i] / used} * d, d, expert_in_.get() + std::int64_t{i} * d);
    projector_.set_input(expert_in_.get(), n, d);
    projector_.run({{w.experts_gate_up[e], expert_both_.get()}});
    parallel_for(pool_, n, grain_for(16 * f), [&](std::int64_t from, std::int64_t to) {
      for (std::int64_t i = from; i < to; ++i) {
        const float* both = expert_both_.get() + i * 2 * f;
        kernels_.gelu_mul(expert_act_.get() + i * f, both, both + f, f);
      }
    });
    projector_.set_input(expert_act_.get(), n, f);
    projector_.run({{w.experts_down[e], expert_out_.get()}});
    for (int i = 0; i < n; ++i)
      kernels_.add_scaled(expert_sum_.get() + std::int64_t{entries[i] / used} * d,
                          expert_out_.get() + std::int64_t{i} * d, share_[entries[i]], d);
  }
}

}  // namespace facet
