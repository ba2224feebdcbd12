#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "model/config.h"

namespace facet {
namespace {

using nlohmann::ordered_json;

// Reads fields of one JSON object; the first problem is kept and later reads do nothing.
class Fields {
 public:
  explicit Fields(const ordered_json& object) : object_(object) {}

  template <typename T>
  void get(const char* key, T& value) {
    if (!status_.ok() || !has(key)) return;
    const ordered_json& j = object_.at(key);
    bool fits = false;
    if constexpr (std::is_same_v<T, bool>) fits = j.is_boolean();
    else if constexpr (std::is_integral_v<T>) fits = j.is_number_integer() && j.get<std::int64_t>() == static_cast<T>(j.get<std::int64_t>());
    else if constexpr (std::is_floating_point_v<T>) fits = j.is_number();
    else fits = j.is_string();
    if (!fits) {
      fail(key, "has a value of the wrong type or range: " + j.dump());
      return;
    }
    value = j.get<T>();
  }
  bool has(const char* key) const { return object_.contains(key) && !object_.at(key).is_null(); }
  void fail(const std::string& key, const std::string& why) {
    if (status_.ok()) status_ = corrupt("config.json: '" + key + "' " + why);
  }
  const ordered_json& at(const char* key) const { return object_.at(key); }
  const Status& status() const { return status_; }

 private:
  const ordered_json& object_;
  Status status_;
};

void read_layers(Fields& f, GemmaConfig& c) {
  int n_layers = 30;
  f.get("num_hidden_layers", n_layers);
  if (n_layers < 1 || n_layers > 1024) return f.fail("num_hidden_layers", fmt::format("is {}, expected 1 to 1024", n_layers));
  c.layers.clear();
  if (f.has("layer_types")) {
    const ordered_json& types = f.at("layer_types");
    if (!types.is_array() || types.size() != static_cast<std::size_t>(n_layers))
      return f.fail("layer_types", fmt::format("must list {} layers", n_layers));
    for (const auto& type : types) {
      if (type == "sliding_attention") c.layers.push_back(LayerKind::kSliding);
      else if (type == "full_attention") c.layers.push_back(LayerKind::kGlobal);
      else return f.fail("layer_types", "holds an unknown kind: " + type.dump());
    }
  } else {
    for (int l = 0; l < n_layers; ++l) c.layers.push_back(l % 6 == 5 ? LayerKind::kGlobal : LayerKind::kSliding);
  }
  c.layers.back() = LayerKind::kGlobal;  // as the reference does, whatever the list says
}

void read_rope(Fields& f, GemmaConfig& c) {
  if (!f.has("rope_parameters")) return;
  const ordered_json& rope = f.at("rope_parameters");
  auto kind = [&](const char* key) -> const ordered_json* {
    return rope.is_object() && rope.contains(key) && rope.at(key).is_object() ? &rope.at(key) : nullptr;
  };
  const ordered_json *sliding = kind("sliding_attention"), *global = kind("full_attention");
  if (!sliding || !global) return f.fail("rope_parameters", "must have sliding_attention and full_attention");
  std::string type = "default";
  Fields s(*sliding), g(*global);
  s.get("rope_type", type);
  if (type != "default") f.fail("rope_parameters.sliding_attention.rope_type", "is '" + type + "', expected default");
  s.get("rope_theta", c.rope_theta);
  type = "proportional";
  g.get("rope_type", type);
  if (type != "proportional") f.fail("rope_parameters.full_attention.rope_type", "is '" + type + "', expected proportional");
  g.get("rope_theta", c.rope_theta_global);
  g.get("partial_rotary_factor", c.rope_partial_global);
  g.get("factor", c.rope_factor_global);
  for (const Fields* part : {&s, &g})
    if (!part->status().ok()) f.fail("rope_parameters", part->status().message());
}

// transformers >= 5.15 may store the head sizes of global layers per layer.
void read_per_layer(Fields& f, GemmaConfig& c) {
  if (!f.has("per_layer_config") || !f.at("per_layer_config").is_object()) return;
  for (const auto& [index, values] : f.at("per_layer_config").items()) {
    char* end = nullptr;
    long l = std::strtol(index.c_str(), &end, 10);
    if (*end != '\0' || l < 0 || l >= c.n_layers() || !values.is_object())
      return f.fail("per_layer_config", "has an entry '" + index + "' that names no layer");
    if (!c.is_global(static_cast<int>(l))) continue;
    Fields v(values);
    v.get("head_dim", c.global_head_size);
    v.get("num_key_value_heads", c.n_global_kv_heads);
    if (!v.status().ok()) f.fail("per_layer_config", v.status().message());
    return;  // the first global entry speaks for all
  }
}

void read_eos(Fields& f, std::vector<int>& out) {
  if (!f.has("eos_token_id")) return;
  const ordered_json& j = f.at("eos_token_id");
  std::vector<int> ids;
  for (const auto& id : j.is_array() ? j : ordered_json::array({j})) {
    if (!id.is_number_integer()) return f.fail("eos_token_id", "is neither an id nor a list of ids");
    ids.push_back(id.get<int>());
  }
  if (!ids.empty()) out = ids;
}

}  // namespace

Result<GemmaConfig> parse_hf_config(std::string_view text) {
  ordered_json root = ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!root.is_object()) return corrupt("config.json: not a JSON object");
  const ordered_json& body = root.contains("text_config") && root.at("text_config").is_object() ? root.at("text_config") : root;
  Fields f(body), top(root);
  std::string model_type;
  f.get("model_type", model_type);
  if (model_type.rfind("gemma4", 0) != 0)
    return unsupported("config.json: model_type is '" + model_type + "', expected gemma4 (other families are not Facet's)");
  if (model_type.find("assistant") != std::string::npos)
    return unsupported("config.json: this is a drafter (" + model_type + "), not a model that can run alone");

