// reference.h: Gemma 4's forward pass as plain loops over a whole sequence.  Law: docs/model/gemma4.md.
// The meaning every faster version is compared with; read it beside the law, and never optimise it.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "model/checkpoint.h"

namespace facet {

struct ReferenceOptions {
  // The static int8 clamps of the mobile scheme, in fake-quantized form: on linears, and on what goes into the cache.
  bool linear_scales = true, cache_scales = true;
  // Sees named intermediate values of one position, e.g. "layers.3.k"; reference.cc names them where they arise.
  std::function<void(const std::string& name, int position, std::span<const double> values)> trace;
};

//   Reference reference(checkpoint);
//   std::vector<double> logits = reference.logits(tokens);   // [T, V], soft-capped
// Decodes every tensor to f32, keeps every activation in f64, has no cache and no batches: small models only.
// The checkpoint must be complete (Model::bind says whether it is); tokens must lie in the vocabulary.
class Reference {
 public:
  explicit Reference(const Checkpoint& checkpoint, ReferenceOptions options = {});
  std::vector<double> logits(std::span<const int> tokens) const;

 private:
  using Vec = std::vector<double>;
  using Rows = std::vector<Vec>;  // one per position
  struct Weight {
    Tensor values;
    ActivationScales scales;
  };

  const Weight& weight(Role role, int layer = -1) const { return weights_.at({role, layer}); }
  bool has(Role role, int layer = -1) const { return weights_.count({role, layer}) > 0; }
  Vec table_row(Role role, int index) const;
  Vec vector(Role role, int layer) const;
  Vec multiply(const Weight& weight, std::int64_t first_row, std::int64_t n_rows, const Vec& x) const;
  Vec linear(Role role, int layer, const Vec& x) const;
  Vec norm(Vec x, Role role, int layer) const;
  Vec rms(Vec x) const;
  void rope(double* head, int layer, int position) const;
  Vec mlp(int layer, const Vec& m) const;
  Vec experts(int layer, const Vec& r, int position) const;
  Rows per_layer_inputs(int token, const Vec& x0, int position) const;
  void trace(int layer, const char* name, int position, const Vec& values) const;

  GemmaConfig config_;
  std::vector<CacheScales> cache_scales_;
  ReferenceOptions options_;
  std::map<std::pair<Role, int>, Weight> weights_;
};

}  // namespace facet
