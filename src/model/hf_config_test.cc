#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "model/config.h"
#include "model/tiny_configs.h"

namespace facet {
namespace {

using nlohmann::ordered_json;

// E2B's config.json: text fields, and some of the others around them.
ordered_json e2b_json() {
  ordered_json text = ordered_json::parse(R"({
    "model_type": "gemma4_text", "dtype": "bfloat16", "vocab_size": 262144, "hidden_size": 1536,
    "intermediate_size": 6144, "num_hidden_layers": 35, "num_attention_heads": 8, "num_key_value_heads": 1,
    "num_global_key_value_heads": null, "head_dim": 256, "global_head_dim": 512,
    "hidden_activation": "gelu_pytorch_tanh", "max_position_embeddings": 131072, "rms_norm_eps": 1e-06,
    "attention_bias": false, "attention_dropout": 0.0, "attention_k_eq_v": false,
    "use_bidirectional_attention": null, "sliding_window": 512,
    "rope_parameters": {
      "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
      "full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1000000.0}},
    "num_kv_shared_layers": 20, "use_double_wide_mlp": true, "hidden_size_per_layer_input": 256,
    "vocab_size_per_layer_input": 262144, "enable_moe_block": false, "num_experts": null, "top_k_experts": null,
    "moe_intermediate_size": null, "final_logit_softcapping": 30.0, "tie_word_embeddings": true,
    "initializer_range": 0.02, "use_cache": true, "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2})");
  for (int l = 0; l < 35; ++l) text["layer_types"].push_back(l % 5 == 4 ? "full_attention" : "sliding_attention");
  return {{"architectures", {"Gemma4ForConditionalGeneration"}},
          {"model_type", "gemma4"},
          {"dtype", "bfloat16"},
          {"tie_word_embeddings", true},
          {"eos_token_id", {1, 106}},
          {"image_token_id", 258880},
          {"vision_config", {{"model_type", "gemma4_vision"}}},
          {"text_config", text}};
}

TEST(HfConfig, ReadsE2B) {
  const auto c = parse_hf_config(e2b_json().dump());
  ASSERT_TRUE(c.ok()) << c.status().message();
  EXPECT_EQ(*c, *preset("e2b"));
}

TEST(HfConfig, WritesWhatItReads) {
  std::vector<GemmaConfig> configs{tiny_e(), tiny_k_eq_v_dense(8), tiny_moe(), tiny_everything(16)};
  for (const std::string& name : preset_names()) configs.push_back(*preset(name));
  configs[0].tied_head = false;
  configs[1].rope_factor_global = 4;
  configs[1].rope_theta = 12345.678;
  configs[2].logit_softcap = 0;
  configs[2].rms_eps = 3e-5f;
  configs[3].eos_tokens = {1, 106, 50};
  for (GemmaConfig& c : configs) {
    c.suppressed_tokens.clear();  // live in generation_config.json
    const auto back = parse_hf_config(to_hf_config(c));
    ASSERT_TRUE(back.ok()) << back.status().message();
    EXPECT_EQ(*back, c);
    EXPECT_EQ(to_hf_config(*back), to_hf_config(c));
  }
  const ordered_json j = ordered_json::parse(to_hf_config(configs[0], R"({"quant_method": "gemma"})"));
  EXPECT_EQ(j["quantization_config"]["quant_method"], "gemma");
  EXPECT_EQ(j["layer_types"].back(), "full_attention");
}

TEST(HfConfig, DefaultsAreThoseOfTheReference) {
  const auto c = parse_hf_config(R"({"model_type": "gemma4_text"})");
  ASSERT_TRUE(c.ok()) << c.status().message();
  EXPECT_EQ(c->n_layers(), 30);
  EXPECT_EQ(c->hidden_size, 2304);
  EXPECT_EQ(c->n_kv_heads, 4);
  EXPECT_EQ(c->ple_size, 256);
  EXPECT_EQ(c->logit_softcap, 0.0f);
  EXPECT_TRUE(c->is_global(5));
  EXPECT_FALSE(c->is_global(6));
}

ordered_json text_only() {
  ordered_json j = ordered_json::parse(to_hf_config(tiny_everything()));
  return j;
}

TEST(HfConfig, OtherSpellings) {
  ordered_json j = text_only();
  j["layer_types"].back() = "sliding_attention";  // forced to full_attention whatever the list says
  EXPECT_EQ(*parse_hf_config(j.dump()), tiny_everything());

  j = text_only();
  j.erase("global_head_dim");
  j.erase("num_global_key_value_heads");
  j["per_layer_config"] = {{"2", {{"head_dim", 64}, {"num_key_value_heads", 1}}},
                           {"4", {{"head_dim", 64}, {"num_key_value_heads", 1}}}};
  ASSERT_TRUE(parse_hf_config(j.dump()).ok()) << parse_hf_config(j.dump()).status().message();
  EXPECT_EQ(*parse_hf_config(j.dump()), tiny_everything());

  j = text_only();
  j["rope_scaling"] = j["rope_parameters"];
  j.erase("rope_parameters");
  j["rope_scaling"]["full_attention"]["factor"] = 2.0;
  EXPECT_EQ(parse_hf_config(j.dump())->rope_factor_global, 2.0);

  // Read for layers without a v projection only, as the reference does.
  j = text_only();
  j["attention_k_eq_v"] = false;
  EXPECT_EQ(parse_hf_config(j.dump())->n_global_kv_heads, 2);

  // A nested text_config without a model_type of its own, and image-only requirements.
  ordered_json nested = {{"model_type", "gemma4_unified"}, {"text_config", text_only()}};
  nested["text_config"].erase("model_type");
  nested["text_config"]["use_bidirectional_attention"] = "vision";
  EXPECT_EQ(*parse_hf_config(nested.dump()), tiny_everything());
}

TEST(HfConfig, RefusesWhatItCannotServe) {
  struct Case {
    const char* word;
    Code code;
    const char* patch;  // merged into a good config
  };
  const Case cases[] = {
      {"model_type", Code::kUnsupported, R"({"model_type": "llama"})"},
      {"drafter", Code::kUnsupported, R"({"model_type": "gemma4_assistant"})"},
      {"hidden_activation", Code::kCorrupt, R"({"hidden_activation": "silu"})"},
      {"rope_type", Code::kCorrupt, R"({"rope_parameters": {"full_attention": {"rope_type": "yarn"}}})"},
      {"rope_type", Code::kCorrupt, R"({"rope_parameters": {"sliding_attention": {"rope_type": "linear"}}})"},
      {"full_attention", Code::kCorrupt, R"({"rope_parameters": {"full_attention": null}})"},
      {"rope_theta", Code::kCorrupt, R"({"rope_parameters": {"full_attention": {"rope_theta": "big"}}})"},
      {"rope", Code::kCorrupt, R"({"rope_parameters": {"full_attention": {"rope_theta": 0}}})"},
      {"partial_rotary_factor", Code::kCorrupt,
       R"({"rope_parameters": {"full_attention": {"partial_rotary_factor": 2}}})"},
      {"attention_bias", Code::kCorrupt, R"({"attention_bias": true})"},
      {"layer_types", Code::kCorrupt, R"({"layer_types": ["full_attention"]})"},
      {"layer_types", Code::kCorrupt, R"({"num_hidden_layers": 6})"},
      {"mamba", Code::kCorrupt, R"({"layer_types": ["mamba", "mamba", "mamba", "mamba", "mamba"]})"},
      {"num_hidden_layers", Code::kCorrupt, R"({"num_hidden_layers": 1000000000})"},
      {"hidden_size", Code::kCorrupt, R"({"hidden_size": 18446744073709551615})"},
      {"hidden_size", Code::kCorrupt, R"({"hidden_size": 4294967360})"},
      {"hidden_size", Code::kCorrupt, R"({"hidden_size": "64"})"},
      {"hidden_size", Code::kCorrupt, R"({"hidden_size": 64.5})"},
      {"hidden_size", Code::kCorrupt, R"({"hidden_size": -64})"},
      {"rms_norm_eps", Code::kCorrupt, R"({"rms_norm_eps": 0})"},
      {"num_experts", Code::kCorrupt, R"({"num_experts": null})"},
      {"top_k_experts", Code::kCorrupt, R"({"top_k_experts": 5})"},
      {"vocab_size_per_layer_input", Code::kCorrupt, R"({"vocab_size_per_layer_input": 100})"},
      {"num_kv_shared_layers", Code::kCorrupt, R"({"num_kv_shared_layers": 5})"},
      {"per_layer_config", Code::kCorrupt, R"({"per_layer_config": {"9": {"head_dim": 64}}})"},
      {"per_layer_config", Code::kCorrupt, R"({"per_layer_config": {"": {"head_dim": 64}}})"},
      {"per_layer_config", Code::kCorrupt, R"({"per_layer_config": {"2": {"head_dim": 64}, "4": {"head_dim": 32}}})"},
      {"per_layer_config", Code::kCorrupt, R"({"per_layer_config": {"2": {"head_dim": []}}})"},
      {"eos_token_id", Code::kCorrupt, R"({"eos_token_id": [1, "two"]})"},
      {"eos_token_id", Code::kCorrupt, R"({"eos_token_id": 4294967297})"},
      {"tie_word_embeddings", Code::kCorrupt, R"({"tie_word_embeddings": 1})"},
  };
  for (const Case& test : cases) {
    // "null" in a patch means null here, not "remove", so the patch is applied by hand, two levels deep.
    ordered_json j = text_only();
    std::function<void(ordered_json&, const ordered_json&)> apply = [&](ordered_json& to, const ordered_json& from) {
      for (const auto& [key, value] : from.items())
        if (value.is_object() && to.contains(key))
          apply(to[key], value);
        else
          to[key] = value;
    };
    apply(j, ordered_json::parse(test.patch));
    const auto c = parse_hf_config(j.dump());
    ASSERT_FALSE(c.ok()) << test.patch;
    EXPECT_EQ(c.status().code(), test.code) << test.patch << ": " << c.status().message();
    EXPECT_NE(c.status().message().find(test.word), std::string::npos) << test.patch << ": " << c.status().message();
    EXPECT_NE(c.status().message().find("config"), std::string::npos) << c.status().message();
    EXPECT_LT(c.status().message().size(), 300u);
    EXPECT_EQ(c.status().message().find('\n'), std::string::npos);
  }
  for (const char* text : {"", "[]", "{", "null", "{\"model_type\": 3}", "\xff\xfe"})
    EXPECT_FALSE(parse_hf_config(text).ok()) << text;
}

}  // namespace
}  // namespace facet
