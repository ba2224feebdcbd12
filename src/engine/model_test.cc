#include "engine/model.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "engine/engine_testing.h"

namespace facet {
namespace {

using namespace facet::engine_test;

void expect_refused(const Checkpoint& c, Code code, const std::string& word) {
  auto model = Model::bind(c);
  ASSERT_FALSE(model.ok()) << word;
  EXPECT_EQ(model.status().code(), code) << model.status().message();
  EXPECT_NE(model.status().message().find(word), std::string::npos) << model.status().message();
}

TEST(Model, PlacesEveryTensor) {
  for (const NamedConfig& tiny : tiny_configs()) {
    SCOPED_TRACE(tiny.name);
    const GemmaConfig& c = tiny.config;
    Model model = *Model::bind(calm_random_checkpoint(c, 1));
    model = Model(std::move(model));  // what was bound stays where it is
    for (int l = 0; l < c.n_layers(); ++l) {
      const LayerWeights& w = model.layers()[l];
      EXPECT_EQ(w.k.data != nullptr, c.owns_kv(l));
      EXPECT_EQ(w.v.data != nullptr, c.owns_kv(l) && c.has_v_proj(l));
      EXPECT_EQ(w.q.rows, c.n_heads * c.head_size_of(l));
      EXPECT_EQ(w.gate.rows, c.ffn_size_of(l));
      EXPECT_EQ(w.gate.module, "layers." + std::to_string(l) + ".mlp.gate_proj");
      EXPECT_EQ(w.ple_gate.data != nullptr, c.ple_size > 0);
      EXPECT_EQ(w.experts_down.size(), static_cast<std::size_t>(c.n_experts));
      for (std::size_t e = 1; e < w.experts_down.size(); ++e) {
        EXPECT_EQ(w.experts_gate_up[e].data - w.experts_gate_up[e - 1].data,
                  std::ptrdiff_t(sizeof(float)) * 2 * c.expert_ffn_size * c.hidden_size);
        EXPECT_EQ(w.experts_down[e].expert, static_cast<int>(e));
      }
    }
    EXPECT_EQ(model.head().rows, c.vocab_size);
    EXPECT_EQ(model.head().cols, c.hidden_size);
  }
}

TEST(Model, AnIncompleteOrDamagedCheckpointIsRefusedByName) {
  const Checkpoint good = calm_random_checkpoint(tiny_everything(), 1);
  const std::string q = "layers.1.self_attn.q_proj.weight", norm = "layers.2.input_layernorm.weight";
  Checkpoint c = good;
  c.tensors.erase(q);
  expect_refused(c, Code::kNotFound, q);

  c = good;
  c.tensors.at(q).shape[0] += 8;
  expect_refused(c, Code::kCorrupt, q);

  c = good;
  c.tensors.at(q).bytes = c.tensors.at(q).bytes.first(4);
  expect_refused(c, Code::kCorrupt, q);

  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    c = good;
    Tensor t = decode(c.tensors.at(norm));
    t.floats()[3] = bad;
    c.set(norm, std::move(t));
    expect_refused(c, Code::kCorrupt, norm);
  }

  c = good;
  c.set(norm, *encode(DType::kQ8_0, c.tensors.at(norm).shape, decode(c.tensors.at(norm)).floats()));
  expect_refused(c, Code::kUnsupported, norm);

  c = good;
  c.config.n_heads = 3;
  EXPECT_FALSE(Model::bind(c).ok());
}

TEST(Model, WrongScalesAreRefusedByName) {
  const Checkpoint good = mobile(calm_random_checkpoint(tiny_e(), 1), random_tokens(tiny_e(), 20));
  const std::string down = "layers.0.mlp.down_proj";
  Checkpoint c = good;
  c.activation_scales[down].input = -1;
  expect_refused(c, Code::kCorrupt, down);
  c = good;
  c.activation_scales[down].output = std::numeric_limits<float>::quiet_NaN();
  expect_refused(c, Code::kCorrupt, down);
  c = good;
  c.cache_scales.pop_back();
  expect_refused(c, Code::kCorrupt, "cache scales");
  c = good;
  c.cache_scales[2].v = -1;
  expect_refused(c, Code::kCorrupt, "layers.2");
  c = good;
  auto& scales = c.tensors.at(down + ".weight").row_scales;
  scales = scales.first(scales.size() - 1);
  expect_refused(c, Code::kCorrupt, down);
}

// safetensors packs tensors back to back, so an odd number of bytes shifts what follows.
TEST(Model, UnalignedTensorsAreCopied) {
  Checkpoint c = calm_random_checkpoint(tiny_e(), 1);
  const std::vector<int> tokens = random_tokens(tiny_e(), 20);
  const std::vector<float> expected = engine_logits(*Model::bind(c), tokens, {});
  for (const TensorSpec& spec : tensor_specs(c.config)) {
    TensorView& view = c.tensors.at(spec.name);
    auto storage = std::make_shared<std::vector<std::byte>>(view.bytes.size() + 1);
    std::memcpy(storage->data() + 1, view.bytes.data(), view.bytes.size());
    view.bytes = std::span<const std::byte>(*storage).subspan(1);
    c.owners.push_back(storage);
  }
  const Model model = *Model::bind(c);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(model.head().data) % alignof(float), 0u);
  EXPECT_EQ(engine_logits(model, tokens, {}), expected);
}

}  // namespace
}  // namespace facet
