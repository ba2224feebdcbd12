// config.json, generation_config.json, and the quantization_config in the former.
#include <utility>

#include "malformed.h"

namespace facet::malformed {
namespace {

std::string repeat(std::string_view piece, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += piece;
  return out;
}

// Cases that change a good text in one place.
class Changes {
 public:
  Changes(std::string good, std::vector<Case>& out) : good_(std::move(good)), out_(out) {}
  // The first `from` becomes `to`.
  void operator()(const char* name, std::string_view from, std::string_view to, std::string message,
                  Code code = Code::kCorrupt) {
    out_.push_back({name, replace_first(good_, from, to), code, std::move(message)});
  }

 private:
  std::string good_;
  std::vector<Case>& out_;
};

// What no JSON file may be.
void add_text_cases(const std::string& good, const std::string& file, std::vector<Case>& out) {
  auto bad = [&](const char* name, std::string text, std::string message) {
    out.push_back({name, std::move(text), Code::kCorrupt, file + message});
  };
  bad("empty", "", ": is not valid JSON at byte");
  bad("space", "  \n", ": is not valid JSON at byte");
  bad("null", "null", ": not a JSON object");
  bad("array", "[]", ": not a JSON object");
  bad("number", "7", ": not a JSON object");
  bad("cut", good.substr(0, good.size() - 2), ": is not valid JSON at byte");
  bad("two_objects", good + "{}", ": is not valid JSON at byte");
  bad("zero_byte", good + std::string(1, '\0'), ": is not valid JSON at byte");
  bad("comment", "/**/" + good, ": is not valid JSON at byte");
  bad("not_utf8", replace_first(good, "{", "{\"\xff\":0,"), ": is not valid JSON at byte");
  bad("lone_surrogate", replace_first(good, "{", R"({"\ud800":0,)"), ": is not valid JSON at byte");
  bad("nan", replace_first(good, "{", R"({"x":NaN,)"), ": is not valid JSON at byte");
  bad("number_huge", replace_first(good, "{", R"({"x":1e999,)"), ": is not valid JSON at byte");
  bad("nested_17", replace_first(good, "{", "{\"x\":" + repeat("[", 16) + repeat("]", 16) + ","),
      ": is nested deeper than 16");
  bad("nested_deep_array", repeat("[", 100000), ": is nested deeper than 16");
  bad("nested_deep_object", repeat("{\"a\":", 100000), ": is nested deeper than 16");
  bad("key_twice", replace_first(good, "{", R"({"x":1,"\u0078":1,)"), ": names 'x' twice");
}

}  // namespace

std::string replace_first(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  if (at == text.npos) return "replace_first: there is no " + std::string(from);
  return text.replace(at, from.size(), to);
}

std::string good_config() {
  return R"({"model_type":"gemma4_text","vocab_size":384,"hidden_size":64,"intermediate_size":96,"num_hidden_layers":4,
"num_attention_heads":4,"num_key_value_heads":2,"head_dim":32,"global_head_dim":64,"max_position_embeddings":512,
"rms_norm_eps":1e-06,"sliding_window":8,"hidden_activation":"gelu_pytorch_tanh","attention_bias":false,
"layer_types":["sliding_attention","full_attention","sliding_attention","full_attention"],"attention_k_eq_v":true,
"num_global_key_value_heads":1,"num_kv_shared_layers":2,"use_double_wide_mlp":true,"hidden_size_per_layer_input":32,
"vocab_size_per_layer_input":384,"enable_moe_block":true,"num_experts":4,"top_k_experts":2,"moe_intermediate_size":32,
"rope_parameters":{"sliding_attention":{"rope_type":"default","rope_theta":10000.0},
"full_attention":{"rope_type":"proportional","partial_rotary_factor":0.25,"rope_theta":1000000.0,"factor":2.0}},
"per_layer_config":{"2":{"head_dim":32},"3":{"head_dim":64,"num_key_value_heads":1}},
"final_logit_softcapping":30.0,"tie_word_embeddings":true,"pad_token_id":0,"eos_token_id":[1,106],"bos_token_id":2})";
}

