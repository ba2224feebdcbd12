// Folders: float and mobile checkpoints, out and in, as other tools write them, and as they must be refused.
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "model/checkpoint_testing.h"

namespace facet::model_test {
namespace {

using nlohmann::ordered_json;

class HfCheckpoint : public CheckpointTest {
 protected:
  void save(const std::string& name, const Checkpoint& c) {
    const Status status = save_checkpoint(path(name), c, tiny_tokenizer());
    ASSERT_TRUE(status.ok()) << status.message();
  }
  Checkpoint load(const std::string& name) {
    auto c = load_checkpoint(path(name));
    EXPECT_TRUE(c.ok()) << c.status().message();
    return c.ok() ? std::move(*c) : Checkpoint{};
  }
  void edit_items(const std::string& name, const std::function<void(StoredItems&)>& edit) {
    StoredItems items = read_items(path(name));
    edit(items);
    write_items(path(name) + "/model.safetensors", items);
  }
  void edit_json(const std::string& file, const std::function<void(ordered_json&)>& edit) {
    ordered_json j = ordered_json::parse(read_all(path(file)));
    edit(j);
    ASSERT_TRUE(write_text_file(path(file), j.dump()).ok());
  }
};

TEST_F(HfCheckpoint, FloatRoundTrip) {
  for (const NamedConfig& tiny : tiny_configs()) {
    for (DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
      SCOPED_TRACE(tiny.name + " " + std::string(info(type).name));
      GemmaConfig config = tiny.config;
      config.tied_head = type != DType::kF16;
      config.eos_tokens = {1, 106, 50};
      config.suppressed_tokens = {300, 7};
      Checkpoint c = encoded(random_checkpoint(config, 3), "none", type);
      c.metadata["facet.method"] = "float";
      save("a", c);
      const Checkpoint back = load("a");
      expect_same(back, c);
      save("b", back);
      expect_same_folders(path("a"), path("b"));
      auto tokenizer = load_tokenizer(path("a"));
      ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
      EXPECT_EQ(*tokenizer, tiny_tokenizer());
    }
  }
}

TEST_F(HfCheckpoint, MobileRoundTrip) {
  for (const NamedConfig& tiny : tiny_configs()) {
    for (bool tied : {true, false}) {
      SCOPED_TRACE(tiny.name);
      GemmaConfig config = tiny.config;
      config.tied_head = tied;
      Checkpoint c = encoded(random_checkpoint(config, 4), "mobile", DType::kBF16);
      c.metadata["facet.scheme"] = "mobile";
      save("a", c);
      const Checkpoint back = load("a");
      expect_same(back, c);
      save("b", back);
      expect_same_folders(path("a"), path("b"));
    }
  }
}

// Rules that no release has: other widths per layer, floats among the quantized.
TEST_F(HfCheckpoint, MobileRoundTripWithOwnRules) {
  Scheme scheme = *parse_scheme("mobile");
  scheme.rules = {{R"(embed_tokens$)", 8},          {R"(layers\.1\.mlp\.up_proj)", 0}, {R"(layers\.(2|5)\.)", 8},
                  {R"(layers\.7\.self_attn)", 0},   {R"(per_layer_projection$)", 0},   {R"(layers\.3\.mlp)", 2},
                  {R"(embed_tokens_per_layer)", 0}, {R"(layers\.4\.mlp\.down)", 2}};
  const Checkpoint c = encoded(random_checkpoint(tiny_e(), 5), scheme, DType::kF32);
  save("a", c);
  expect_same(load("a"), c);
}

TEST_F(HfCheckpoint, MobileLayoutIsThatOfTheReleases) {
  Checkpoint c = encoded(random_checkpoint(tiny_e(), 6), "mobile", DType::kBF16);
  save("a", c);
  const StoredItems items = read_items(path("a"));
  auto expect = [&](const std::string& name, SafetensorsType type, const Shape& shape) {
    ASSERT_TRUE(items.contains(name)) << name;
    EXPECT_EQ(items.at(name).type, type) << name;
    EXPECT_EQ(items.at(name).shape, shape) << name;
  };
  const auto u8 = SafetensorsType::kU8, i8 = SafetensorsType::kI8, f32 = SafetensorsType::kF32;
  expect("model.embed_tokens.embedding_quantized", u8, {384, 64 / 4});
  expect("model.embed_tokens.embedding_scale", f32, {384, 1});
  expect("lm_head.weight", u8, {384, 64 / 4});
  expect("lm_head.weight_scale", f32, {384, 1});
  expect("lm_head.input_activation_scale", f32, {});
  expect("model.embed_tokens_per_layer.embedding_quantized", u8, {384, 10 * 32 / 2});
  expect("model.embed_tokens_per_layer.embedding_scale", f32, {384, 10});
  expect("model.layers.0.self_attn.q_proj.weight", u8, {128, 64 / 2});
  expect("model.layers.0.self_attn.q_proj.weight_scale", f32, {128, 1});
  expect("model.layers.0.self_attn.q_proj.input_activation_scale", f32, {});
  expect("model.layers.0.self_attn.q_proj.output_activation_scale", f32, {});
  expect("model.layers.0.mlp.up_proj.weight", u8, {96, 64 / 2});
  expect("model.layers.5.mlp.up_proj.weight", u8, {192, 64 / 4});
  expect("model.layers.0.per_layer_input_gate.weight", i8, {32, 64});
  expect("model.layers.9.self_attn.k_cache_scale", f32, {});
  expect("model.layers.9.self_attn.v_cache_scale", f32, {});
  expect("model.per_layer_model_projection.weight", SafetensorsType::kBF16, {320, 64});
  expect("model.layers.0.layer_scalar", SafetensorsType::kBF16, {1});
  EXPECT_EQ(items.at("lm_head.weight").bytes, items.at("model.embed_tokens.embedding_quantized").bytes);

  const ordered_json config = ordered_json::parse(read_all(path("a/config.json")));
  EXPECT_EQ(config["tie_word_embeddings"], false);
  const ordered_json& q = config["quantization_config"];
  EXPECT_EQ(q["quant_method"], "gemma");
  EXPECT_EQ(q["num_bits"], 4);
  EXPECT_EQ(q["quantize_embeddings"], true);
  EXPECT_EQ(q["modules_to_not_convert"], ordered_json::array({"per_layer_model_projection"}));
  std::vector<std::string> patterns;
  for (const auto& [pattern, value] : q["module_quant_configs"].items()) patterns.push_back(pattern);
  EXPECT_TRUE(std::is_sorted(patterns.begin(), patterns.end()));
  EXPECT_EQ(q["module_quant_configs"][R"(^model\.layers\.(0|1|2|3|4)\.mlp\.up_proj$)"]["num_bits"], 4);
  EXPECT_EQ(q["module_quant_configs"][R"(^model\.layers\.\d+\.self_attn\.q_proj$)"]["num_bits"], 4);

  // Read back: one table serves both, and it is written again as it came.
  const Checkpoint back = load("a");
  expect_same(back, c);
  EXPECT_TRUE(back.config.tied_head);
  save("b", back);
  expect_same_folders(path("a"), path("b"));
}

// Google's own file: names below model.language_model, dead k/v of sharing layers with their scales, towers, its
// patterns.
TEST_F(HfCheckpoint, ReadsTheReleasedMobileForm) {
  Checkpoint c = encoded(random_checkpoint(tiny_e(), 7), "mobile", DType::kBF16);
  save("a", c);
  edit_items("a", [](StoredItems& items) {
    StoredItems out;
    for (auto& [name, item] : items)
      out[name.starts_with("model.") ? "model.language_model." + name.substr(6) : name] = item;
    const std::string from = "model.language_model.layers.3.self_attn.",
                      to = "model.language_model.layers.8.self_attn.";
    for (const char* tail : {"k_proj.weight", "k_proj.weight_scale", "k_proj.input_activation_scale", "v_proj.weight",
                             "v_proj.weight_scale", "v_proj.output_activation_scale"})
      out[to + tail] = out.at(from + tail);
    out["model.vision_tower.encoder.layers.0.self_attn.q_proj.linear.weight"] = {
        SafetensorsType::kI8, {1, 1}, {std::byte{1}}};
    out["model.audio_tower.layers.0.ffw.linear.weight"] = {SafetensorsType::kU8, {1, 1}, {std::byte{1}}};
    items = std::move(out);
  });
  edit_json("a/config.json", [](ordered_json& j) {
    ordered_json text = j;
    text.erase("quantization_config");
    j = {{"model_type", "gemma4"}, {"tie_word_embeddings", false}, {"text_config", text}};
    j["quantization_config"] = ordered_json::parse(R"json({
      "quant_method": "gemma", "num_bits": 4, "quantize_embeddings": true,
      "module_quant_configs": {
        "^lm_head$": {"num_bits": 2},
        "audio_tower(?!.*lconv1d\\.linear_start)": {"num_bits": 2},
        "audio_tower\\.layers\\.\\d+\\.lconv1d\\.linear_start\\.": {"num_bits": 4},
        "language_model\\.embed_tokens$": {"num_bits": 2},
        "language_model\\.embed_tokens_per_layer$": {"num_bits": 4},
        "language_model\\.layers\\.([0-4])\\.mlp\\.": {"num_bits": 4},
        "language_model\\.layers\\.\\d+\\.mlp\\.": {"num_bits": 2},
        "language_model\\.layers\\.\\d+\\.per_layer_input_gate$": {"num_bits": 8},
        "language_model\\.layers\\.\\d+\\.per_layer_projection$": {"num_bits": 8},
        "language_model\\.layers\\.\\d+\\.self_attn\\.": {"num_bits": 4},
        "vision_tower": {"num_bits": 8}},
      "modules_to_not_convert": ["model.vision_tower.patch_embedder", "model.audio_tower.subsample_conv_projection",
        "model.audio_tower.output_proj", "relative_k_proj", "model.embed_audio", "model.embed_vision",
        "per_layer_model_projection"]
    })json");
  });
  expect_same(load("a"), c);
}

TEST_F(HfCheckpoint, AcceptsOtherPrefixesAndTensorsOfOtherTowers) {
  const Checkpoint c = random_checkpoint(tiny_e(), 8);
  for (const char* prefix : {"model.language_model.", "language_model.model.", ""}) {
    SCOPED_TRACE(prefix);
    save("a", c);
    edit_items("a", [&](StoredItems& items) {
      StoredItems out;
      for (auto& [name, item] : items) out[prefix + name.substr(6)] = item;
      const StoredItem one = StoredItem::of_floats({1}, {1.0f});
      for (const char* name :
           {"model.vision_tower.x.weight", "model.audio_tower.x.weight", "model.embed_vision.p.weight",
            "model.embed_audio.p.weight", "model.vision_embedder.patch_ln1.bias", "model.rotary_emb.inv_freq",
            "model.layers.0.mlp.up_proj.input_max", "model.layers.0.mlp.up_proj.output_min"})
        out[name] = one;
      out[std::string(prefix) + "layers.7.self_attn.k_proj.weight"] = one;  // dead: shapes do not matter
      out[std::string(prefix) + "layers.7.self_attn.k_norm.weight"] = one;
      out["lm_head.weight"] = StoredItem::of_floats({1}, {1.0f});  // config.json says the head is tied
      items = std::move(out);
    });
    expect_same(load("a"), c);
  }
}

TEST_F(HfCheckpoint, AHeadEqualToTheEmbeddingIsSharedAnotherIsNot) {
  GemmaConfig config = tiny_k_eq_v_dense();
  config.tied_head = false;
  const Checkpoint c = random_checkpoint(config, 9);
  save("a", c);
  EXPECT_FALSE(load("a").config.tied_head);
  edit_items("a", [](StoredItems& items) { items["lm_head.weight"] = items.at("model.embed_tokens.weight"); });
  const Checkpoint shared = load("a");
  EXPECT_TRUE(shared.config.tied_head);
  EXPECT_FALSE(shared.tensors.contains("lm_head.weight"));
}

TEST_F(HfCheckpoint, ReadsShards) {
  const Checkpoint c = random_checkpoint(tiny_everything(), 10);
  save("a", c);
  StoredItems items = read_items(path("a")), halves[2];
  ordered_json index = {{"metadata", {{"total_size", 1}}}, {"weight_map", ordered_json::object()}};
  const char* names[] = {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"};
  int i = 0;
  for (auto& [name, item] : items) {
    index["weight_map"][name] = names[i];
    halves[i][name] = item;
    i = 1 - i;
  }
  for (int half : {0, 1}) write_items(path("a/") + names[half], halves[half]);
  fs::remove(path("a/model.safetensors"));
  ASSERT_TRUE(write_text_file(path("a/model.safetensors.index.json"), index.dump()).ok());
  expect_same(load("a"), c);
  // Saving over it would leave the index pointing at the old weights.
  expect_refused(save_hf(path("a"), c, tiny_tokenizer()), Code::kInvalidArgument, {path("a")}, "shards");
}

TEST_F(HfCheckpoint, GenerationConfigDecidesEndTokens) {
  GemmaConfig config = tiny_e();
  config.eos_tokens = {1, 106};
  const Checkpoint c = random_checkpoint(config, 11);
  save("a", c);
  edit_json("a/generation_config.json", [](ordered_json& j) { j["eos_token_id"] = {1, 106, 50}; });
  EXPECT_EQ(load("a").config.eos_tokens, (std::vector<int>{1, 106, 50}));
  edit_json("a/generation_config.json", [](ordered_json& j) { j["eos_token_id"] = 50; });
  EXPECT_EQ(load("a").config.eos_tokens, std::vector<int>{50});
  fs::remove(path("a/generation_config.json"));
  EXPECT_EQ(load("a").config.eos_tokens, (std::vector<int>{1, 106}));
  for (const char* text : {"[]", "{", R"({"eos_token_id": "x"})", R"({"eos_token_id": -1})", R"({"eos_token_id": 384})",
                           R"({"suppress_tokens": [1.5]})"}) {
    ASSERT_TRUE(write_text_file(path("a/generation_config.json"), text).ok());
    expect_refused(load_checkpoint(path("a")).status(), Code::kCorrupt, {path("a")}, text);
  }
}

TEST_F(HfCheckpoint, RefusesBadFloatTensors) {
  struct Case {
    const char* what;
    Code code;
    std::vector<std::string> words;
    std::function<void(StoredItems&)> edit;
  };
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  const std::string norm = "model.layers.2.input_layernorm.weight", up = "model.layers.1.mlp.up_proj.weight";
  const Case cases[] = {
      {"missing", Code::kNotFound, {"layers.1.mlp.up_proj.weight", "missing"}, [&](auto& i) { i.erase(up); }},
      {"two missing",
       Code::kNotFound,
       {"layers.1.mlp.up_proj.weight", "1 more"},
       [&](auto& i) { i.erase(up), i.erase(norm); }},
      {"wrong shape",
       Code::kCorrupt,
       {up, "96x64", "32x192"},
       [&](auto& i) {
         i.at(up).shape = {32, 192};
       }},
      {"transposed",
       Code::kCorrupt,
       {up, "64x96"},
       [&](auto& i) {
         i.at(up).shape = {64, 96};
       }},
      {"flat", Code::kCorrupt, {up, "6144"}, [&](auto& i) { i.at(up).shape = {6144}; }},
      {"NaN in a norm",
       Code::kCorrupt,
       {norm, "NaN"},
       [&](auto& i) { i[norm] = StoredItem::of_floats({64}, std::vector<float>(64, nan)); }},
      {"infinite layer scalar",
       Code::kCorrupt,
       {"model.layers.0.layer_scalar", "infinity"},
       [&](auto& i) { i["model.layers.0.layer_scalar"] = StoredItem::of_floats({1}, {inf}); }},
      {"integers", Code::kCorrupt, {norm, "I32"}, [&](auto& i) { i.at(norm).type = SafetensorsType::kI32; }},
      {"bytes without a quantization_config",
       Code::kCorrupt,
       {norm, "U8", "quantization_config"},
       [&](auto& i) {
         i[norm] = {SafetensorsType::kU8, {64}, std::vector<std::byte>(64)};
       }},
      {"unknown decoder tensor",
       Code::kCorrupt,
       {"model.layers.0.scalar_layer", "not part"},
       [&](auto& i) { i["model.layers.0.scalar_layer"] = i.at("model.layers.0.layer_scalar"); }},
      {"layer beyond the config",
       Code::kCorrupt,
       {"model.layers.10.layer_scalar"},
       [&](auto& i) { i["model.layers.10.layer_scalar"] = i.at("model.layers.0.layer_scalar"); }},
      {"two names for one",
       Code::kCorrupt,
       {"same"},
       [&](auto& i) { i["model.language_model.norm.weight"] = i.at("model.norm.weight"); }},
      {"a name with a newline",
       Code::kCorrupt,
       {"\\x0a"},
       [&](auto& i) { i["model.a\nb"] = i.at("model.norm.weight"); }},
  };
  const Checkpoint c = random_checkpoint(tiny_e(), 12);
  for (const Case& test : cases) {
    save("a", c);
    edit_items("a", test.edit);
    std::vector<std::string> words = test.words;
    words.push_back(path("a"));
    expect_refused(load_checkpoint(path("a")).status(), test.code, words, test.what);
  }
  save("a", c);  // a scalar without dimensions is as good as one of one element
  edit_items("a", [](StoredItems& items) { items.at("model.layers.0.layer_scalar").shape = {}; });
  expect_same(load("a"), c);
}

TEST_F(HfCheckpoint, RefusesBadFolders) {
  expect_refused(load_checkpoint(path("none")).status(), Code::kNotFound, {path("none")}, "no such path");
  fs::create_directories(path("empty"));
  expect_refused(load_checkpoint(path("empty")).status(), Code::kNotFound, {"config.json"}, "empty folder");
  expect_refused(load_tokenizer(path("empty")).status(), Code::kNotFound, {"tokenizer.json"}, "empty folder");
  const Checkpoint c = random_checkpoint(tiny_e(), 13);
  save("a", c);
  fs::remove(path("a/model.safetensors"));
  expect_refused(load_checkpoint(path("a")).status(), Code::kNotFound, {"model.safetensors"}, "no weights");

  save("a", c);  // a config for another size
  edit_json("a/config.json", [](ordered_json& j) { j["intermediate_size"] = 128; });
  expect_refused(load_checkpoint(path("a")).status(), Code::kCorrupt, {"mlp.", "128"}, "another size");
  edit_json("a/config.json", [](ordered_json& j) { j["hidden_activation"] = "relu"; });
  expect_refused(load_checkpoint(path("a")).status(), Code::kCorrupt, {path("a"), "hidden_activation"}, "relu");
  ASSERT_TRUE(write_text_file(path("a/tokenizer.json"), "{}").ok());
  EXPECT_FALSE(load_tokenizer(path("a")).ok());
}

TEST_F(HfCheckpoint, RefusesBadQuantizationConfigs) {
  const Checkpoint c = encoded(random_checkpoint(tiny_e(), 14), "mobile", DType::kF32);
  struct Case {
    const char* patch;
    Code code;
    std::vector<std::string> words;
  };
  const Case cases[] = {
      {R"({"quant_method": "compressed-tensors"})", Code::kUnsupported, {"format is missing", "pack-quantized"}},
      {R"({"quant_method": "bitsandbytes"})", Code::kUnsupported, {"quant_method", "bitsandbytes"}},
      {R"({"quant_method": 7})", Code::kUnsupported, {"quant_method"}},
      {R"({"num_bits": 3})", Code::kUnsupported, {"3 bits"}},
      {R"({"module_quant_configs": []})", Code::kCorrupt, {"module_quant_configs"}},
      {R"({"module_quant_configs": {"x": 4}})", Code::kCorrupt, {"num_bits"}},
      {R"({"module_quant_configs": {"x": {"num_bits": 16}}})", Code::kUnsupported, {"16 bits"}},
      {R"({"module_quant_configs": {"(": {"num_bits": 4}}})", Code::kCorrupt, {"pattern"}},
      {R"({"modules_to_not_convert": "x"})", Code::kCorrupt, {"modules_to_not_convert"}},
      {R"({"modules_to_not_convert": ["["]})", Code::kCorrupt, {"pattern"}},
      // Says 2 where the file has 4; says nothing where the file is ambiguous; says float where it is not.
      {R"({"module_quant_configs": {".": {"num_bits": 2}}})", Code::kCorrupt, {"packed at", "says 2"}},
      {R"({"module_quant_configs": {}})", Code::kCorrupt, {"no pattern"}},
      {R"({"modules_to_not_convert": ["embed_tokens"]})", Code::kCorrupt, {"embed_tokens", "says 0"}},
  };
  for (const Case& test : cases) {
    save("a", c);
    edit_json("a/config.json",
              [&](ordered_json& j) { j["quantization_config"].update(ordered_json::parse(test.patch)); });
    std::vector<std::string> words = test.words;
    words.push_back(path("a"));
    expect_refused(load_checkpoint(path("a")).status(), test.code, words, test.patch);
  }
  // Matching must end soon whatever the pattern.
  std::string alternatives = "^";
  for (int i = 0; i < 200; ++i) alternatives += "(.|.)";
  for (const std::string& pattern :
       {std::string("^(([a-z_.0-9])*)*!$"), std::string("(x+x+)+y"), std::string(".*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*!"),
        alternatives + "!", std::string("((((.{999}){999}){999}){999})"), std::string(100000, '.')}) {
    save("a", c);
    edit_json("a/config.json", [&](ordered_json& j) {
      j["quantization_config"]["module_quant_configs"] = {{pattern, {{"num_bits", 4}}}};
    });
    expect_refused(load_checkpoint(path("a")).status(), Code::kCorrupt, {"pattern"}, pattern.substr(0, 40));
  }
  // A stub that names no method is no quantization; then codes are not expected.
  save("b", random_checkpoint(tiny_e(), 14));
  edit_json("b/config.json", [](ordered_json& j) { j["quantization_config"] = {{"note", "qat"}}; });
  EXPECT_TRUE(load_checkpoint(path("b")).ok());
}

TEST_F(HfCheckpoint, RefusesBadMobileTensors) {
  const Checkpoint c = encoded(random_checkpoint(tiny_e(), 15), "mobile", DType::kF32);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::string up = "model.layers.1.mlp.up_proj";
  auto scales = [&](float bad) {
    std::vector<float> values(96, 0.5f);
    values[17] = bad;
    return StoredItem::of_floats({96, 1}, values);
  };
  struct Case {
    const char* what;
    Code code;
    std::vector<std::string> words;
    std::function<void(StoredItems&)> edit;
  };
  const Case cases[] = {
      {"packed width",
       Code::kCorrupt,
       {up, "96x33"},
       [&](auto& i) {
         i[up + ".weight"] = {SafetensorsType::kU8, {96, 33}, std::vector<std::byte>(96 * 33)};
       }},
      {"other bits than stated",
       Code::kCorrupt,
       {up, "2 bits", "says 4"},
       [&](auto& i) {
         i[up + ".weight"] = {SafetensorsType::kU8, {96, 16}, std::vector<std::byte>(96 * 16)};
       }},
      {"8 bits as U8",
       Code::kCorrupt,
       {up, "U8 96x64"},
       [&](auto& i) {
         i[up + ".weight"] = {SafetensorsType::kU8, {96, 64}, std::vector<std::byte>(96 * 64)};
       }},
      {"rows",
       Code::kCorrupt,
       {up, "95x32"},
       [&](auto& i) {
         i[up + ".weight"] = {SafetensorsType::kU8, {95, 32}, std::vector<std::byte>(95 * 32)};
       }},
      {"scalar codes",
       Code::kCorrupt,
       {up},
       [&](auto& i) {
         i[up + ".weight"] = {SafetensorsType::kU8, {}, std::vector<std::byte>(1)};
       }},
      {"no scale",
       Code::kNotFound,
       {"layers.1.mlp.up_proj.weight_scale", "missing"},
       [&](auto& i) { i.erase(up + ".weight_scale"); }},
      {"no embedding scale",
       Code::kNotFound,
       {"embed_tokens.embedding_scale"},
       [&](auto& i) { i.erase("model.embed_tokens.embedding_scale"); }},
      {"zero scale",
       Code::kCorrupt,
       {up + ".weight_scale", "at 17"},
       [&](auto& i) { i[up + ".weight_scale"] = scales(0); }},
      {"negative scale",
       Code::kCorrupt,
       {up + ".weight_scale", "at 17"},
       [&](auto& i) { i[up + ".weight_scale"] = scales(-1); }},
      {"NaN scale",
       Code::kCorrupt,
       {up + ".weight_scale", "at 17"},
       [&](auto& i) { i[up + ".weight_scale"] = scales(nan); }},
      {"scale shape",
       Code::kCorrupt,
       {up + ".weight_scale", "expected F32 96x1"},
       [&](auto& i) { i.at(up + ".weight_scale").shape = {96}; }},
      {"groups of the table",
       Code::kCorrupt,
       {"embed_tokens_per_layer.embedding_scale", "384x10"},
       [&](auto& i) {
         i["model.embed_tokens_per_layer.embedding_scale"] =
             StoredItem::of_floats({384, 1}, std::vector<float>(384, 1.0f));
       }},
      {"scale type",
       Code::kCorrupt,
       {up + ".weight_scale", "BF16"},
       [&](auto& i) {
         i[up + ".weight_scale"] = {SafetensorsType::kBF16, {96, 1}, std::vector<std::byte>(192)};
       }},
      {"NaN activation scale",
       Code::kCorrupt,
       {up + ".input_activation_scale"},
       [&](auto& i) { i[up + ".input_activation_scale"] = StoredItem::of_floats({}, {nan}); }},
      {"negative activation scale",
       Code::kCorrupt,
       {up + ".output_activation_scale"},
       [&](auto& i) { i[up + ".output_activation_scale"] = StoredItem::of_floats({}, {-0.5f}); }},
      {"two activation scales",
       Code::kCorrupt,
       {up + ".input_activation_scale", "one F32"},
       [&](auto& i) {
         i[up + ".input_activation_scale"] = StoredItem::of_floats({2}, {1, 1});
       }},
      {"NaN cache scale",
       Code::kCorrupt,
       {"layers.0.self_attn.k_cache_scale"},
       [&](auto& i) { i["model.layers.0.self_attn.k_cache_scale"] = StoredItem::of_floats({}, {nan}); }},
      {"codes for a norm",
       Code::kCorrupt,
       {"model.norm.weight", "I8"},
       [&](auto& i) {
         i["model.norm.weight"] = {SafetensorsType::kI8, {64}, std::vector<std::byte>(64)};
       }},
      {"leftover scale",
       Code::kCorrupt,
       {"model.layers.1.mlp.up_proj.scale"},
       [&](auto& i) { i[up + ".scale"] = StoredItem::of_floats({}, {1}); }},
  };
  for (const Case& test : cases) {
    save("a", c);
    edit_items("a", test.edit);
    std::vector<std::string> words = test.words;
    words.push_back(path("a"));
    expect_refused(load_checkpoint(path("a")).status(), test.code, words, test.what);
  }
}

TEST_F(HfCheckpoint, UncalibratedScalesAreAbsentOrZero) {
  Checkpoint c = encoded(random_checkpoint(tiny_e(), 16), "mobile", DType::kF32);
  c.activation_scales.clear();
  c.cache_scales.clear();
  save("a", c);
  expect_same(load("a"), c);
  edit_items("a", [](StoredItems& items) {
    for (auto it = items.begin(); it != items.end();)
      it = it->first.ends_with("_activation_scale") ? items.erase(it) : std::next(it);
  });
  expect_same(load("a"), c);
}

TEST_F(HfCheckpoint, SaveRefusesWhatAFolderCannotHold) {
  const Checkpoint c = encoded(random_checkpoint(tiny_e(), 17), "q4_0", DType::kF32);
  expect_refused(save_hf(path("a"), c, tiny_tokenizer()), Code::kUnsupported, {"embed_tokens.weight", "q4_0", ".gguf"},
                 "blocks");
  EXPECT_FALSE(fs::exists(path("a")));
  expect_refused(save_hf(path("a"), random_checkpoint(tiny_e(), 1), tiny_tokenizer(400)), Code::kInvalidArgument,
                 {"400", "384"}, "vocabulary");
  ASSERT_TRUE(write_text_file(path("file"), "x").ok());
  EXPECT_EQ(save_hf(path("file"), random_checkpoint(tiny_e(), 1), tiny_tokenizer()).code(), Code::kIo);
}

// A save that cannot finish leaves the model that was there.
TEST_F(HfCheckpoint, AFailedSaveKeepsTheOldModel) {
  const Checkpoint before = random_checkpoint(tiny_e(), 18);
  save("a", before);
  fs::create_directories(path("a/config.json.tmp"));  // the last file cannot be written
  EXPECT_FALSE(save_hf(path("a"), random_checkpoint(tiny_e(), 19), tiny_tokenizer()).ok());
  fs::remove(path("a/config.json.tmp"));
  expect_same(load("a"), before);
  for (const auto& entry : fs::directory_iterator(path("a"))) EXPECT_NE(entry.path().extension(), ".tmp");
}

}  // namespace
}  // namespace facet::model_test
