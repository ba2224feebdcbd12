#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "model/config.h"
#include "model/tensor_spec.h"
#include "model/tiny_configs.h"

namespace facet {
namespace {

// Counted from the released shapes; docs/model/gemma4.md holds the same table.
struct Size {
  const char* name;
  std::int64_t embedding, ple_table, rest, kv_elements;  // kv: cache elements per token over all layers, K and V
  std::size_t n_gguf_tensors;                            // without the dead k/v/k_norm of sharing layers
};
constexpr Size kSizes[] = {
    {"e2b", 402653184, 2348810240, 1877105955, 9216, 541}, {"e4b", 671088640, 2818572288, 3973352490, 28672, 666},
    {"12b", 1006632960, 0, 10900717360, 172032, 667},      {"26b-a4b", 738197504, 0, 24494944286, 112640, 658},
    {"31b", 1409286144, 0, 29288059196, 450560, 833},
};

TEST(Presets, ParameterCountsAreThoseOfTheReleases) {
  for (const Size& size : kSizes) {
    const GemmaConfig c = *preset(size.name);
    std::int64_t embedding = 0, ple_table = 0, rest = 0, kv = 0;
    for (const TensorSpec& spec : tensor_specs(c)) {
      std::int64_t& sum = spec.role == Role::kEmbedding ? embedding : spec.role == Role::kPleTable ? ple_table : rest;
      sum += element_count(spec.shape);
    }
    for (int l = 0; l < c.first_shared_layer(); ++l) kv += 2 * c.n_kv_heads_of(l) * c.head_size_of(l);
    EXPECT_EQ(embedding, size.embedding) << size.name;
    EXPECT_EQ(ple_table, size.ple_table) << size.name;
    EXPECT_EQ(rest, size.rest) << size.name;
    EXPECT_EQ(kv, size.kv_elements) << size.name;
  }
}

TEST(Presets, TensorCountsAreThoseOfTheReleases) {
  for (const Size& size : kSizes)
    EXPECT_EQ(tensor_specs(*preset(size.name)).size() + 1, size.n_gguf_tensors) << size.name;  // + rope_freqs.weight
}

TEST(Presets, AllAreValidAndAnUnknownNameListsThem) {
  EXPECT_EQ(preset_names().size(), std::size(kSizes));
  for (const std::string& name : preset_names()) EXPECT_TRUE(preset(name)->validate().ok()) << name;
  const auto unknown = preset("7b");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.status().code(), Code::kInvalidArgument);
  for (const std::string& name : preset_names())
    EXPECT_NE(unknown.status().message().find(name), std::string::npos) << name;
}

const TensorSpec* find(const std::vector<TensorSpec>& specs, std::string_view name) {
  auto found = std::find_if(specs.begin(), specs.end(), [&](const TensorSpec& s) { return s.name == name; });
  return found == specs.end() ? nullptr : &*found;
}

TEST(TensorSpec, ShapesOfTheReleases) {
  struct Case {
    const char *preset, *name, *gguf_name;
    Shape shape;
  };
  const Case cases[] = {
      {"e2b", "layers.0.self_attn.q_proj.weight", "blk.0.attn_q.weight", {2048, 1536}},
      {"e2b", "layers.0.self_attn.k_proj.weight", "blk.0.attn_k.weight", {256, 1536}},
      {"e2b", "layers.4.self_attn.q_proj.weight", "blk.4.attn_q.weight", {4096, 1536}},
      {"e2b", "layers.4.self_attn.v_proj.weight", "blk.4.attn_v.weight", {512, 1536}},
      {"e2b", "layers.4.self_attn.o_proj.weight", "blk.4.attn_output.weight", {1536, 4096}},
      {"e2b", "layers.15.mlp.down_proj.weight", "blk.15.ffn_down.weight", {1536, 12288}},
      {"e2b", "embed_tokens_per_layer.weight", "per_layer_token_embd.weight", {262144, 8960}},
      {"e2b", "per_layer_model_projection.weight", "per_layer_model_proj.weight", {8960, 1536}},
      {"e2b", "layers.3.per_layer_input_gate.weight", "blk.3.inp_gate.weight", {256, 1536}},
      {"e2b", "layers.3.per_layer_projection.weight", "blk.3.proj.weight", {1536, 256}},
      {"e2b", "layers.3.layer_scalar", "blk.3.layer_output_scale.weight", {1}},
      {"31b", "layers.5.self_attn.q_proj.weight", "blk.5.attn_q.weight", {16384, 5376}},
      {"31b", "layers.5.self_attn.k_proj.weight", "blk.5.attn_k.weight", {2048, 5376}},
      {"31b", "layers.0.self_attn.v_proj.weight", "blk.0.attn_v.weight", {4096, 5376}},
      {"12b", "layers.5.self_attn.k_proj.weight", "blk.5.attn_k.weight", {512, 3840}},
      {"26b-a4b", "layers.5.self_attn.k_proj.weight", "blk.5.attn_k.weight", {1024, 2816}},
      {"26b-a4b", "layers.0.router.proj.weight", "blk.0.ffn_gate_inp.weight", {128, 2816}},
      {"26b-a4b", "layers.0.router.scale", "blk.0.ffn_gate_inp.scale", {2816}},
      {"26b-a4b", "layers.0.router.per_expert_scale", "blk.0.ffn_down_exps.scale", {128}},
      {"26b-a4b", "layers.0.experts.gate_up_proj", "blk.0.ffn_gate_up_exps.weight", {128, 1408, 2816}},
      {"26b-a4b", "layers.0.experts.down_proj", "blk.0.ffn_down_exps.weight", {128, 2816, 704}},
  };
  for (const Case& test : cases) {
    const std::vector<TensorSpec> specs = tensor_specs(*preset(test.preset));
    const TensorSpec* spec = find(specs, test.name);
    ASSERT_NE(spec, nullptr) << test.preset << " " << test.name;
    EXPECT_EQ(spec->gguf_name, test.gguf_name);
    EXPECT_EQ(spec->shape, test.shape) << test.preset << " " << test.name << " " << to_string(spec->shape);
  }
  const std::vector<TensorSpec> e2b = tensor_specs(*preset("e2b")), big = tensor_specs(*preset("31b"));
  EXPECT_EQ(find(e2b, "layers.15.self_attn.k_proj.weight"), nullptr);  // shares the cache of layer 13
  EXPECT_EQ(find(e2b, "layers.15.self_attn.k_norm.weight"), nullptr);
  EXPECT_EQ(find(e2b, "lm_head.weight"), nullptr);
  EXPECT_EQ(find(big, "layers.5.self_attn.v_proj.weight"), nullptr);  // keys serve as values
}

TEST(TensorSpec, NamesAreUniqueAndAnUntiedHeadIsListed) {
  GemmaConfig c = tiny_everything();
  c.tied_head = false;
  const std::vector<TensorSpec> specs = tensor_specs(c);
  std::set<std::string> names, gguf_names;
  for (const TensorSpec& spec : specs) {
    EXPECT_TRUE(names.insert(spec.name).second) << spec.name;
    EXPECT_TRUE(gguf_names.insert(spec.gguf_name).second) << spec.gguf_name;
    EXPECT_EQ(spec.is_matrix, spec.shape.size() > 1) << spec.name;
    EXPECT_TRUE(spec.is_matrix || !is_linear(spec.role)) << spec.name;
  }
  const TensorSpec* head = find(specs, "lm_head.weight");
  ASSERT_NE(head, nullptr);
  EXPECT_EQ(head->gguf_name, "output.weight");
  EXPECT_EQ(module_name(*head), "lm_head");
  EXPECT_EQ(module_name(*find(specs, "layers.1.experts.gate_up_proj")), "layers.1.experts.gate_up_proj");
  EXPECT_EQ(module_name(*find(specs, "layers.1.self_attn.q_proj.weight")), "layers.1.self_attn.q_proj");
}

}  // namespace
}  // namespace facet
