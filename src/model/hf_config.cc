#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/json.h"
#include "base/printable.h"
#include "model/config.h"

namespace facet {
namespace {

using nlohmann::ordered_json;

bool fits_int(const ordered_json& j) {
  if (j.is_number_unsigned()) return j.get<std::uint64_t>() <= std::numeric_limits<int>::max();
  return j.is_number_integer() && j.get<std::int64_t>() >= std::numeric_limits<int>::min();
}

std::string excerpt(const ordered_json& j) { return printable(j.dump()); }

// Reads fields of one JSON object; the first problem is kept and later reads do nothing.
class Fields {
 public:
  explicit Fields(const ordered_json& object) : object_(object) {}

  template <typename T>
  void get(const char* key, T& value) {
    if (!status_.ok() || !has(key)) return;
    const ordered_json& j = object_.at(key);
    bool fits = false;
    if constexpr (std::is_same_v<T, bool>)
      fits = j.is_boolean();
    else if constexpr (std::is_integral_v<T>)
      fits = fits_int(j);
    else if constexpr (std::is_floating_point_v<T>)
      fits = j.is_number();
    else
      fits = j.is_string();
    if (!fits) {
      fail(key, "has a value of the wrong type or range: " + excerpt(j));
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
  if (n_layers < 1 || n_layers > 1024)
    return f.fail("num_hidden_layers", fmt::format("is {}, expected 1 to 1024", n_layers));
  c.layers.clear();
  if (f.has("layer_types")) {
    const ordered_json& types = f.at("layer_types");
    if (!types.is_array() || types.size() != static_cast<std::size_t>(n_layers))
      return f.fail("layer_types", fmt::format("must list {} layers", n_layers));
    for (const auto& type : types) {
      if (type == "sliding_attention")
        c.layers.push_back(LayerKind::kSliding);
      else if (type == "full_attention")
        c.layers.push_back(LayerKind::kGlobal);
      else
        return f.fail("layer_types", "holds an unknown kind: " + excerpt(type));
    }
  } else {
    for (int l = 0; l < n_layers; ++l) c.layers.push_back(l % 6 == 5 ? LayerKind::kGlobal : LayerKind::kSliding);
  }
  c.layers.back() = LayerKind::kGlobal;  // as the reference does, whatever the list says
}

// Position scaling of any other kind would change every angle: refused, never ignored.
void read_rope_kind(Fields& f, const ordered_json& rope, const char* kind, const char* wanted_type, double& theta,
                    double* partial, double* factor) {
  if (!rope.is_object() || !rope.contains(kind) || !rope.at(kind).is_object())
    return f.fail("rope_parameters", "must have sliding_attention and full_attention");
  Fields values(rope.at(kind));
  std::string type = wanted_type;
  values.get("rope_type", type);
  if (type != wanted_type)
    f.fail(std::string("rope_parameters.") + kind + ".rope_type",
           "is '" + printable(type) + "', expected " + wanted_type);
  values.get("rope_theta", theta);
  if (partial) values.get("partial_rotary_factor", *partial);
  if (factor) values.get("factor", *factor);
  if (!values.status().ok()) f.fail("rope_parameters", "has a bad entry: " + values.status().message());
}

void read_rope(Fields& f, GemmaConfig& c) {
  // rope_scaling is what transformers before version 5 calls the same object.
  const char* key = f.has("rope_parameters") ? "rope_parameters" : "rope_scaling";
  if (!f.has(key)) return;
  read_rope_kind(f, f.at(key), "sliding_attention", "default", c.rope_theta, nullptr, nullptr);
  read_rope_kind(f, f.at(key), "full_attention", "proportional", c.rope_theta_global, &c.rope_partial_global,
                 &c.rope_factor_global);
}

// transformers >= 5.15 may store head sizes per layer; layers of one kind must agree.
void read_per_layer(Fields& f, GemmaConfig& c) {
  if (!f.has("per_layer_config")) return;
  const ordered_json& layers = f.at("per_layer_config");
  if (!layers.is_object()) return f.fail("per_layer_config", "is not an object");
  bool seen[2] = {false, false};
  for (const auto& [index, entry] : layers.items()) {
    int l = -1;
    auto [end, error] = std::from_chars(index.data(), index.data() + index.size(), l);
    if (error != std::errc() || end != index.data() + index.size() || l < 0 || l >= c.n_layers() || !entry.is_object())
      return f.fail("per_layer_config", "has an entry '" + printable(index) + "' that names no layer");
    int& size = c.is_global(l) ? c.global_head_size : c.head_size;
    int& kv = c.is_global(l) ? c.n_global_kv_heads : c.n_kv_heads;
    int this_size = size, this_kv = kv;
    Fields values(entry);
    values.get("head_dim", this_size);
    values.get("num_key_value_heads", this_kv);
    if (!values.status().ok()) return f.fail("per_layer_config", "has a bad entry: " + values.status().message());
    if (seen[c.is_global(l)] && (this_size != size || this_kv != kv))
      return f.fail("per_layer_config", "gives layer " + index + " other heads than another layer of its kind");
    seen[c.is_global(l)] = true;
    size = this_size;
    kv = this_kv;
  }
}

void read_eos(Fields& f, std::vector<int>& out) {
  if (!f.has("eos_token_id")) return;
  const ordered_json& j = f.at("eos_token_id");
  std::vector<int> ids;
  for (const auto& id : j.is_array() ? j : ordered_json::array({j})) {
    if (!fits_int(id)) return f.fail("eos_token_id", "is neither an id nor a list of ids");
    ids.push_back(id.get<int>());
  }
  if (!ids.empty()) out = ids;
}

}  // namespace

Result<GemmaConfig> parse_hf_config(std::string_view text) {
  FACET_ASSIGN(const ordered_json root, parse_json(text, "config.json"));
  if (!root.is_object()) return corrupt("config.json: not a JSON object");
  const bool nested = root.contains("text_config") && root.at("text_config").is_object();
  const ordered_json& body = nested ? root.at("text_config") : root;
  Fields f(body), top(root);
  std::string outer_type, model_type;
  top.get("model_type", outer_type);
  model_type = outer_type;
  f.get("model_type", model_type);
  FACET_TRY(top.status());
  FACET_TRY(f.status());
  for (const std::string& type : {outer_type, model_type}) {
    if (type.find("assistant") != std::string::npos)
      return unsupported("config.json: this is a drafter (" + printable(type) + "), not a model that can run alone");
  }
  if (!model_type.starts_with("gemma4"))
    return unsupported("config.json: model_type is '" + printable(model_type) +
                       "', expected gemma4 (other families are not Facet's)");

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
  if (c.k_eq_v)
    f.get("num_global_key_value_heads", c.n_global_kv_heads);  // honoured only with k_eq_v, as the reference does
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
  if (activation != "gelu_pytorch_tanh")
    f.fail("hidden_activation", "is '" + printable(activation) + "', expected gelu_pytorch_tanh");
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

namespace {

ordered_json text_config(const GemmaConfig& c) {
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
  return j;
}

void set_quantization(std::string_view quantization_config, ordered_json& root) {
  root.erase("quantization_config");
  if (quantization_config.empty()) return;
  root["quantization_config"] = ordered_json::parse(quantization_config, nullptr, /*allow_exceptions=*/false);
  FACET_CHECK(root["quantization_config"].is_object(), "quantization_config is a JSON object");
}

}  // namespace

std::string to_hf_config(const GemmaConfig& c, std::string_view quantization_config) {
  ordered_json j = text_config(c);
  set_quantization(quantization_config, j);
  return j.dump(2) + "\n";
}

Result<std::string> to_hf_config_within(std::string_view around, const GemmaConfig& c,
                                        std::string_view quantization_config) {
  FACET_ASSIGN(ordered_json root, parse_json(around, "config.json"));
  if (!root.is_object() || !root.contains("text_config") || !root.at("text_config").is_object())
    return corrupt("config.json: towers without a text_config");
  ordered_json& text = root["text_config"];
  text.erase("quantization_config");
  const ordered_json ours = text_config(c);
  for (const auto& [key, value] : ours.items()) {
    // What the source calls itself, and the ids, which may be said at either level, are not changed by us.
    const bool kept = key == "architectures" || key == "model_type" || key.ends_with("_token_id");
    if (!kept) text[key] = value;
  }
  root["tie_word_embeddings"] = c.tied_head;
  set_quantization(quantization_config, root);
  return root.dump(2) + "\n";
}

}  // namespace facet
