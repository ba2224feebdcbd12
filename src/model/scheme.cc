#include "model/scheme.h"

#include <fmt/format.h>

#include <regex>

#include "quant/codec.h"

namespace facet {

Result<Scheme> parse_scheme(std::string_view name) {
  for (auto kind : {Scheme::Kind::kNone, Scheme::Kind::kQ8_0, Scheme::Kind::kQ4_0, Scheme::Kind::kMobile})
    if (name_of(kind) == name) return Scheme{kind, {}};
  return invalid_argument(fmt::format("unknown scheme '{}' (none, q8_0, q4_0 or mobile)", name));
}

std::string_view name_of(Scheme::Kind kind) {
  switch (kind) {
    case Scheme::Kind::kNone:
      return "none";
    case Scheme::Kind::kQ8_0:
      return "q8_0";
    case Scheme::Kind::kQ4_0:
      return "q4_0";
    case Scheme::Kind::kMobile:
      return "mobile";
  }
  return "";
}

std::vector<BitRule> default_mobile_rules(const GemmaConfig& config) {
  std::vector<BitRule> rules{{R"(embed_tokens$)", 2}, {R"(^lm_head$)", 2}};
  // E4B has no double-wide layers: its MLPs are all 4-bit and its per-layer table is 2-bit.
  bool wide = config.double_wide_mlp && config.n_kv_shared_layers > 0;
  rules.push_back({R"(embed_tokens_per_layer$)", wide ? 4 : 2});
  rules.push_back({R"(layers\.\d+\.self_attn\.)", 4});
  if (wide) {
    std::string owning;
    for (int l = 0; l < config.first_shared_layer(); ++l) owning += fmt::format("{}{}", l ? "|" : "", l);
    rules.push_back({fmt::format(R"(layers\.({})\.mlp\.)", owning), 4});
    rules.push_back({R"(layers\.\d+\.mlp\.)", 2});
  } else {
    rules.push_back({R"(layers\.\d+\.mlp\.)", 4});
  }
  rules.push_back({R"(layers\.\d+\.experts\.)", 4});
  rules.push_back({R"(layers\.\d+\.per_layer_input_gate$)", 8});
  rules.push_back({R"(layers\.\d+\.per_layer_projection$)", 8});
  return rules;
}

namespace {

Result<bool> speaks_of(const BitRule& rule, const std::string& module) {
  try {
    return std::regex_search(module, std::regex(rule.pattern));
  } catch (const std::regex_error&) {
    return invalid_argument("rule '" + rule.pattern + "' is not a regular expression");
  }
}

}  // namespace

Status check_rules(const Scheme& scheme, const GemmaConfig& config) {
  if (scheme.rules.empty()) return {};
  if (scheme.kind != Scheme::Kind::kMobile)
    return invalid_argument(fmt::format("rule '{}': the scheme {} has no rules, only mobile has",
                                        scheme.rules.front().pattern, name_of(scheme.kind)));
  const std::vector<TensorSpec> specs = tensor_specs(config);
  for (const BitRule& rule : scheme.rules) {
    bool found = false;
    for (const TensorSpec& spec : specs) {
      if (!spec.is_matrix) continue;
      FACET_ASSIGN(found, speaks_of(rule, module_name(spec)));
      if (found) break;
    }
    if (!found)
      return invalid_argument(fmt::format("rule '{}' matches no matrix of this model; names are such as {}",
                                          rule.pattern, module_name(specs.front())));
  }
  return {};
}

Result<DType> dtype_for(const Scheme& scheme, const GemmaConfig& config, const TensorSpec& spec, DType float_type) {
  // Vectors and the router stay f32-like in every scheme: they are tiny and everything depends on them.
  if (!spec.is_matrix || spec.role == Role::kRouter) return float_type;
  switch (scheme.kind) {
    case Scheme::Kind::kNone:
      return float_type;
    case Scheme::Kind::kQ8_0:
    case Scheme::Kind::kQ4_0:
      if (spec.shape.back() % 32 != 0)
        return invalid_argument(fmt::format("{}: rows of {} weights, {} needs a multiple of 32", spec.name,
                                            spec.shape.back(), name_of(scheme.kind)));
      return scheme.kind == Scheme::Kind::kQ8_0 ? DType::kQ8_0 : DType::kQ4_0;
    case Scheme::Kind::kMobile:
      break;
  }
  if (spec.role == Role::kPleModelProj) return float_type;
  std::string module = module_name(spec);
  auto decide = [&](const std::vector<BitRule>& rules) -> Result<int> {
    for (const BitRule& rule : rules) {
      FACET_ASSIGN(bool found, speaks_of(rule, module));
      if (found) return rule.bits;
    }
    return -1;
  };
  FACET_ASSIGN(int bits, decide(scheme.rules));
  if (bits < 0) {
    FACET_ASSIGN(bits, decide(default_mobile_rules(config)));
  }
  if (bits <= 0) return float_type;
  if (bits != 2 && bits != 4 && bits != 8)
    return invalid_argument(fmt::format("{}: {} bits asked for, the mobile scheme has 2, 4 and 8", module, bits));
  return row_type_of_bits(bits);
}

int scale_groups(const GemmaConfig& config, const TensorSpec& spec) {
  return spec.role == Role::kPleTable ? config.n_layers() : 1;
}

}  // namespace facet