std::vector<Case> config_cases() {
  std::vector<Case> out;
  add_text_cases(good_config(), "config.json", out);
  Changes change(good_config(), out);
  const std::string out_of_range = "has a value of the wrong type or range";
  change("model_type_other", "gemma4_text", "llama", "model_type is 'llama', expected gemma4", Code::kUnsupported);
  change("model_type_drafter", "gemma4_text", "gemma4_assistant", "this is a drafter", Code::kUnsupported);
  change("model_type_number", "\"gemma4_text\"", "4", "'model_type' " + out_of_range);
  change("size_string", "\"hidden_size\":64", "\"hidden_size\":\"64\"", "'hidden_size' " + out_of_range);
  change("size_fraction", "\"hidden_size\":64", "\"hidden_size\":64.5", "'hidden_size' " + out_of_range);
  change("size_2_64", "\"hidden_size\":64", "\"hidden_size\":18446744073709551615", "'hidden_size' " + out_of_range);
  change("size_2_32", "\"hidden_size\":64", "\"hidden_size\":4294967360", "'hidden_size' " + out_of_range);
  change("size_negative", "\"hidden_size\":64", "\"hidden_size\":-64", "hidden_size is -64, expected 1 to");
  change("size_zero", "\"hidden_size\":64", "\"hidden_size\":0", "hidden_size is 0, expected 1 to");
  change("vocab_huge", "\"vocab_size\":384", "\"vocab_size\":2147483647", "vocab_size");
  change("layers_0", "\"num_hidden_layers\":4", "\"num_hidden_layers\":0", "is 0, expected 1 to 1024");
  change("layers_huge", "\"num_hidden_layers\":4", "\"num_hidden_layers\":1000000000", "expected 1 to 1024");
  change("layer_types_short", "\"num_hidden_layers\":4", "\"num_hidden_layers\":5", "'layer_types' must list 5 layers");
  change("layer_types_text", "[\"sliding_attention\",", "[\"mamba\",", "'layer_types' holds an unknown kind");
  change("layer_types_number", "[\"sliding_attention\",", "[7,", "'layer_types' holds an unknown kind: 7");
  change("layer_types_escape", "[\"sliding_attention\",", "[\"\\u001b[2J\",", "unknown kind: \"\\u001b[2J\"");
  change("all_layers_share", "\"num_kv_shared_layers\":2", "\"num_kv_shared_layers\":4", "num_kv_shared_layers is 4");
  change("share_negative", "\"num_kv_shared_layers\":2", "\"num_kv_shared_layers\":-1", "num_kv_shared_layers is -1");
  change("share_without_donor", "\"sliding_attention\",\"full_attention\",", "\"full_attention\",\"full_attention\",",
         "layer 2 shares a cache but no layer of its kind owns one");
  change("heads_odd", "\"num_key_value_heads\":2", "\"num_key_value_heads\":3", "4 heads are not a multiple");
  change("heads_0", "\"num_attention_heads\":4", "\"num_attention_heads\":0", "num_attention_heads is 0");
  change("head_size_odd", "{\"2\":{\"head_dim\":32}", "{\"2\":{\"head_dim\":33}", "head sizes 33 and 64 must be even");
  change("per_layer_unknown", "{\"2\":", "{\"4\":", "an entry '4' that names no layer");
  change("per_layer_negative", "{\"2\":", "{\"-1\":", "an entry '-1' that names no layer");
  change("per_layer_empty", "{\"2\":", "{\"\":", "an entry '' that names no layer");
  change("per_layer_not_object", "{\"2\":{\"head_dim\":32}", "{\"2\":32", "an entry '2' that names no layer");
  change("per_layer_differ", "{\"2\":", "{\"1\":", "gives layer 3 other heads than another layer of its kind");
  change("rope_missing_kind", "\"sliding_attention\":{", "\"other\":{",
         "must have sliding_attention and full_attention");
  change("rope_type_other", "\"proportional\"", "\"yarn\"", "is 'yarn', expected proportional");
  change("rope_theta_0", "10000.0", "0", "a rope parameter is 0");
  change("rope_theta_negative", "10000.0", "-1e300", "a rope parameter is -1e+300");
  change("rope_partial_2", "0.25", "2", "partial_rotary_factor is 2");
  change("eps_0", "1e-06", "0", "rms_norm_eps is 0");
  change("eps_huge", "1e-06", "1e300", "rms_norm_eps is inf");
  change("softcap_negative", "30.0", "-30", "final_logit_softcapping is -30");
  change("bias", "\"attention_bias\":false", "\"attention_bias\":true", "no Gemma 4 has biases");
  change("activation", "gelu_pytorch_tanh", "silu", "is 'silu', expected gelu_pytorch_tanh");
  change("ple_vocab", "\"vocab_size_per_layer_input\":384", "\"vocab_size_per_layer_input\":100",
         "expected vocab_size");
  change("experts_missing", "\"num_experts\":4,", "", "'num_experts' is missing");
  change("experts_used_5", "\"top_k_experts\":2", "\"top_k_experts\":5", "top_k_experts is 5, expected 1 to 4");
  change("token_beyond_vocab", "\"bos_token_id\":2", "\"bos_token_id\":384", "bos_token_id is 384");
  change("eos_beyond_vocab", "[1,106]", "[1,384]", "eos_token_id is 384");
  change("eos_2_32", "[1,106]", "4294967297", "neither an id nor a list of ids");
  change("eos_nested", "[1,106]", "[[[[1]]]]", "neither an id nor a list of ids");
  return out;
}