  GemmaConfig c;
  c.vocab_size = 262144;
  c.hidden_size = 2304;
  c.ffn_size = 9216;
  c.n_heads = 8;
  c.n_kv_heads = 4;
  c.head_size = 256;
  c.global_head_size = 512;
  c.sliding_window = 512;
  c.max_positions = 131072;
  c.ple_size = 256;
  f.get("vocab_size", c.vocab_size);
  f.get("hidden_size", c.hidden_size);
  f.get("intermediate_size", c.ffn_size);
  f.get("num_attention_heads", c.n_heads);
  f.get("num_key_value_heads", c.n_kv_heads);
  f.get("head_dim", c.head_size);
  f.get("global_head_dim", c.global_head_size);
  f.get("sliding_window", c.sliding_window);
  f.get("max_position_embeddings", c.max_positions);
  read_layers(f, c);
  if (!f.status().ok()) return f.status();
  f.get("num_kv_shared_layers", c.n_kv_shared_layers);
  f.get("use_double_wide_mlp", c.double_wide_mlp);
  f.get("attention_k_eq_v", c.k_eq_v);
  c.n_global_kv_heads = c.n_kv_heads;
  if (c.k_eq_v) f.get("num_global_key_value_heads", c.n_global_kv_heads);  // honoured only with k_eq_v, as the reference does
  read_per_layer(f, c);
  f.get("hidden_size_per_layer_input", c.ple_size);
  int ple_vocab = c.vocab_size;
  f.get("vocab_size_per_layer_input", ple_vocab);
  if (c.ple_size > 0 && ple_vocab != c.vocab_size)
    f.fail("vocab_size_per_layer_input", fmt::format("is {}, expected vocab_size {}", ple_vocab, c.vocab_size));
  bool moe = false;
  f.get("enable_moe_block", moe);
  if (moe) {
    f.get("num_experts", c.n_experts);
    f.get("top_k_experts", c.n_experts_used);
    f.get("moe_intermediate_size", c.expert_ffn_size);
    if (c.n_experts <= 0) f.fail("num_experts", "is missing although enable_moe_block is true");
  }
  f.get("rms_norm_eps", c.rms_eps);
  f.get("final_logit_softcapping", c.logit_softcap);
  read_rope(f, c);
  std::string activation = "gelu_pytorch_tanh";
  f.get("hidden_activation", activation);
  if (activation != "gelu_pytorch_tanh") f.fail("hidden_activation", "is '" + activation + "', expected gelu_pytorch_tanh");
  bool bias = false;
  f.get("attention_bias", bias);
  if (bias) f.fail("attention_bias", "is true; no Gemma 4 has biases");
  top.get("tie_word_embeddings", c.tied_head);
  f.get("tie_word_embeddings", c.tied_head);
  f.get("pad_token_id", c.pad_token);
  f.get("bos_token_id", c.bos_token);
  read_eos(f, c.eos_tokens);
  read_eos(top, c.eos_tokens);  // the top level knows the chat model's end tokens
  if (!f.status().ok()) return f.status();
  if (!top.status().ok()) return top.status();
  FACET_TRY(c.validate());
  return c;
}

