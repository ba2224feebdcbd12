#include "model/config.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "model/tiny_configs.h"

namespace facet {
namespace {

TEST(Config, DonorIsTheLastOwningLayerOfTheSameKind) {
  const GemmaConfig e2b = *preset("e2b"), e4b = *preset("e4b"), c = tiny_everything();
  EXPECT_EQ(e2b.first_shared_layer(), 15);
  EXPECT_EQ(e4b.first_shared_layer(), 24);
  for (int l = 0; l < e2b.n_layers(); ++l) EXPECT_EQ(e2b.kv_donor(l), l < 15 ? l : l % 5 == 4 ? 14 : 13) << l;
  for (int l = 0; l < e4b.n_layers(); ++l) EXPECT_EQ(e4b.kv_donor(l), l < 24 ? l : l % 6 == 5 ? 23 : 22) << l;
  EXPECT_EQ(c.kv_donor(3), 1);
  EXPECT_EQ(c.kv_donor(4), 2);
}

TEST(Config, DerivedSizesFollowTheKindOfTheLayer) {
  const GemmaConfig c = tiny_everything(32);  // s s g s g, the last two share
  EXPECT_EQ(c.head_size_of(0), 32);
  EXPECT_EQ(c.head_size_of(2), 64);
  EXPECT_EQ(c.n_kv_heads_of(0), 2);
  EXPECT_EQ(c.n_kv_heads_of(4), 1);
  EXPECT_EQ(c.ffn_size_of(2), 96);
  EXPECT_EQ(c.ffn_size_of(3), 192);
  EXPECT_TRUE(c.has_v_proj(1));
  EXPECT_FALSE(c.has_v_proj(2));
  EXPECT_TRUE(c.owns_kv(2));
  EXPECT_FALSE(c.owns_kv(3));
}

TEST(Config, RopeFrequencies) {
  const GemmaConfig c = *preset("31b");
  const std::vector<double> sliding = c.rope_frequencies(0), global = c.rope_frequencies(5);
  ASSERT_EQ(sliding.size(), 128u);
  ASSERT_EQ(global.size(), 256u);
  EXPECT_DOUBLE_EQ(sliding[0], 1.0);
  EXPECT_NEAR(sliding[127], std::pow(1e4, -254.0 / 256), 1e-18);
  EXPECT_NEAR(global[1], std::pow(1e6, -2.0 / 512), 1e-15);  // over the whole head, not over the part that rotates
  EXPECT_NEAR(global[63], std::pow(1e6, -126.0 / 512), 1e-15);
  for (int i = 64; i < 256; ++i) EXPECT_EQ(global[i], 0.0) << i;
  GemmaConfig scaled = c;
  scaled.rope_factor_global = 8;
  EXPECT_DOUBLE_EQ(scaled.rope_frequencies(5)[3], global[3] / 8);
  EXPECT_EQ(scaled.rope_frequencies(0), sliding);
}

// Every field out of its range, and every contradiction, with a word the message must hold.
TEST(Config, ValidateNamesWhatIsWrong) {
  struct Case {
    const char* word;
    std::function<void(GemmaConfig&)> breaks;
  };
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  const Case cases[] = {
      {"vocab_size", [](auto& c) { c.vocab_size = 0; }},
      {"vocab_size", [](auto& c) { c.vocab_size = std::numeric_limits<int>::max(); }},
      {"hidden_size", [](auto& c) { c.hidden_size = -8; }},
      {"intermediate_size", [](auto& c) { c.ffn_size = 0; }},
      {"num_attention_heads", [](auto& c) { c.n_heads = 0; }},
      {"num_key_value_heads", [](auto& c) { c.n_kv_heads = 0; }},
      {"num_key_value_heads", [](auto& c) { c.n_kv_heads = 8; }},
      {"multiple", [](auto& c) { c.n_kv_heads = 3; }},
      {"num_global_key_value_heads", [](auto& c) { c.n_global_kv_heads = 0; }},
      {"multiple", [](auto& c) { c.n_global_kv_heads = 3; }},
      {"attention_k_eq_v", [](auto& c) { c.k_eq_v = false; }},
      {"head_dim", [](auto& c) { c.head_size = 0; }},
      {"even", [](auto& c) { c.head_size = 7; }},
      {"global_head_dim", [](auto& c) { c.global_head_size = 1 << 20; }},
      {"even", [](auto& c) { c.global_head_size = 9; }},
      {"sliding_window", [](auto& c) { c.sliding_window = 0; }},
      {"max_position_embeddings", [](auto& c) { c.max_positions = 0; }},
      {"num_hidden_layers", [](auto& c) { c.layers.clear(); }},
      {"num_hidden_layers", [](auto& c) { c.layers.assign(2000, LayerKind::kGlobal); }},
      {"last layer", [](auto& c) { c.layers.back() = LayerKind::kSliding; }},
      {"num_kv_shared_layers", [](auto& c) { c.n_kv_shared_layers = 5; }},
      {"num_kv_shared_layers", [](auto& c) { c.n_kv_shared_layers = -1; }},
      {"owns one", [](auto& c) { c.n_kv_shared_layers = 3; }},  // no global layer is left to own a cache
      {"hidden_size_per_layer_input", [](auto& c) { c.ple_size = -1; }},
      {"num_experts", [](auto& c) { c.n_experts = 1 << 20; }},
      {"top_k_experts", [](auto& c) { c.n_experts_used = 0; }},
      {"top_k_experts", [](auto& c) { c.n_experts_used = 5; }},
      {"moe_intermediate_size", [](auto& c) { c.expert_ffn_size = 0; }},
      {"rms_norm_eps", [](auto& c) { c.rms_eps = 0; }},
      {"rms_norm_eps", [nan](auto& c) { c.rms_eps = nan; }},
      {"final_logit_softcapping", [](auto& c) { c.logit_softcap = -1; }},
      {"final_logit_softcapping", [inf](auto& c) { c.logit_softcap = inf; }},
      {"rope", [](auto& c) { c.rope_theta = 0; }},
      {"rope", [nan](auto& c) { c.rope_theta_global = nan; }},
      {"rope", [](auto& c) { c.rope_factor_global = -1; }},
      {"partial_rotary_factor", [](auto& c) { c.rope_partial_global = 1.5; }},
      {"partial_rotary_factor", [nan](auto& c) { c.rope_partial_global = nan; }},
      {"pad_token_id", [](auto& c) { c.pad_token = -1; }},
      {"bos_token_id", [](auto& c) { c.bos_token = 384; }},
      {"eos_token_id",
       [](auto& c) {
         c.eos_tokens = {1, 1000};
       }},
      {"suppress_tokens", [](auto& c) { c.suppressed_tokens = {384}; }},
  };
  for (const Case& test : cases) {
    GemmaConfig c = tiny_everything();
    ASSERT_TRUE(c.validate().ok());
    test.breaks(c);
    const Status status = c.validate();
    EXPECT_EQ(status.code(), Code::kCorrupt) << test.word;
    EXPECT_NE(status.message().find(test.word), std::string::npos) << test.word << ": " << status.message();
    EXPECT_EQ(status.message().find('\n'), std::string::npos);
  }
}

TEST(Config, TinyConfigsAreValidAtEveryUnit) {
  for (int unit : {8, 16, 32, 64})
    for (const GemmaConfig& c : {tiny_e(unit), tiny_k_eq_v_dense(unit), tiny_moe(unit), tiny_everything(unit)})
      EXPECT_TRUE(c.validate().ok()) << c.validate().message();
}

}  // namespace
}  // namespace facet
