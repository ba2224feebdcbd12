// hooks.h: what stands between a stored parameter or an activation and its use in the graph.
// The float graph uses this base class; QuantizerSet (quantizers.h) overrides it for quantization-aware training.
#pragma once

#include "train/torch.h"

#include <string>

namespace facet::train {

// Called from inside forward(), possibly again while a checkpointed block is recomputed: same inputs must give same
// outputs within one optimizer step.  Shapes as given; B batch, T tokens (docs/architecture.md has the letters).
class GraphHooks {
 public:
  virtual ~GraphHooks() = default;
  // The matrix the graph multiplies by.  name: canonical tensor name.  w: the latent parameter.
  virtual torch::Tensor weight(const std::string& /*name*/, const torch::Tensor& w) { return w; }
  // Rows of a table.  ids: int64, any shape S; returns S + [cols], before any embedding scale.
  virtual torch::Tensor gather(const std::string& /*name*/, const torch::Tensor& table, const torch::Tensor& ids) {
    return torch::embedding(table, ids);
  }
  // The input of one linear, or of several that share it (q/k/v: called once with q_proj's module name; gate/up: with
  // gate_proj's), and the output of each linear.  module: "layers.3.mlp.down_proj".
  virtual torch::Tensor linear_input(const std::string& /*module*/, const torch::Tensor& x) { return x; }
  virtual torch::Tensor linear_output(const std::string& /*module*/, const torch::Tensor& y) { return y; }
  // What goes into the cache of a layer that owns one: k after norm and RoPE, v after its norm.
  virtual torch::Tensor cached_key(int /*layer*/, const torch::Tensor& k) { return k; }
  virtual torch::Tensor cached_value(int /*layer*/, const torch::Tensor& v) { return v; }
};

}  // namespace facet::train
