// drafter_graph.h: a drafter in libtorch: what engine/drafter.h computes at one position, at all positions of a text,
// with autograd.  Law: docs/model/drafters.md.
#pragma once

#include <cstdint>
#include <vector>

#include "train/graph.h"

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

// Of an ordered head, through the hooks: [clusters, D].
inline constexpr const char* kCentroidsName = "masked_embedding.centroids.weight";
torch::Tensor centroids(const Graph& drafter, GraphHooks& hooks);
// The token that each row of z, [.., D], would draft: of all, or where the drafter's head is ordered, of its best
// clusters.  int64 [..].
torch::Tensor draft_tokens(const Graph& drafter, GraphHooks& hooks, const torch::Tensor& z);
// The most probable token of each row of the target's hidden states.
torch::Tensor best_tokens(const Graph& target, const torch::Tensor& hidden);

}  // namespace facet::train
