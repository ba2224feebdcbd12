// model.h: a checkpoint bound for running: every tensor found, checked and placed; nothing copied.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "facet/status.h"
#include "model/checkpoint.h"

namespace facet {

// One linear weight as the kernels take it.  rows x cols, row-major, in the file's own bytes.
struct Linear {
  DType dtype = DType::kF32;
  int rows = 0, cols = 0;
  const std::byte* data = nullptr;      // null = this layer has none
  const float* row_scales = nullptr;    // mobile types
  float input_scale = 0, output_scale = 0;  // static int8; 0 = float there
  std::string name;                     // canonical, for observers and messages
};

struct LayerWeights {
  Linear q, k, v, o, gate, up, down, ple_gate, ple_proj, router;
  std::vector<Linear> experts_gate_up, experts_down;  // one per expert
  const float *attn_norm, *q_norm, *k_norm, *post_attn_norm, *ffn_norm, *post_ffn_norm, *post_ple_norm;
  const float *ffn_norm_2, *post_ffn_norm_1, *post_ffn_norm_2, *router_scale, *expert_scale;
  float scalar = 1.0f;
  CacheScales cache_scales;
};

//   Result<Model> model = Model::load("out/model");   Session session(*model, {...});
// Immutable and shareable between sessions, which it must outlive.  Weights stay in the mapping the checkpoint owns;
// only vectors (norms, scalars) are kept as f32 copies.
class Model {
 public:
  static Result<Model> load(const std::string& path);
  static Result<Model> bind(Checkpoint checkpoint);  // keeps the checkpoint's owners alive
  const GemmaConfig& config() const { return checkpoint_.config; }
  const Checkpoint& checkpoint() const { return checkpoint_; }
  const std::vector<LayerWeights>& layers() const { return layers_; }
  const TensorView& embedding() const { return embedding_; }
  const TensorView& ple_table() const { return ple_table_; }
  const Linear& ple_model_proj() const { return ple_model_proj_; }
  const Linear& head() const { return head_; }
  const float* ple_proj_norm() const { return ple_proj_norm_; }
  const float* output_norm() const { return output_norm_; }

 private:
  Checkpoint checkpoint_;
  std::vector<LayerWeights> layers_;
  std::vector<std::unique_ptr<float[]>> vectors_;
  TensorView embedding_, ple_table_;
  Linear ple_model_proj_, head_;
  const float *ple_proj_norm_ = nullptr, *output_norm_ = nullptr;
};

}  // namespace facet
