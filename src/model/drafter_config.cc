#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "base/printable.h"
#include "formats/gguf/gguf.h"
#include "model/drafter.h"
#include "model/gguf_keys.h"

namespace facet {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kType = "gemma4_assistant", kUnifiedType = "gemma4_unified_assistant";
constexpr std::size_t kMaxConfigBytes = std::size_t{16} << 20;

// A whole number that fits an int; absent or null leaves `value`.
Status read_int(const ordered_json& j, const char* key, int& value) {
  const auto found = j.find(key);
  if (found == j.end() || found->is_null()) return {};
  if (!found->is_number_unsigned() || found->get<std::uint64_t>() > (1u << 30))
    return corrupt(
        fmt::format("config.json: '{}' has a value of the wrong type or range: {}", key, printable(found->dump())));
  value = static_cast<int>(found->get<std::uint64_t>());
  return {};
}

Status read_bool(const ordered_json& j, const char* key, bool& value) {
  const auto found = j.find(key);
  if (found == j.end() || found->is_null()) return {};
  if (!found->is_boolean())
    return corrupt(fmt::format("config.json: '{}' has a value of the wrong type: {}", key, printable(found->dump())));
  value = found->get<bool>();
  return {};
}

std::string type_of(const ordered_json& root) {
  const auto found = root.find("model_type");
  return found != root.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

Result<bool> is_drafter(const std::string& path) {
  if (std::error_code error; std::filesystem::is_directory(path, error)) {
    FACET_ASSIGN(std::string text,
                 read_text_file((std::filesystem::path(path) / "config.json").string(), kMaxConfigBytes));
    const auto root = parse_json(text, "config.json");
    if (!root.ok()) return root.status().with_prefix(path);
    return root->is_object() && (type_of(*root) == kType || type_of(*root) == kUnifiedType);
  } else if (!std::filesystem::exists(path, error)) {
    return not_found(path + ": no such model (expected a folder with config.json, or a .gguf file)");
  }
  FACET_ASSIGN(const GgufFile file, read_gguf(path));
  FACET_ASSIGN(const std::string_view architecture, file.get_string("general.architecture"));
  return architecture == kDrafterArchitecture;
}

// The layers are those of an ordinary decoder, so the reader of those reads them too, once what makes them a drafter's
// is taken out: the model type, and that no layer has a cache.
Result<GemmaConfig> parse_hf_drafter_config(std::string_view text, bool* unified) {
  FACET_ASSIGN(const ordered_json root, parse_json(text, "config.json"));
  if (!root.is_object()) return corrupt("config.json: not a JSON object");
  const std::string type = type_of(root);
  if (type != kType && type != kUnifiedType)
    return unsupported(fmt::format("config.json: model_type is '{}', expected {} or {}: not a drafter{}",
                                   printable(type), kType, kUnifiedType,
                                   type.starts_with("gemma4") ? " but an ordinary model" : ""));
  if (unified != nullptr) *unified = type == kUnifiedType;
  const auto body = root.find("text_config");
  if (body == root.end() || !body->is_object()) return corrupt("config.json: a drafter without a text_config");
  ordered_json layers = *body;
  int n_shared = 0;
  FACET_TRY(read_int(layers, "num_kv_shared_layers", n_shared));
  layers.erase("text_config");
  layers["num_kv_shared_layers"] = 0;
  layers["final_logit_softcapping"] = nullptr;  // the reference's drafter heads never have one
  // 0 in all releases, where the reader of models takes a default for a missing key and wants the two to agree.
  int ple = 0, ple_vocab = 0;
  FACET_TRY(read_int(layers, "hidden_size_per_layer_input", ple));
  FACET_TRY(read_int(layers, "vocab_size_per_layer_input", ple_vocab));
  if (ple != 0 || ple_vocab != 0) return corrupt("config.json: a drafter with per-layer inputs");
  layers["hidden_size_per_layer_input"] = 0;
  bool tied = true, ordered = false;
  FACET_TRY(read_bool(layers, "tie_word_embeddings", tied));
  FACET_TRY(read_bool(root, "tie_word_embeddings", tied));
  layers["tie_word_embeddings"] = tied;
  layers.erase("vocab_size_per_layer_input");
  FACET_ASSIGN(GemmaConfig c, parse_hf_config(layers.dump()));
  if (n_shared != 0 && n_shared != c.n_layers())
    return corrupt(fmt::format("config.json: 'num_kv_shared_layers' is {}, a drafter of {} layers shares them all",
                               n_shared, c.n_layers()));
  c.n_kv_shared_layers = c.n_layers();
  c.target_hidden_size = type == kUnifiedType ? 3840 : 1536;  // transformers' defaults
  FACET_TRY(read_int(root, "backbone_hidden_size", c.target_hidden_size));
  if (c.target_hidden_size == 0) return corrupt("config.json: 'backbone_hidden_size' is 0");
  FACET_TRY(read_bool(root, "use_ordered_embeddings", ordered));
  if (ordered) {
    c.n_clusters = 2048;
    c.n_clusters_used = 32;
    FACET_TRY(read_int(root, "num_centroids", c.n_clusters));
    FACET_TRY(read_int(root, "centroid_intermediate_top_k", c.n_clusters_used));
    if (c.n_clusters == 0) return corrupt("config.json: 'num_centroids' is 0");
  }
  FACET_TRY(c.validate());
  return c;
}

std::string to_hf_drafter_config(const GemmaConfig& config, bool unified) {
  FACET_CHECK(config.is_drafter(), "a drafter's config");
  GemmaConfig plain = config;
  plain.n_kv_shared_layers = 0;
  ordered_json body = ordered_json::parse(to_hf_config(plain));
  body.erase("architectures");
  body["model_type"] = unified ? "gemma4_unified_text" : "gemma4_text";
  body["num_kv_shared_layers"] = config.n_layers();
  body["vocab_size_per_layer_input"] = 0;
  const bool ordered = config.n_clusters > 0;
  ordered_json j = {{"architectures", {unified ? "Gemma4UnifiedAssistantForCausalLM" : "Gemma4AssistantForCausalLM"}},
                    {"model_type", unified ? kUnifiedType : kType},
                    {"backbone_hidden_size", config.target_hidden_size},
                    {"use_ordered_embeddings", ordered},
                    {"num_centroids", ordered ? config.n_clusters : 2048},
                    {"centroid_intermediate_top_k", ordered ? config.n_clusters_used : 32},
                    {"tie_word_embeddings", config.tied_head},
                    {"text_config", body}};
  return j.dump(2) + "\n";
}

int drafter_donor(const GemmaConfig& target, LayerKind kind) {
  for (int l = target.first_shared_layer() - 1; l >= 0; --l)
    if (target.layers[l] == kind) return l;
  return -1;
}

Status check_drafter(const GemmaConfig& drafter, const GemmaConfig& target) {
  auto differs = [](const std::string& what, auto of_drafter, auto of_target) {
    return unsupported(
        fmt::format("the drafter is for another model: its {} is {}, the model's {}", what, of_drafter, of_target));
  };
  if (!drafter.is_drafter()) return unsupported("not a drafter but an ordinary model");
  if (target.is_drafter()) return unsupported("a drafter cannot draft for another one");
  if (drafter.target_hidden_size != target.hidden_size)
    return differs("backbone_hidden_size", drafter.target_hidden_size, target.hidden_size);
  if (drafter.vocab_size != target.vocab_size) return differs("vocabulary", drafter.vocab_size, target.vocab_size);
  for (int l = 0; l < drafter.n_layers(); ++l) {
    const bool global = drafter.is_global(l);
    const int donor = drafter_donor(target, drafter.layers[l]);
    const std::string kind = global ? "global" : "sliding";
    if (donor < 0)
      return unsupported("the drafter needs a " + kind + " layer with a cache of its own, which the model lacks");
    if (drafter.head_size_of(l) != target.head_size_of(donor))
      return differs("head size on " + kind + " layers", drafter.head_size_of(l), target.head_size_of(donor));
    if (drafter.n_kv_heads_of(l) != target.n_kv_heads_of(donor))
      return differs("number of key/value heads on " + kind + " layers", drafter.n_kv_heads_of(l),
                     target.n_kv_heads_of(donor));
    if (!global && drafter.sliding_window != target.sliding_window)
      return differs("sliding window", drafter.sliding_window, target.sliding_window);
    if (drafter.rope_frequencies(l) != target.rope_frequencies(donor))
      return unsupported("the drafter is for another model: its RoPE on " + kind + " layers differs");
  }
  return {};
}

}  // namespace facet
