// draft_loss.h: what a drafter is trained for, and how often its drafts would be kept.  docs/model/drafters.md,
// "Training".
#pragma once

#include <cstdint>
#include <vector>

#include "train/drafter_graph.h"
#include "train/loss.h"

namespace facet::train {

enum class DraftGoal {
  kDistribution,  // each step's loss, weighted
  kLength,        // the tokens that a round is expected to give: steps weigh what their rightness is worth in each row
  kClusters,      // the chance of each cluster, for the centroids of an ordered head alone
};

struct DraftLossOptions {
  int n_steps = 4;
  double decay = 0.8;  // weight of a step, relative to the one before
  DraftGoal goal = DraftGoal::kDistribution;
  LossOptions loss;  // kl_weight: towards the target; ce_weight: towards the text; overlap: what "right" means
};
// kDistribution, kClusters: the weighted mean of the steps' losses (weights add up to 1), as chunked_loss() gives them;
// n_agree is that of the first step.  kClusters: over clusters instead of tokens.
// kLength: the sum over rows of -(1 + A_1 + ... + A_n) but for a constant in its gradient, A_j the product of the first
// j overlaps; `total` and `loss` are that sum. accepted_sum: the sum over rows of A_1 + ... + A_n, where loss.overlap
// asks for it. labels: int64 [B, T], the token after each.
LossResult draft_loss(const Graph& drafter, GraphHooks& hooks, const Graph& target, const torch::Tensor& tokens,
                      const torch::Tensor& labels, const DraftLossOptions& options);

// Added over batches: of n positions, at how many the first 1, 2, ... drafts are all the target's own choice.  Drafts
// are fed by the text, so this is what decoding accepts only where the target would have written the text.
struct DraftAgreement {
  std::int64_t n = 0;
  std::vector<std::int64_t> right;  // [n_steps]
  double share(std::size_t depth) const { return n > 0 ? double(right[depth]) / double(n) : 0; }
  double mean_length() const;  // tokens of a round: 1 + the sum of shares
};
void add_agreement(const Graph& drafter, GraphHooks& hooks, const Graph& target, const torch::Tensor& tokens,
                   int n_steps, DraftAgreement& out);

}  // namespace facet::train