std::string good_generation_config() { return R"({"bos_token_id":2,"eos_token_id":[1,106],"suppress_tokens":[5]})"; }

std::string good_drafter_config() {
  return R"({"model_type":"gemma4_assistant","backbone_hidden_size":64,"use_ordered_embeddings":true,"num_centroids":16,
"centroid_intermediate_top_k":4,"tie_word_embeddings":true,"text_config":{"model_type":"gemma4_text","vocab_size":384,
"hidden_size":32,"intermediate_size":48,"num_hidden_layers":4,"num_attention_heads":4,"num_key_value_heads":2,
"head_dim":16,"global_head_dim":32,"sliding_window":8,"num_kv_shared_layers":4,"hidden_size_per_layer_input":0,
"layer_types":["sliding_attention","sliding_attention","sliding_attention","full_attention"],
"max_position_embeddings":512,"vocab_size_per_layer_input":0}})";
}

std::vector<Case> drafter_config_cases() {
  std::vector<Case> out;
  add_text_cases(good_drafter_config(), "config.json", out);
  Changes change(good_drafter_config(), out);
  change("model", "gemma4_assistant", "gemma4_text", "not a drafter", Code::kUnsupported);
  change("no_type", "\"model_type\":\"gemma4_assistant\",", "", "not a drafter", Code::kUnsupported);
  change("no_layers", "\"text_config\"", "\"texts\"", "without a text_config");
  change("layers_list", "{\"model_type\":\"gemma4_text\"", "[],\"x\":{\"model_type\":\"gemma4_text\"",
         "without a text_config");
  for (auto [name, value] : {std::pair("zero", "0"),
                             {"negative", "-64"},
                             {"huge", "99999999999999999999"},
                             {"text", "\"64\""},
                             {"nested", "[64]"}})
    change((std::string("backbone_") + name).c_str(), "\"backbone_hidden_size\":64",
           std::string("\"backbone_hidden_size\":") + value, "backbone_hidden_size");
  for (auto [name, value] : {std::pair("zero", "0"),
                             {"negative", "-16"},
                             {"of_no_size", "17"},
                             {"more_than_tokens", "768"},
                             {"huge", "2147483648"}})
    change((std::string("clusters_") + name).c_str(), "\"num_centroids\":16", std::string("\"num_centroids\":") + value,
           "c");
  for (auto [name, value] : {std::pair("zero", "0"), {"negative", "-1"}, {"more_than_all", "17"}, {"text", "\"4\""}})
    change((std::string("used_") + name).c_str(), "\"centroid_intermediate_top_k\":4",
           std::string("\"centroid_intermediate_top_k\":") + value, "centroid_intermediate_top_k");
  change("ordered_number", "\"use_ordered_embeddings\":true", "\"use_ordered_embeddings\":1", "use_ordered_embeddings");
  change("shares_some", "\"num_kv_shared_layers\":4", "\"num_kv_shared_layers\":3", "shares them all");
  change("per_layer_inputs", "\"hidden_size_per_layer_input\":0", "\"hidden_size_per_layer_input\":8",
         "per-layer inputs");
  change("heads", "\"num_attention_heads\":4", "\"num_attention_heads\":3", "heads");
  return out;
}

