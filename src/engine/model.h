// model.h: a checkpoint bound for running: every tensor found, checked and placed; nothing copied.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/huge_pages.h"
#include "facet/status.h"
#include "model/checkpoint.h"

namespace facet {

// One linear weight as the kernels take it.  rows x cols, row-major, in the file's own bytes.
struct Linear {
  DType dtype = DType::kF32;
  int rows = 0, cols = 0;
  const std::byte* data = nullptr;          // null = this layer has none
  const float* row_scales = nullptr;        // mobile types
  float input_scale = 0, output_scale = 0;  // static int8; 0 = float there
  std::string name;                         // canonical tensor name, for observers and messages
  std::string module;                       // as quantization rules name it: "layers.3.mlp.down_proj"
  int expert = -1;                          // which slice of a stacked expert tensor
};

struct LayerWeights {
  Linear q, k, v, o, gate, up, down, ple_gate, ple_proj, router;
  std::vector<Linear> experts_gate_up, experts_down;  // one per expert
  const float *attn_norm = nullptr, *q_norm = nullptr, *k_norm = nullptr, *post_attn_norm = nullptr;
  const float *ffn_norm = nullptr, *post_ffn_norm = nullptr, *post_ple_norm = nullptr;
  const float *ffn_norm_2 = nullptr, *post_ffn_norm_1 = nullptr, *post_ffn_norm_2 = nullptr;
  const float *router_scale = nullptr, *expert_scale = nullptr;
  float scalar = 1.0f;
  CacheScales cache_scales;
};

//   Result<Model> model = Model::load("out/model");   Session session(*model, {...});
// Immutable and shareable between sessions, which it must outlive.  Weights stay in the mapping the checkpoint owns;
// only vectors (norms, scalars) are kept as f32 copies, and what a file laid out unaligned for its type.  The head of a
// drafter with clusters is read from its file, not through the mapping, into the order of the clusters: a step takes a
// few of them, and rows that lie anywhere cost more to find than to multiply.
class Model {
 public:
  static Result<Model> load(const std::string& path);
  // Keeps the checkpoint's owners alive.  kNotFound: a tensor is missing; kCorrupt: a wrong shape or size, a number
  // that is not finite in a vector or scale; kUnsupported: an encoding this tensor cannot have.  The message names the
  // tensor.
  static Result<Model> bind(Checkpoint checkpoint);
  const GemmaConfig& config() const { return checkpoint_.config; }
  const Checkpoint& checkpoint() const { return checkpoint_; }
  const std::vector<LayerWeights>& layers() const { return layers_; }
  const TensorView& embedding() const { return embedding_; }  // may be empty in drafters
  const TensorView& ple_table() const { return ple_table_; }
  const Linear& ple_model_proj() const { return ple_model_proj_; }
  // Of a drafter with clusters: row i has the logit of token_ordering[i].
  const Linear& head() const { return head_; }
  // Of drafters; without data in other models, and the last one without clusters too.
  const Linear& pre_projection() const { return pre_projection_; }
  const Linear& post_projection() const { return post_projection_; }
  const Linear& centroids() const { return centroids_; }
  const float* ple_proj_norm() const { return ple_proj_norm_; }
  const float* output_norm() const { return output_norm_; }

 private:
  class Binder;
  Model() = default;
  Checkpoint checkpoint_;
  std::vector<LayerWeights> layers_;
  std::vector<std::unique_ptr<float[]>> vectors_;
  std::vector<std::unique_ptr<std::byte[]>> realigned_;
  std::vector<std::byte, HugePageAllocator<std::byte>> ordered_head_;
  TensorView embedding_, ple_table_;
  Linear ple_model_proj_, head_, pre_projection_, post_projection_, centroids_;
  const float *ple_proj_norm_ = nullptr, *output_norm_ = nullptr;
};

}  // namespace facet
