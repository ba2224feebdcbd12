// What lies beside a decoder goes along: towers from folder to folder, chat templates everywhere, files unchanged.
#include "model/companions.h"

#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "model/checkpoint_testing.h"
#include "model/convert.h"
#include "model/hf_names.h"
#include "model/mobile_config.h"

namespace facet::model_test {
namespace {

using nlohmann::ordered_json;

class CompanionsTest : public CheckpointTest {
 protected:
  ThreadPool pool_{1};

  StoredItem values(Shape shape, float scale) {
    std::vector<float> v(static_cast<std::size_t>(element_count(shape)));
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = scale * static_cast<float>(i % 17) - 1;
    return StoredItem::of_floats(std::move(shape), v);
  }
  // A folder as released models have them: towers, a config around the decoder's, a processor and a template.
  void write_multimodal(const std::string& name, const Checkpoint& c) {
    ASSERT_TRUE(save_hf(path(name), c, tiny_tokenizer()).ok());
    StoredItems items;
    for (auto& [key, item] : read_items(path(name)))
      items[key.starts_with("model.") ? "model.language_model." + key.substr(6) : key] = item;
    items["model.vision_tower.encoder.layers.0.self_attn.q_proj.linear.weight"] = values({8, 8}, 0.5f);
    items["model.vision_tower.encoder.layers.0.self_attn.q_proj.input_max"] = values({}, 1);
    items["model.embed_vision.embedding_projection.weight"] = values({64, 8}, 0.25f);
    items["model.audio_tower.layers.0.norm_out.weight"] = values({8}, 2);
    write_items(path(name) + "/model.safetensors", items);
    const ordered_json text = ordered_json::parse(read_all(path(name) + "/config.json"));
    ordered_json config = {{"architectures", {"Gemma4ForConditionalGeneration"}},
                           {"model_type", "gemma4"},
                           {"text_config", text},
                           {"vision_config", {{"hidden_size", 8}}},
                           {"audio_config", {{"hidden_size", 8}}},
                           {"image_token_id", 300}};
    config["text_config"]["use_bidirectional_attention"] = "vision";
    if (text.contains("quantization_config")) {
      config["quantization_config"] = text["quantization_config"];
      config["text_config"].erase("quantization_config");
    }
    ASSERT_TRUE(write_text_file(path(name) + "/config.json", config.dump()).ok());
    ASSERT_TRUE(write_text_file(path(name) + "/processor_config.json", "{\"x\": 1}\n").ok());
    ASSERT_TRUE(write_text_file(path(name) + "/chat_template.jinja", "{{ '<|turn>' }}").ok());
    ASSERT_TRUE(
        write_text_file(path(name) + "/generation_config.json", R"({"temperature": 0.5, "eos_token_id": [1]})").ok());
  }
  Status convert(const std::string& from, ConvertTarget target, const std::string& to) {
    FACET_ASSIGN(const Checkpoint source, load_checkpoint(path(from)));
    FACET_ASSIGN(const Companions beside, load_companions(path(from)));
    FACET_ASSIGN(Conversion conversion,
                 Conversion::create(source, target, {.allow_ptq = true, .stop = nullptr, .progress = {}}, pool_));
    return save_checkpoint(path(to), conversion.outline(), tiny_tokenizer(), conversion.stream(), beside);
  }
  void expect_converted(const std::string& from, ConvertTarget target, const std::string& to) {
    const Status status = convert(from, target, to);
    ASSERT_TRUE(status.ok()) << status.message();
  }
};

TEST_F(CompanionsTest, AreFoundAndCounted) {
  write_multimodal("a", encoded(random_checkpoint(tiny_e(32), 1), "none", DType::kBF16));
  const Companions c = *load_companions(path("a"));
  EXPECT_EQ(c.size_of(Tower::kVision).n_tensors, 3);
  EXPECT_EQ(c.size_of(Tower::kVision).bytes, 4u * (64 + 1 + 512));
  EXPECT_EQ(c.size_of(Tower::kAudio).n_tensors, 1);
  EXPECT_EQ(c.describe_towers(), "3 vision tensors (0.0 MB) and 1 audio tensors (0.0 MB)");
  EXPECT_EQ(c.chat_template, "{{ '<|turn>' }}");
  EXPECT_FALSE(c.has_codes());
  EXPECT_EQ(c.files.at("processor_config.json"), "{\"x\": 1}\n");
  ASSERT_TRUE(save_hf(path("plain"), random_checkpoint(tiny_e(32), 1), tiny_tokenizer()).ok());
  EXPECT_EQ(load_companions(path("plain"))->describe_towers(), "");
}

TEST_F(CompanionsTest, GoFromFolderToFolder) {
  write_multimodal("a", encoded(random_checkpoint(tiny_e(32), 1), "none", DType::kBF16));
  const StoredItems a = read_items(path("a"));
  for (ConvertTarget target : {ConvertTarget::kHf, ConvertTarget::kMobile, ConvertTarget::kW4A16}) {
    SCOPED_TRACE(name_of(target));
    const std::string name(name_of(target));
    expect_converted("a", target, name);
    const StoredItems b = read_items(path(name));
    for (const auto& [key, item] : a)
      if (tower_name(key)) {
        ASSERT_TRUE(b.contains(key)) << key;
        EXPECT_EQ(b.at(key).bytes, item.bytes) << key;
      }
    for (const auto& [key, item] : b)
      EXPECT_TRUE(key.starts_with("model.language_model.") || key.starts_with("lm_head.") || tower_name(key)) << key;
    for (const char* file : {"processor_config.json", "chat_template.jinja", "generation_config.json"})
      EXPECT_EQ(read_all(path(name) + "/" + file), read_all(path("a") + "/" + file)) << file;
    const ordered_json config = ordered_json::parse(read_all(path(name) + "/config.json"));
    EXPECT_EQ(config["architectures"][0], "Gemma4ForConditionalGeneration");
    EXPECT_EQ(config["image_token_id"], 300);
    EXPECT_EQ(config["text_config"]["use_bidirectional_attention"], "vision");
    EXPECT_EQ(config.contains("quantization_config"), target != ConvertTarget::kHf);
    EXPECT_FALSE(config["text_config"].contains("quantization_config"));
    ASSERT_TRUE(load_checkpoint(path(name)).ok()) << load_checkpoint(path(name)).status().message();
    // There and back, and again: the first time, floats that were rounded to codes were on no grid.
    for (const char* from : {"", "2"}) {
      expect_converted(name + from, ConvertTarget::kHf, name + from + "_back");
      expect_converted(name + from + "_back", target, name + (*from == 0 ? "2" : "3"));
    }
    expect_same_folders(path(name + "2"), path(name + "3"));
  }
  // Towers stay float: the rules say so.
  const std::string text = read_all(path("mobile") + "/config.json");
  const auto rules = MobileConfig::find(text);
  ASSERT_TRUE(rules.ok() && rules->has_value());
  EXPECT_EQ((*rules)->bits_of("model.vision_tower.encoder.layers.0.self_attn.q_proj.linear"), 0);
  EXPECT_EQ((*rules)->bits_of("model.embed_vision.embedding_projection"), 0);
  EXPECT_EQ((*rules)->bits_of("model.language_model.layers.0.self_attn.q_proj"), 4);
  const ordered_json packed = ordered_json::parse(read_all(path("w4a16") + "/config.json"))["quantization_config"];
  EXPECT_NE(std::ranges::find(packed["ignore"], "re:model.vision_tower\\..*"), packed["ignore"].end()) << packed;
}

// The released mobile files: towers of codes, whose meaning is in the same quantization_config.
TEST_F(CompanionsTest, CodesStayCodesInTheMobileSchemeOnly) {
  write_multimodal("a", encoded(random_checkpoint(tiny_e(32), 2), "mobile", DType::kBF16));
  StoredItems items = read_items(path("a"));
  const std::string module = "model.vision_tower.encoder.layers.0.self_attn.q_proj.linear";
  items[module + ".weight"] = {SafetensorsType::kI8, {8, 8}, std::vector<std::byte>(64, std::byte{3})};
  items[module + ".weight_scale"] = values({8, 1}, 2);
  write_items(path("a") + "/model.safetensors", items);
  ordered_json config = ordered_json::parse(read_all(path("a") + "/config.json"));
  config["quantization_config"]["module_quant_configs"]["vision_tower"] = {{"num_bits", 8}};
  ordered_json rules = ordered_json::object();  // names are "model.layers" in what was written
  for (const auto& [pattern, value] : config["quantization_config"]["module_quant_configs"].items()) {
    std::string moved = pattern;
    if (moved.starts_with("^model\\.")) moved.replace(0, 8, "^model\\.language_model\\.");
    rules[moved] = value;
  }
  config["quantization_config"]["module_quant_configs"] = rules;
  ASSERT_TRUE(write_text_file(path("a") + "/config.json", config.dump()).ok());
  ASSERT_TRUE(load_companions(path("a"))->has_codes());

  expect_converted("a", ConvertTarget::kMobile, "b");
  const StoredItems b = read_items(path("b"));
  EXPECT_EQ(b.at(module + ".weight").bytes, items.at(module + ".weight").bytes);
  const auto read = MobileConfig::find(read_all(path("b") + "/config.json"));
  ASSERT_TRUE(read.ok() && read->has_value());
  EXPECT_EQ((*read)->bits_of(module), 8);
  EXPECT_EQ((*read)->bits_of("model.embed_vision.embedding_projection"), 0);
  EXPECT_EQ((*read)->bits_of("model.language_model.layers.0.self_attn.q_proj"), 4);
  expect_converted("b", ConvertTarget::kMobile, "c");
  expect_same_folders(path("b"), path("c"));

  expect_converted("a", ConvertTarget::kHf, "floats");
  for (const auto& [key, item] : read_items(path("floats"))) EXPECT_FALSE(tower_name(key)) << key;
  EXPECT_EQ(ordered_json::parse(read_all(path("floats") + "/config.json"))["model_type"], "gemma4_text");

  config["quantization_config"]["module_quant_configs"].erase("vision_tower");
  ASSERT_TRUE(write_text_file(path("a") + "/config.json", config.dump()).ok());
  expect_refused(convert("a", ConvertTarget::kMobile, "d"), Code::kCorrupt, {module, "how many bits"}, "no rule");
}

TEST_F(CompanionsTest, GgufHasTheChatTemplateAlone) {
  write_multimodal("a", encoded(random_checkpoint(tiny_e(32), 1), "none", DType::kBF16));
  expect_converted("a", ConvertTarget::kBF16Gguf, "a.gguf");
  const Companions c = *load_companions(path("a.gguf"));
  EXPECT_EQ(c.chat_template, "{{ '<|turn>' }}");
  EXPECT_TRUE(c.files.empty() && c.towers.empty());
  expect_converted("a.gguf", ConvertTarget::kHf, "b");
  EXPECT_EQ(read_all(path("b") + "/chat_template.jinja"), "{{ '<|turn>' }}");
  expect_converted("b", ConvertTarget::kBF16Gguf, "b.gguf");
  EXPECT_EQ(read_all(path("a.gguf")), read_all(path("b.gguf")));
}

TEST_F(CompanionsTest, UnreadableOnesAreRefused) {
  write_multimodal("a", encoded(random_checkpoint(tiny_e(32), 1), "none", DType::kBF16));
  StoredItems items = read_items(path("a"));
  items["vision_tower.encoder.layers.0.self_attn.q_proj.input_max"] = values({}, 1);
  write_items(path("a") + "/model.safetensors", items);
  expect_refused(load_companions(path("a")).status(), Code::kCorrupt, {"input_max", "another name"}, "twice");
  EXPECT_EQ(load_companions(path("absent.gguf")).status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace facet::model_test
