// GGUF: out and in, as other tools write it, and as it must be refused.
#include <gtest/gtest.h>

#include <limits>

#include "base/atomic_file.h"
#include "formats/gguf/gguf.h"
#include "formats/gguf/gguf_writer.h"
#include "model/checkpoint_testing.h"

namespace facet::model_test {
namespace {

// A GGUF file in memory, to be bent into something else.
struct Parts {
  struct Data {
    GgmlType type;
    Shape shape;
    std::vector<std::byte> bytes;
  };
  std::map<std::string, GgufValue> metadata;
  std::map<std::string, Data> tensors;
};

class GgufCheckpoint : public CheckpointTest {
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
  void edit(const std::string& name, const std::function<void(Parts&)>& change) {
    auto file = read_gguf(path(name));
    ASSERT_TRUE(file.ok()) << file.status().message();
    Parts parts;
    for (const GgufEntry& e : file->metadata) parts.metadata[std::string(e.key)] = e.value;
    for (const GgufTensor& t : file->tensors)
      parts.tensors[std::string(t.name)] = {t.type, t.shape, {t.bytes.begin(), t.bytes.end()}};
    change(parts);
    GgufWriter out;
    for (const auto& [key, value] : parts.metadata) out.add(key, value);
    for (const auto& [key, t] : parts.tensors) out.add_tensor(key, t.type, t.shape);
    Status status = out.open(path(name));
    ASSERT_TRUE(status.ok()) << status.message();
    for (const auto& [key, t] : parts.tensors) ASSERT_TRUE(out.write(t.bytes).ok());
    ASSERT_TRUE(out.commit().ok());
  }
  static Parts::Data floats(Shape shape, const std::vector<float>& values) {
    const auto bytes = std::as_bytes(std::span(values));
    return {GgmlType::kF32, std::move(shape), {bytes.begin(), bytes.end()}};
  }
};

// What GGUF holds of a checkpoint: vectors and routers become F32.
Checkpoint as_gguf_holds_it(Checkpoint c) {
  for (const TensorSpec& spec : tensor_specs(c.config))
    if (!spec.is_matrix || spec.role == Role::kRouter) c.set(spec.name, decode(c.tensors.at(spec.name)));
  return c;
}

TEST_F(GgufCheckpoint, RoundTrip) {
  struct Encoding {
    const char* scheme;
    DType float_type;
  };
  for (const NamedConfig& tiny : tiny_configs()) {
    for (const Encoding& e : {Encoding{"none", DType::kF32},
                              {"none", DType::kF16},
                              {"none", DType::kBF16},
                              {"q8_0", DType::kBF16},
                              {"q4_0", DType::kF32}}) {
      SCOPED_TRACE(tiny.name + " " + e.scheme + " " + std::string(info(e.float_type).name));
      GemmaConfig config = tiny.config;
      config.tied_head = e.float_type != DType::kF16;
      config.eos_tokens = {1, 106, 50};
      config.suppressed_tokens = {300, 7};
      Checkpoint c = encoded(random_checkpoint(config, 3), e.scheme, e.float_type);
      c.metadata["facet.method"] = "rtn";
      save("a.gguf", c);
      const Checkpoint back = load("a.gguf");
      expect_same(back, as_gguf_holds_it(c));
      save("b.gguf", back);
      EXPECT_EQ(read_all(path("a.gguf")), read_all(path("b.gguf")));
      auto tokenizer = load_tokenizer(path("a.gguf"));
      ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
      EXPECT_EQ(*tokenizer, tiny_tokenizer());
    }
  }
}

// A folder and a GGUF of the same model are the same model.
TEST_F(GgufCheckpoint, FolderToGgufAndBack) {
  Checkpoint c = encoded(random_checkpoint(tiny_everything(), 4), "none", DType::kF32);
  c.config.rms_eps = 3e-5f;
  c.config.rope_factor_global = 8;
  c.config.logit_softcap = 0;
  save("folder", c);
  save("a.gguf", load("folder"));
  save("again", load("a.gguf"));
  expect_same_folders(path("folder"), path("again"));
}

TEST_F(GgufCheckpoint, MetadataAreWhatLlamaCppAsksFor) {
  Checkpoint c = encoded(random_checkpoint(tiny_everything(8), 5), "none", DType::kF32);
  c.config.eos_tokens = {1, 106};
  save("a.gguf", c);
  auto file = read_gguf(path("a.gguf"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  auto expect = [&](const char* key, const GgufValue& value) {
    const GgufValue* found = file->find(key);
    ASSERT_NE(found, nullptr) << key;
    EXPECT_EQ(type_name(*found), type_name(value)) << key;
    EXPECT_TRUE(*found == value) << key;
  };
  using Ints = std::vector<std::int32_t>;
  expect("general.architecture", std::string_view("gemma4"));
  expect("general.file_type", std::uint32_t{0});
  expect("gemma4.block_count", std::uint32_t{5});
  expect("gemma4.context_length", std::uint32_t{512});
  expect("gemma4.embedding_length", std::uint32_t{16});
  expect("gemma4.feed_forward_length", Ints{24, 24, 24, 48, 48});
  expect("gemma4.attention.head_count", std::uint32_t{4});
  expect("gemma4.attention.head_count_kv", Ints{2, 2, 1, 2, 1});
  expect("gemma4.attention.key_length", std::uint32_t{16});
  expect("gemma4.attention.value_length", std::uint32_t{16});
  expect("gemma4.attention.key_length_swa", std::uint32_t{8});
  expect("gemma4.attention.value_length_swa", std::uint32_t{8});
  expect("gemma4.attention.layer_norm_rms_epsilon", 1e-6f);
  expect("gemma4.attention.sliding_window", std::uint32_t{4});
  expect("gemma4.attention.sliding_window_pattern", std::vector<bool>{true, true, false, true, false});
  expect("gemma4.attention.shared_kv_layers", std::uint32_t{2});
  expect("gemma4.embedding_length_per_layer_input", std::uint32_t{8});
  expect("gemma4.rope.freq_base", 1e6f);
  expect("gemma4.rope.freq_base_swa", 1e4f);
  expect("gemma4.rope.dimension_count", std::uint32_t{16});
  expect("gemma4.rope.dimension_count_swa", std::uint32_t{8});
  expect("gemma4.final_logit_softcapping", 30.0f);
  expect("gemma4.expert_count", std::uint32_t{4});
  expect("gemma4.expert_used_count", std::uint32_t{2});
  expect("gemma4.expert_feed_forward_length", std::uint32_t{8});
  expect("tokenizer.ggml.model", std::string_view("gemma4"));
  expect("tokenizer.ggml.bos_token_id", std::uint32_t{2});
  expect("tokenizer.ggml.eos_token_id", std::uint32_t{1});
  expect("tokenizer.ggml.eot_token_id", std::uint32_t{106});
  expect("tokenizer.ggml.add_bos_token", true);
  expect("tokenizer.ggml.add_space_prefix", false);
  EXPECT_EQ(file->get_strings("tokenizer.ggml.tokens")->size(), 384u);
  EXPECT_EQ(file->get_strings("tokenizer.ggml.merges")->size(), 6u);
  EXPECT_EQ(file->get_floats("tokenizer.ggml.scores")->size(), 384u);

  auto freqs = file->tensor("rope_freqs.weight");
  ASSERT_TRUE(freqs.ok());
  const Tensor values = decode(freqs->view);
  ASSERT_EQ(values.shape, Shape{8});
  for (int i = 0; i < 8; ++i) EXPECT_EQ(values.floats()[i], i < 2 ? 1.0f : 1e30f) << i;
  for (const GgufTensor& t : file->tensors)
    if (t.shape.size() == 1 || t.name.ends_with("ffn_gate_inp.weight")) {
      EXPECT_EQ(t.type, GgmlType::kF32) << t.name;
    }

  // A model without per-layer embeddings still says so; without wide layers one number serves all.
  save("b.gguf", encoded(random_checkpoint(tiny_k_eq_v_dense(8), 5), "none", DType::kBF16));
  file = read_gguf(path("b.gguf"));
  ASSERT_TRUE(file.ok());
  expect("gemma4.embedding_length_per_layer_input", std::uint32_t{0});
  expect("gemma4.feed_forward_length", std::uint32_t{24});
  expect("gemma4.attention.shared_kv_layers", std::uint32_t{0});
  expect("general.file_type", std::uint32_t{32});
  EXPECT_EQ(file->find("gemma4.expert_count"), nullptr);
}

TEST_F(GgufCheckpoint, ReadsWhatOtherConvertersWrite) {
  Checkpoint c = random_checkpoint(tiny_everything(), 6);
  save("a.gguf", c);
  const Checkpoint expected = load("a.gguf");
  edit("a.gguf", [](Parts& p) {
    // Dead keys and values of sharing layers, of any shape; integers for the pattern; keys with defaults left out.
    for (const char* name : {"blk.3.attn_k.weight", "blk.4.attn_v.weight", "blk.4.attn_k_norm.weight"})
      p.tensors[name] = floats({3}, {1, 2, 3});
    p.metadata["gemma4.attention.sliding_window_pattern"] = std::vector<std::int32_t>{1, 1, 0, 1, 0};
    p.metadata["gemma4.attention.head_count_kv"] = std::vector<std::uint32_t>{2, 2, 1, 2, 1};
    for (const char* key : {"gemma4.rope.dimension_count", "gemma4.rope.freq_base_swa", "tokenizer.ggml.scores",
                            "gemma4.final_logit_softcapping", "facet.eos_token_ids", "gemma4.attention.value_length"})
      p.metadata.erase(key);
    p.metadata["general.name"] = std::string_view("Somebody's");
    p.tensors.erase("rope_freqs.weight");
    // Experts in two halves.
    for (int l = 0; l < 5; ++l) {
      const std::string block = "blk." + std::to_string(l) + ".";
      Parts::Data both = p.tensors.at(block + "ffn_gate_up_exps.weight");
      p.tensors.erase(block + "ffn_gate_up_exps.weight");
      Parts::Data halves[2] = {{both.type, {4, 32, 64}, {}}, {both.type, {4, 32, 64}, {}}};
      const std::size_t half_bytes = both.bytes.size() / 8;
      for (std::size_t i = 0; i < 8; ++i)
        halves[i % 2].bytes.insert(halves[i % 2].bytes.end(), both.bytes.begin() + std::ptrdiff_t(i * half_bytes),
                                   both.bytes.begin() + std::ptrdiff_t((i + 1) * half_bytes));
      p.tensors[block + "ffn_gate_exps.weight"] = halves[0];
      p.tensors[block + "ffn_up_exps.weight"] = halves[1];
    }
  });
  expect_same(load("a.gguf"), expected);
}

TEST_F(GgufCheckpoint, EndTokensOfForeignFiles) {
  Checkpoint c = random_checkpoint(tiny_e(8), 7);
  save("a.gguf", c);
  edit("a.gguf", [](Parts& p) {
    p.metadata.erase("facet.eos_token_ids");
    auto tokens = std::get<std::vector<std::string_view>>(p.metadata.at("tokenizer.ggml.tokens"));
    tokens[380] = "<turn|>";
    tokens[370] = "<|tool_response>";
    p.metadata["tokenizer.ggml.tokens"] = tokens;
    p.metadata["tokenizer.ggml.eot_token_id"] = std::uint32_t{380};
  });
  EXPECT_EQ(load("a.gguf").config.eos_tokens, (std::vector<int>{1, 380, 370}));
}

TEST_F(GgufCheckpoint, RefusesBadFiles) {
  struct Case {
    const char* what;
    Code code;
    std::vector<std::string> words;
    std::function<void(Parts&)> edit;
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  auto set = [](const char* key, GgufValue value) { return [key, value](Parts& p) { p.metadata[key] = value; }; };
  auto drop = [](const char* key) { return [key](Parts& p) { p.metadata.erase(key); }; };
  const Case cases[] = {
      {"architecture", Code::kUnsupported, {"general.architecture", "llama"},
       set("general.architecture", std::string_view("llama"))},
      {"drafter", Code::kUnsupported, {"drafter"}, set("general.architecture", std::string_view("gemma4-assistant"))},
      {"no architecture", Code::kNotFound, {"general.architecture"}, drop("general.architecture")},
      {"part of several", Code::kUnsupported, {"part"}, set("split.count", std::uint16_t{3})},
      {"no block count", Code::kNotFound, {"gemma4.block_count"}, drop("gemma4.block_count")},
      {"block count", Code::kCorrupt, {"gemma4.block_count"}, set("gemma4.block_count", std::uint32_t{0})},
      {"huge block count", Code::kCorrupt, {"gemma4.block_count"}, set("gemma4.block_count", std::uint64_t{1} << 62)},
      {"text for a number", Code::kCorrupt, {"gemma4.embedding_length"},
       set("gemma4.embedding_length", std::string_view("64"))},
      {"no pattern", Code::kNotFound, {"sliding_window_pattern"}, drop("gemma4.attention.sliding_window_pattern")},
      {"scalar pattern", Code::kCorrupt, {"sliding_window_pattern"},
       set("gemma4.attention.sliding_window_pattern", std::uint32_t{5})},
      {"short pattern", Code::kCorrupt, {"sliding_window_pattern"},
       set("gemma4.attention.sliding_window_pattern", std::vector<bool>{true, false})},
      {"last layer sliding", Code::kCorrupt, {"head_count_kv"},
       set("gemma4.attention.sliding_window_pattern", std::vector<bool>{true, true, false, false, true})},
      {"uneven heads", Code::kCorrupt, {"head_count_kv"},
       set("gemma4.attention.head_count_kv", std::vector<std::int32_t>{2, 1, 1, 2, 1})},
      {"no heads", Code::kCorrupt, {"head_count_kv"},
       set("gemma4.attention.head_count_kv", std::vector<std::int32_t>{0, 0, 1, 0, 1})},
      {"heads for other layers", Code::kCorrupt, {"head_count_kv"},
       set("gemma4.attention.head_count_kv", std::vector<std::int32_t>{2, 2, 1})},
      {"odd widths", Code::kCorrupt, {"feed_forward_length"},
       set("gemma4.feed_forward_length", std::vector<std::int32_t>{96, 96, 100, 192, 192})},
      {"no width", Code::kCorrupt, {"feed_forward_length"},
       set("gemma4.feed_forward_length", std::vector<std::int32_t>{0, 0, 0, 0, 0})},
      {"value length", Code::kCorrupt, {"lengths differ"}, set("gemma4.attention.value_length", std::uint32_t{32})},
      {"all layers share", Code::kCorrupt, {"shared_kv_layers"},
       set("gemma4.attention.shared_kv_layers", std::uint32_t{5})},
      {"softcap", Code::kCorrupt, {"final_logit_softcapping"}, set("gemma4.final_logit_softcapping", nan)},
      {"experts", Code::kNotFound, {"expert_used_count"}, drop("gemma4.expert_used_count")},
      {"window", Code::kCorrupt, {"sliding_window"}, set("gemma4.attention.sliding_window", std::uint32_t{0})},
      {"end token", Code::kCorrupt, {"eos_token_id"}, set("facet.eos_token_ids", std::vector<std::int32_t>{1, 9999})},
      {"another size", Code::kCorrupt, {"the metadata want"}, set("gemma4.embedding_length", std::uint32_t{128})},
      {"missing tensor", Code::kNotFound, {"blk.1.ffn_up.weight", "missing"},
       [](Parts& p) { p.tensors.erase("blk.1.ffn_up.weight"); }},
      {"missing layer scalar", Code::kNotFound, {"blk.2.layer_output_scale.weight"},
       [](Parts& p) { p.tensors.erase("blk.2.layer_output_scale.weight"); }},
      {"missing values", Code::kNotFound, {"blk.1.attn_v.weight"},
       [](Parts& p) { p.tensors.erase("blk.1.attn_v.weight"); }},
      {"missing embedding", Code::kNotFound, {"token_embd.weight"},
       [](Parts& p) { p.tensors.erase("token_embd.weight"); }},
      {"unknown tensor", Code::kCorrupt, {"blk.1.extra.weight", "not part"},
       [](Parts& p) { p.tensors["blk.1.extra.weight"] = p.tensors.at("blk.1.attn_norm.weight"); }},
      {"wrong shape", Code::kCorrupt, {"blk.1.ffn_up.weight", "64x96", "96x64"},
       [](Parts& p) { p.tensors.at("blk.1.ffn_up.weight").shape = {64, 96}; }},
      {"tokens and rows", Code::kCorrupt, {"token_embd.weight", "383"},
       [](Parts& p) {
         auto tokens = std::get<std::vector<std::string_view>>(p.metadata.at("tokenizer.ggml.tokens"));
         tokens.pop_back();
         p.metadata["tokenizer.ggml.tokens"] = tokens;
       }},
      {"NaN in a norm", Code::kCorrupt, {"blk.1.attn_norm.weight", "NaN"},
       [&](Parts& p) { p.tensors["blk.1.attn_norm.weight"] = floats({64}, std::vector<float>(64, nan)); }},
      {"quantized norm", Code::kCorrupt, {"blk.1.attn_norm.weight", "q8_0"},
       [](Parts& p) {
         p.tensors["blk.1.attn_norm.weight"] = {GgmlType::kQ8_0, {64}, std::vector<std::byte>(68)};
       }},
      {"a type without a decoder", Code::kUnsupported, {"blk.1.ffn_up.weight", "IQ4_NL"},
       [](Parts& p) {
         p.tensors["blk.1.ffn_up.weight"] = {static_cast<GgmlType>(20), {96, 64}, std::vector<std::byte>(96 * 2 * 18)};
       }},
      {"other RoPE", Code::kCorrupt, {"rope_freqs.weight"},
       [](Parts& p) {
         std::vector<float> divisors(32, 1.0f);
         for (int i = 0; i < 32; ++i) divisors[i] = 1.0f + float(i);
         p.tensors["rope_freqs.weight"] = floats({32}, divisors);
       }},
      {"NaN divisor", Code::kCorrupt, {"rope_freqs.weight"},
       [&](Parts& p) { p.tensors["rope_freqs.weight"] = floats({32}, std::vector<float>(32, nan)); }},
      {"zero divisor", Code::kCorrupt, {"rope_freqs.weight"},
       [](Parts& p) { p.tensors["rope_freqs.weight"] = floats({32}, std::vector<float>(32, 0.0f)); }},
      {"divisors of another head", Code::kCorrupt, {"rope_freqs.weight", "32"},
       [](Parts& p) { p.tensors["rope_freqs.weight"] = floats({16}, std::vector<float>(16, 1.0f)); }},
      {"half of the experts", Code::kNotFound, {"blk.0.ffn_gate_up_exps.weight"},
       [](Parts& p) { p.tensors.erase("blk.0.ffn_gate_up_exps.weight"); }},
  };
  const Checkpoint c = random_checkpoint(tiny_everything(), 8);
  for (const Case& test : cases) {
    save("a.gguf", c);
    edit("a.gguf", test.edit);
    std::vector<std::string> words = test.words;
    words.push_back(path("a.gguf"));
    expect_refused(load_checkpoint(path("a.gguf")).status(), test.code, words, test.what);
  }
  ASSERT_TRUE(write_text_file(path("b.gguf"), "not a gguf file").ok());
  EXPECT_EQ(load_checkpoint(path("b.gguf")).status().code(), Code::kCorrupt);
}

TEST_F(GgufCheckpoint, RefusesBadTokenizers) {
  struct Case {
    const char* what;
    Code code;
    std::vector<std::string> words;
    std::function<void(Parts&)> edit;
  };
  const Case cases[] = {
      {"model",
       Code::kUnsupported,
       {"tokenizer.ggml.model", "bert"},
       [](Parts& p) { p.metadata["tokenizer.ggml.model"] = std::string_view("bert"); }},
      {"no tokens",
       Code::kNotFound,
       {"tokenizer.ggml.tokens"},
       [](Parts& p) { p.metadata.erase("tokenizer.ggml.tokens"); }},
      {"no merges",
       Code::kNotFound,
       {"tokenizer.ggml.merges"},
       [](Parts& p) { p.metadata.erase("tokenizer.ggml.merges"); }},
      {"types",
       Code::kCorrupt,
       {"token types"},
       [](Parts& p) { p.metadata["tokenizer.ggml.token_type"] = std::vector<std::int32_t>(3, 1); }},
      {"type",
       Code::kCorrupt,
       {"type 9"},
       [](Parts& p) { p.metadata["tokenizer.ggml.token_type"] = std::vector<std::int32_t>(384, 9); }},
      {"bos",
       Code::kCorrupt,
       {"bos_token_id"},
       [](Parts& p) { p.metadata["tokenizer.ggml.bos_token_id"] = std::uint32_t{384}; }},
      {"merge",
       Code::kCorrupt,
       {"merge"},
       [](Parts& p) { p.metadata["tokenizer.ggml.merges"] = std::vector<std::string_view>{"q"}; }},
  };
  const Checkpoint c = random_checkpoint(tiny_e(8), 9);
  for (const Case& test : cases) {
    save("a.gguf", c);
    edit("a.gguf", test.edit);
    std::vector<std::string> words = test.words;
    words.push_back(path("a.gguf"));
    expect_refused(load_tokenizer(path("a.gguf")).status(), test.code, words, test.what);
  }
  save("a.gguf", c);  // the other dialect
  edit("a.gguf", [](Parts& p) { p.metadata["tokenizer.ggml.model"] = std::string_view("llama"); });
  EXPECT_EQ(*load_tokenizer(path("a.gguf")), tiny_tokenizer());
}

TEST_F(GgufCheckpoint, SaveRefusesWhatGgufCannotHold) {
  const Checkpoint mobile = encoded(random_checkpoint(tiny_e(), 10), "mobile", DType::kF32);
  expect_refused(save_gguf(path("a.gguf"), mobile, tiny_tokenizer()), Code::kUnsupported,
                 {path("a.gguf"), "embed_tokens.weight", "folder"}, "mobile");
  expect_refused(save_gguf(path("a.gguf"), random_checkpoint(tiny_e(), 10), tiny_tokenizer(400)),
                 Code::kInvalidArgument, {"400", "384"}, "vocabulary");
  EXPECT_FALSE(fs::exists(path("a.gguf")));
}

}  // namespace
}  // namespace facet::model_test