std::string to_hf_config(const GemmaConfig& c, std::string_view quantization_config) {
  ordered_json j = {{"architectures", {"Gemma4ForCausalLM"}},
                    {"model_type", "gemma4_text"},
                    {"vocab_size", c.vocab_size},
                    {"hidden_size", c.hidden_size},
                    {"intermediate_size", c.ffn_size},
                    {"num_hidden_layers", c.n_layers()},
                    {"num_attention_heads", c.n_heads},
                    {"num_key_value_heads", c.n_kv_heads},
                    {"num_global_key_value_heads", nullptr},
                    {"head_dim", c.head_size},
                    {"global_head_dim", c.global_head_size},
                    {"hidden_activation", "gelu_pytorch_tanh"},
                    {"max_position_embeddings", c.max_positions},
                    {"rms_norm_eps", c.rms_eps},
                    {"attention_bias", false},
                    {"attention_k_eq_v", c.k_eq_v},
                    {"sliding_window", c.sliding_window},
                    {"layer_types", ordered_json::array()},
                    {"rope_parameters",
                     {{"sliding_attention", {{"rope_type", "default"}, {"rope_theta", c.rope_theta}}},
                      {"full_attention",
                       {{"rope_type", "proportional"},
                        {"partial_rotary_factor", c.rope_partial_global},
                        {"rope_theta", c.rope_theta_global}}}}},
                    {"num_kv_shared_layers", c.n_kv_shared_layers},
                    {"use_double_wide_mlp", c.double_wide_mlp},
                    {"hidden_size_per_layer_input", c.ple_size},
                    {"vocab_size_per_layer_input", c.vocab_size},
                    {"enable_moe_block", c.has_moe()},
                    {"num_experts", nullptr},
                    {"top_k_experts", nullptr},
                    {"moe_intermediate_size", nullptr},
                    {"final_logit_softcapping", nullptr},
                    {"tie_word_embeddings", c.tied_head},
                    {"pad_token_id", c.pad_token},
                    {"eos_token_id", c.eos_tokens},
                    {"bos_token_id", c.bos_token}};
  // f32 values print as the shortest decimal that reads back as the same float.
  j["rms_norm_eps"] = std::stod(fmt::format("{}", c.rms_eps));
  if (c.logit_softcap > 0) j["final_logit_softcapping"] = std::stod(fmt::format("{}", c.logit_softcap));
  if (c.k_eq_v) j["num_global_key_value_heads"] = c.n_global_kv_heads;
  if (c.rope_factor_global != 1.0) j["rope_parameters"]["full_attention"]["factor"] = c.rope_factor_global;
  for (LayerKind kind : c.layers)
    j["layer_types"].push_back(kind == LayerKind::kGlobal ? "full_attention" : "sliding_attention");
  if (c.has_moe()) {
    j["num_experts"] = c.n_experts;
    j["top_k_experts"] = c.n_experts_used;
    j["moe_intermediate_size"] = c.expert_ffn_size;
  }
  if (!quantization_config.empty()) j["quantization_config"] = ordered_json::parse(quantization_config);
  return j.dump(2) + "\n";
}

}  // namespace facet
