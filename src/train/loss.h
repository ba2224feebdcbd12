// loss.h: losses over the vocabulary that never hold the logits of more than a chunk of tokens (spec/qat-training.md
// 4).
#pragma once

#include <cstdint>
#include <functional>

#include "train/torch.h"

namespace facet::train {

// A position whose label is this counts for nothing: no loss, no gradient, no metric.
inline constexpr std::int64_t kNoLabel = -100;

// What the student is compared with: final hidden states and a head, or logits made on demand.  Nothing flows back into
// it.
struct Teacher {
  torch::Tensor hidden;  // [N, Dt] or [B, T, Dt], normed
  torch::Tensor head;    // [V, Dt]
  float softcap = 0;     // 0 = none
  // Used when `hidden` is undefined: the teacher's final (soft-capped) logits [count, V] of tokens first ..
  // first+count-1.
  std::function<torch::Tensor(std::int64_t first, std::int64_t count)> logits;
};

// How much of the teacher's distribution P a student's Q covers: the chance that a draft drawn from Q is kept.
enum class Overlap {
  kNone,
  kShared,  // sum over x of min(P(x), Q(x)): texts are drawn (Leviathan et al. 2023, arXiv 2211.17192, corollary 3.6)
  kBest,    // Q(argmax P): texts are greedy
};

// loss = sum over counted tokens of token_weight * (ce_weight * CE + kl_weight * KL(teacher || student) + miss_weight *
// (1 - overlap)).
struct LossOptions {
  double ce_weight = 1.0;
  double kl_weight = 0.0;                  // needs a teacher
  double miss_weight = 0.0;                // needs a teacher and an overlap
  Overlap overlap = Overlap::kNone;        // costs more on the CPU: composed of ATen
  float softcap = 0;                       // of the student: GemmaConfig::logit_softcap
  torch::Dtype compute = torch::kFloat32;  // of the products with the head
  std::int64_t chunk_tokens = 0;           // 0 = chosen by the size of the vocabulary
};

// Everything is a sum, so that averages over micro-batches and processes are right: add, then divide once.
struct LossResult {
  torch::Tensor loss;         // 0-dimensional, differentiable; a sum: divide by the global weight_sum before backward()
  double total = 0;           // the value of `loss`, in f64
  double weight_sum = 0;      // of counted tokens; equals n_tokens without token weights
  std::int64_t n_tokens = 0;  // counted tokens
  double ce_sum = 0;          // nats over counted tokens, each weighing 1; whatever ce_weight is
  double kl_sum = 0;          // with a teacher
  std::int64_t n_correct = 0;  // the student's best token is the label
  std::int64_t n_agree = 0;    // the student's best token is the teacher's
  torch::Tensor overlap;       // f32 [N] where asked for; 0 where no label counts
  double accepted_sum = 0;     // of drafters (drafter_graph.h)
};

//   LossResult r = chunked_loss(hidden, graph.head(hooks), labels, {.softcap = config.logit_softcap});
//   (r.loss / n_global_tokens).backward();
// hidden: [N, D] or [B, T, D]; head: [V, D]; labels: int64, N of them (any shape).  token_weights: empty or N f32
// values. Loss and both gradients are computed here and now; backward() only scales them, so it costs nothing more.
// Without gradients (NoGradGuard, or neither input wants one) only the sums are computed. Results do not depend on
// chunk_tokens beyond rounding, and not at all on the number of threads.
LossResult chunked_loss(const torch::Tensor& hidden, const torch::Tensor& head, const torch::Tensor& labels,
                        const LossOptions& options, const Teacher* teacher = nullptr,
                        const torch::Tensor& token_weights = {});

}  // namespace facet::train
