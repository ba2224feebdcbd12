// tensor_spec.h: the tensors a config implies, with both worlds' names.  Loader, writers, trainer and PTQ all walk this
// list.
#pragma once

#include <string>
#include <vector>

#include "model/config.h"
#include "tensor/tensor.h"

namespace facet {

// What a tensor is for.
enum class Role {
  // one each
  kEmbedding,
  kHead,
  kPleTable,
  kPleModelProj,
  kPleProjNorm,
  kOutputNorm,
  // per layer: attention
  kAttnNorm,
  kQ,
  kK,
  kV,
  kO,
  kQNorm,
  kKNorm,
  kPostAttnNorm,
  // per layer: dense MLP
  kFfnNorm,
  kGate,
  kUp,
  kDown,
  kPostFfnNorm,
  // per layer: injection of the per-layer embedding, and the scalar at the end
  kPleGate,
  kPleProj,
  kPostPleNorm,
  kLayerScalar,
  // per layer: mixture of experts
  kRouter,
  kRouterScale,
  kExpertScale,
  kExpertsGateUp,
  kExpertsDown,
  kFfnNorm2,
  kPostFfnNorm1,
  kPostFfnNorm2,
  // drafters: what brings token and hidden state together, what leads back to the model's width, the clusters'
  // centroids
  kPreProjection,
  kPostProjection,
  kCentroids,
};

struct TensorSpec {
  Role role;
  int layer;  // -1 for model-wide tensors
  std::string
      name;  // canonical: the Hugging Face name after the decoder prefix, e.g. "layers.3.self_attn.q_proj.weight"
  std::string gguf_name;
  Shape shape;     // {out, in}; experts {n, out, in}; vectors {n}
  bool is_matrix;  // multiplied or gathered (quantizable); false for norms, scalars, router scales
};

// In a fixed order: model-wide first, then layer by layer.  Without the dead k/v tensors of sharing layers; the head
// only when untied.  rope_freqs (GGUF only, derived) is not listed, nor is a drafter's token ordering, which is no
// numbers to compute with (Checkpoint::token_ordering).
std::vector<TensorSpec> tensor_specs(const GemmaConfig& config);

// "layers.3.self_attn.q_proj": the module a weight belongs to, as quantization rules and activation scales name it.
std::string module_name(const TensorSpec& spec);

// True for the matrices that are applied as y = W x to activations (all but tables that are only gathered).
bool is_linear(Role role);

}  // namespace facet
