// scheme.h: which tensor gets which encoding.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/tensor_spec.h"
#include "tensor/dtype.h"

namespace facet {

// The first rule whose pattern is found in the module name (ECMAScript regex, searched, not anchored) decides; bits 0 =
// stays float.
struct BitRule {
  std::string pattern;
  int bits;
};

//   Scheme scheme = *parse_scheme("mobile");  scheme.rules.insert(scheme.rules.begin(), {"embed_tokens$", 4});
struct Scheme {
  enum class Kind { kNone, kQ8_0, kQ4_0, kMobile } kind = Kind::kNone;
  std::vector<BitRule> rules;  // kMobile only; looked at before default_mobile_rules(config)
};
Result<Scheme> parse_scheme(std::string_view name);  // "none" "q8_0" "q4_0" "mobile"
std::string_view name_of(Scheme::Kind kind);

// As the released E2B/E4B have it, for any size of model: attention 4; MLP 4 on layers that own their cache, 2 on
// sharing layers; embedding and head 2; PLE table 4 (one scale per row and layer); PLE gate and projection 8; PLE model
// projection, router and norms float.  E4B-like presets (no double-wide MLP): MLP 4 throughout, PLE table 2.
std::vector<BitRule> default_mobile_rules(const GemmaConfig& config);

// kInvalidArgument, naming the rule: not a regular expression, found in no matrix of the model (a typing error that
// would otherwise pass in silence), or a scheme that has no rules.  dtype_for() refuses bits that the scheme lacks.
Status check_rules(const Scheme& scheme, const GemmaConfig& config);

// The stored type of one tensor under a scheme; kF32 / the source's own float type for what stays float (`float_type`).
Result<DType> dtype_for(const Scheme& scheme, const GemmaConfig& config, const TensorSpec& spec, DType float_type);
// Scale groups per row under the mobile scheme: n_layers for the PLE table, else 1.
int scale_groups(const GemmaConfig& config, const TensorSpec& spec);

}  // namespace facet