std::vector<Case> generation_config_cases() {
  std::vector<Case> out;
  add_text_cases(good_generation_config(), "generation_config.json", out);
  Changes change(good_generation_config(), out);
  for (auto [name, value] : {std::pair("negative", "-1"),
                             {"2_32", "4294967297"},
                             {"fraction", "1.5"},
                             {"text", "\"1\""},
                             {"nested", "[[1]]"}})
    change((std::string("eos_") + name).c_str(), "[1,106]", value, "is neither a token id nor a list of them");
  change("eos_beyond_vocab", "[1,106]", "384", "eos_token_id is 384");
  change("suppressed_beyond_vocab", "[5]", "[383,2147483647]", "suppress_tokens is 2147483647");
  return out;
}

std::string good_quantization() {
  return R"text({"model_type":"gemma4_text","quantization_config":{"quant_method":"gemma","num_bits":4,
"quantize_embeddings":true,"module_quant_configs":{"^lm_head$":{"num_bits":2},
"language_model\\.layers\\.(\\d|1[0-4])\\.mlp\\.":{"num_bits":4},"language_model\\.layers\\.\\d+\\.mlp\\.":{"num_bits":2},
"audio_tower(?!.*lconv1d\\.linear_start)":{"num_bits":2},"per_layer_input_gate$":{"num_bits":8}},
"modules_to_not_convert":["model.embed_vision","per_layer_model_projection"]}})text";
}

