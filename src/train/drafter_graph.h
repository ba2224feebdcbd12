// drafter_graph.h: a drafter in libtorch: what engine/drafter.h computes at one position, at all positions of a text,
// with autograd.  Law: docs/model/drafters.md.
#pragma once

#include <cstdint>
#include <vector>

#include "train/graph.h"
#include "train/loss.h"

namespace facet::train {

// A drafter for `target`: layers of D = hidden and F = ffn, three sliding and one global (of the kinds that the target
// has), a head over all tokens.  heads: of queries; 0 = four, or as many as its key/value heads ask for.
GemmaConfig drafter_for(const GemmaConfig& target, int hidden, int ffn, int heads);

// What a drafter reads of its target, which stays as it is: nothing flows back.
struct TargetStates {
  torch::Tensor hidden;      // [B, T, D'], normed
  torch::Tensor embeddings;  // [B, T, D'], scaled
  struct {
    torch::Tensor k, v;  // [B, T, K, C], as cached
  } sliding, global;     // of the donors; undefined where there is none
};
// tokens: int64 [B, T].
TargetStates target_states(const Graph& target, const torch::Tensor& tokens);

// Chained drafts from every position at once: z of step i, [B, T - 1 - i, D], whose row r began at position r + 1 (it
// saw the keys 0..r and the hidden state of r), was fed the text's tokens r + 1 .. r + 1 + i, and guesses the token
// after them, of index r + 2 + i.  drafter: a Graph over a drafter's config; hooks: of its weights.
std::vector<torch::Tensor> draft_steps(const Graph& drafter, GraphHooks& hooks, const TargetStates& target,
                                       int n_steps);

struct DraftLossOptions {
  int n_steps = 4;
  double decay = 0.8;  // weight of a step, relative to the one before
  LossOptions loss;    // kl_weight: towards the target; ce_weight: towards the text
};
// The weighted mean of the steps' losses (weights add up to 1), as chunked_loss() gives them; n_agree is that of the
// first step.  labels: int64 [B, T], the token after each.
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
