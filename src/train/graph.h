// graph.h: Gemma 4 in libtorch: the same computation as the engine, with autograd (docs/model/gemma4.md).
#pragma once

#include <map>
#include <string>

#include "facet/status.h"
#include "model/checkpoint.h"
#include "model/config.h"
#include "train/hooks.h"
#include "train/torch.h"

namespace facet::train {

struct GraphOptions {
  torch::Device device = torch::kCPU;
  torch::Dtype compute = torch::kFloat32;  // or kBFloat16: matrix products only; norms, softmax and loss stay f32
  bool checkpoint_blocks = false;          // keep only block inputs, recompute each block in backward
};

// Forward and backward on the CPU run on at::get_num_threads() threads with the same bits for any number of them.
//   Result<Graph> graph = Graph::from_checkpoint(checkpoint, {});
//   torch::Tensor hidden = graph->forward(tokens, hooks);        // [B, T, D], after the final norm
//   LossResult r = chunked_loss(...)                             // loss.h: head, softcap, CE / KL, never all logits at
//   once
// Parameters are f32 leaves by canonical name (model/tensor_spec.h).  Positions run 0..T-1 in each row of the batch.
// With checkpoint_blocks, backward() calls the hooks again (they must live until then), and reaches parameters only
// through their .grad: use backward(), not torch::autograd::grad.
class Graph {
 public:
  // Any stored type; quantized tensors become the floats they decode to.  kCorrupt / kNotFound name the tensor that is
  // missing, of the wrong shape, or not finite.
  static Result<Graph> from_checkpoint(const Checkpoint& checkpoint, GraphOptions options);
  // Fresh weights for training from scratch.
  static Graph initialize(const GemmaConfig& config, std::uint64_t seed, GraphOptions options);

  // tokens: int64 [B, T].  Returns [B, T, D] f32, the normed final hidden state.
  torch::Tensor forward(const torch::Tensor& tokens, GraphHooks& hooks) const;
  // logits [N, V] f32 (soft-capped) of hidden rows [N, D]; for tests and small vocabularies.
  torch::Tensor logits(const torch::Tensor& hidden, GraphHooks& hooks) const;
  // The head matrix [V, D] through the hooks (the embedding when tied).
  torch::Tensor head(GraphHooks& hooks) const;

  const GemmaConfig& config() const { return config_; }
  const GraphOptions& options() const { return options_; }
  // Of a drafter with clusters: its tokens, cluster after cluster, int64 [V]; else undefined.
  const torch::Tensor& token_ordering() const { return token_ordering_; }
  std::map<std::string, torch::Tensor>& parameters() { return parameters_; }
  const std::map<std::string, torch::Tensor>& parameters() const { return parameters_; }
  // The present weights as f32 tensors (or bf16 when asked), ready for save_hf.
  Checkpoint to_checkpoint(DType dtype = DType::kF32) const;

 private:
  Graph(const GemmaConfig& config, const GraphOptions& options) : config_(config), options_(options) {}
  GemmaConfig config_;
  GraphOptions options_;
  std::map<std::string, torch::Tensor> parameters_;
  torch::Tensor token_ordering_;
};

}  // namespace facet::train