std::vector<Case> quantization_cases() {
  std::vector<Case> out;
  add_text_cases(good_quantization(), "config.json", out);
  Changes change(good_quantization(), out);
  const std::string unusable = "has a pattern that cannot be used";
  auto pattern = [&](const char* name, const std::string& text) { change(name, "^lm_head$", text, unusable); };
  change("method_other", "\"gemma\"", "\"awq\"", "quant_method is \"awq\"", Code::kUnsupported);
  change("method_number", "\"gemma\"", "4", "quant_method is 4", Code::kUnsupported);
  change("method_object", "\"gemma\"", "{\"a\":[]}", "quant_method is {\"a\":[]}", Code::kUnsupported);
  change("bits_3", "{\"num_bits\":8}", "{\"num_bits\":3}", "asks for 3 bits, expected 2, 4 or 8", Code::kUnsupported);
  change("bits_2_64", "{\"num_bits\":8}", "{\"num_bits\":18446744073709551615}", "expected 2, 4 or 8",
         Code::kUnsupported);
  change("bits_text", "{\"num_bits\":8}", "{\"num_bits\":\"8\"}", "has no num_bits");
  change("bits_missing", "{\"num_bits\":8}", "{}", "has no num_bits");
  change("rule_not_object", "{\"num_bits\":8}", "8", "has no num_bits");
  change("rules_not_object", "{\"^lm_head$\"", "[],\"x\":{\"^lm_head$\"", "not an object of patterns");
  change("kept_not_list", "[\"model.embed_vision\",\"per_layer_model_projection\"]", "{}", "not a list of names");
  change("kept_not_text", "[\"model.embed_vision\"", "[7", "not a list of names");
  pattern("pattern_open_group", "(");
  pattern("pattern_open_bracket", "[a");
  pattern("pattern_lone_star", "*");
  pattern("pattern_back_reference", "(a)\\\\1");
  pattern("pattern_counted", "(.{999}){999}");
  pattern("pattern_long", std::string(1025, '.'));
  pattern("pattern_deep", std::string(600, '(') + std::string(600, ')'));
  pattern("pattern_lookaheads", "(?=.*(?!.*x))");
  change("pattern_kept_deep", "model.embed_vision", std::string(100000, '('), unusable);
  // Each takes a hundred bytes of memory or more, and none has any of its own.
  change("patterns_many_empty", "[\"model.embed_vision\"", "[\"\"" + repeat(",\"\"", 5000), unusable);
  std::string rules;
  for (int i = 0; i < 20; ++i) rules += "\"" + std::string(1000, static_cast<char>('a' + i)) + "\":{\"num_bits\":2},";
  change("patterns_large_together", "\"^lm_head$\"", rules + "\"^lm_head$\"", unusable);
  return out;
}

std::string good_packed() {
  return R"({"model_type":"gemma4_text","quantization_config":{"quant_method":"compressed-tensors",
"format":"pack-quantized","quantization_status":"compressed","config_groups":{"group_0":{"targets":["Linear"],
"weights":{"num_bits":4,"type":"int","symmetric":true,"strategy":"group","group_size":32,"dynamic":false,"actorder":null},
"input_activations":null,"output_activations":null}},"ignore":["lm_head"],"kv_cache_scheme":null}})";
}

std::vector<Case> packed_cases() {
  std::vector<Case> out;
  Changes change(good_packed(), out);
  auto other = [&](const char* name, std::string_view from, std::string_view to, std::string message) {
    change(name, from, to, std::move(message), Code::kUnsupported);
  };
  change("groups_missing", "\"config_groups\"", "\"groups\"", "has no config_groups");
  change("groups_list", "{\"group_0\":", "[],\"x\":{\"group_0\":", "has no config_groups");
  change("groups_empty", "{\"group_0\":", "{},\"x\":{\"group_0\":", "has no config_groups");
  change("group_not_object", "{\"group_0\":{", "{\"group_0\":7,\"x\":{", "group_0 has no weights");
  change("weights_missing", "\"weights\":{", "\"w\":{", "group_0 has no weights");
  change("nested_deep", "\"weights\":{", "\"weights\":" + repeat("{\"a\":", 100000), "is nested deeper than 16");
  change("weights_twice", "\"weights\":{", "\"weights\":{},\"weights\":{", "names 'weights' twice");
  other("format_other", "pack-quantized", "int-quantized", "format is \"int-quantized\"");
  other("bits_8", "\"num_bits\":4", "\"num_bits\":8", "num_bits is 8, Facet reads 4");
  other("bits_missing", "\"num_bits\":4,", "", "num_bits is missing");
  other("type_float", "\"int\"", "\"float\"", "type is \"float\"");
  other("asymmetric", "\"symmetric\":true", "\"symmetric\":false", "symmetric is false");
  other("strategy_channel", "\"strategy\":\"group\"", "\"strategy\":\"channel\"", "strategy is \"channel\"");
  other("reordered", "\"actorder\":null", "\"actorder\":\"group\"", "actorder is \"group\"");
  other("activations", "\"input_activations\":null", "\"input_activations\":{\"num_bits\":8}", "input_activations is");
  return out;
}

}  // namespace facet::malformed
