#include "model/drafter.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <numeric>

#include "formats/gguf/gguf.h"
#include "model/checkpoint_testing.h"
#include "model/gguf_keys.h"
#include "model/synthetic.h"

namespace facet {
namespace {

using namespace facet::model_test;
using nlohmann::ordered_json;

// Parameters of the releases, proven by the sizes of their files (12B, 31B, E4B) or by the same sum.
struct Size {
  const char* name;
  std::int64_t parameters;
  std::size_t n_tensors;  // the ordering included
};
constexpr Size kSizes[] = {{"e2b-drafter", 77731332, 50},
                           {"e4b-drafter", 78517764, 50},
                           {"12b-drafter", 422856964, 48},
                           {"26b-a4b-drafter", 419711236, 48},
                           {"31b-drafter", 469518596, 48}};

TEST(DrafterPresets, ParameterCountsAreThoseOfTheReleases) {
  ASSERT_EQ(drafter_preset_names().size(), std::size(kSizes));
  for (const Size& size : kSizes) {
    const GemmaConfig c = *drafter_preset(size.name);
    EXPECT_TRUE(c.validate().ok()) << size.name << ": " << c.validate().message();
    std::int64_t sum = 0;
    const std::vector<TensorSpec> specs = tensor_specs(c);
    for (const TensorSpec& spec : specs) sum += element_count(spec.shape);
    EXPECT_EQ(sum, size.parameters) << size.name;
    EXPECT_EQ(specs.size() + (c.n_clusters > 0 ? 1 : 0), size.n_tensors) << size.name;
  }
}

TEST(DrafterPresets, FitTheirModelsAndNoOthers) {
  for (const std::string& name : drafter_preset_names())
    for (const std::string& target : preset_names()) {
      const Status status = check_drafter(*drafter_preset(name), *preset(target));
      EXPECT_EQ(status.ok(), name == target + "-drafter") << name << " for " << target << ": " << status.message();
      if (!status.ok()) expect_refused(status, Code::kUnsupported, {"another model"}, name);
    }
  EXPECT_EQ(drafter_preset("e2b").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(drafter_preset("7b-drafter").status().code(), Code::kInvalidArgument);
}

// The last layer of each kind that owns a cache.
TEST(DrafterPresets, ReadTheCachesOfTheRightLayers) {
  const std::tuple<const char*, int, int> expected[] = {
      {"e2b", 13, 14}, {"e4b", 22, 23}, {"12b", 46, 47}, {"26b-a4b", 28, 29}, {"31b", 58, 59}};
  for (auto [name, sliding, global] : expected) {
    EXPECT_EQ(drafter_donor(*preset(name), LayerKind::kSliding), sliding) << name;
    EXPECT_EQ(drafter_donor(*preset(name), LayerKind::kGlobal), global) << name;
  }
}

TEST(CheckDrafter, SaysWhatDiffers) {
  const GemmaConfig target = tiny_k_eq_v_dense(), good = tiny_drafter(target);
  ASSERT_TRUE(check_drafter(good, target).ok());
  auto refused = [&](const std::string& word, auto change) {
    GemmaConfig bent = target;
    change(bent);
    expect_refused(check_drafter(good, bent), Code::kUnsupported, {word}, word);
  };
  refused("backbone_hidden_size", [](GemmaConfig& c) { c.hidden_size += 32; });
  refused("vocabulary", [](GemmaConfig& c) { c.vocab_size += 1; });
  refused("head size on sliding", [](GemmaConfig& c) { c.head_size *= 2; });
  refused("head size on global", [](GemmaConfig& c) { c.global_head_size *= 2; });
  refused("key/value heads on sliding", [](GemmaConfig& c) { c.n_kv_heads = 4; });
  refused("key/value heads on global", [](GemmaConfig& c) { c.n_global_kv_heads = 2; });
  refused("sliding window", [](GemmaConfig& c) { c.sliding_window += 1; });
  refused("RoPE on sliding", [](GemmaConfig& c) { c.rope_theta *= 2; });
  refused("RoPE on global", [](GemmaConfig& c) { c.rope_partial_global = 0.5; });
  refused("sliding layer", [](GemmaConfig& c) { c.layers = tiny_layers("ggg"); });
  refused("another one", [&](GemmaConfig& c) { c = good; });
  expect_refused(check_drafter(target, target), Code::kUnsupported, {"ordinary model"}, "a model as drafter");
}

class DrafterFiles : public CheckpointTest {
 protected:
  const GemmaConfig target_ = tiny_e();
  const Tokenizer tokenizer_ = tiny_tokenizer();
  Checkpoint drafter(int n_clusters, DType type = DType::kBF16) const {
    const Checkpoint c = random_checkpoint(tiny_drafter(target_, n_clusters), 3);
    ThreadPool pool(1);
    return *convert_drafter(c, type, pool);
  }
  static void expect_same_drafters(const Checkpoint& a, const Checkpoint& b) {
    expect_same(a, b);
    EXPECT_EQ(a.token_ordering, b.token_ordering);
  }
};

TEST_F(DrafterFiles, FoldersRoundTrip) {
  for (int n_clusters : {0, 16})
    for (DType type : {DType::kBF16, DType::kF16, DType::kF32}) {
      Checkpoint c = drafter(n_clusters, type);
      c.metadata["facet.drafter_class"] = "unified";
      const std::string folder = path("d");
      const Status saved = save_drafter(folder, c, tokenizer_);
      ASSERT_TRUE(saved.ok()) << saved.message();
      auto loaded = load_drafter(folder);
      ASSERT_TRUE(loaded.ok()) << loaded.status().message();
      expect_same_drafters(*loaded, c);
      EXPECT_TRUE(*is_drafter(folder));
      // And what makes it one for transformers.
      const ordered_json config = ordered_json::parse(read_all(folder + "/config.json"));
      EXPECT_EQ(config.at("model_type"), "gemma4_unified_assistant");
      EXPECT_EQ(config.at("text_config").at("num_kv_shared_layers"), 4);
      EXPECT_EQ(config.at("use_ordered_embeddings"), n_clusters > 0);
      const StoredItems items = read_items(folder);
      EXPECT_TRUE(items.contains("model.layers.0.self_attn.q_proj.weight"));
      EXPECT_TRUE(items.contains("pre_projection.weight"));
      EXPECT_FALSE(items.contains("model.layers.0.self_attn.k_proj.weight"));
      EXPECT_EQ(items.contains("masked_embedding.token_ordering"), n_clusters > 0);
    }
}

TEST_F(DrafterFiles, GgufsRoundTrip) {
  for (int n_clusters : {0, 16})
    for (DType type : {DType::kBF16, DType::kF16, DType::kQ8_0, DType::kQ4_0}) {
      Checkpoint c = drafter(n_clusters, type);
      c.metadata["facet.scheme"] = "x";
      const std::string file = path("d.gguf");
      const Status saved = save_drafter(file, c, tokenizer_);
      ASSERT_TRUE(saved.ok()) << saved.message();
      auto loaded = load_drafter(file);
      ASSERT_TRUE(loaded.ok()) << loaded.status().message();
      expect_same_drafters(*loaded, c);
      EXPECT_TRUE(*is_drafter(file));
      EXPECT_EQ(load_tokenizer(file)->vocab_size(), target_.vocab_size);
      const GgufFile raw = *read_gguf(file);
      EXPECT_EQ(*raw.get_string("general.architecture"), "gemma4-assistant");
      EXPECT_EQ(*raw.get_int("gemma4-assistant.embedding_length_out"), target_.hidden_size);
      EXPECT_EQ(*raw.get_int("gemma4-assistant.nextn_predict_layers"), 4);
      EXPECT_EQ(*raw.get_ints("gemma4-assistant.attention.head_count_kv"), std::vector<std::int64_t>(4, 2));
    }
  EXPECT_EQ(save_drafter(path("blocks"), drafter(0, DType::kQ8_0), tokenizer_).code(), Code::kUnsupported);
}

// Converters of others leave the centroids out; half of them is a damaged file.
TEST_F(DrafterFiles, AGgufWithoutCentroidsHasADenseHead) {
  Checkpoint dense = drafter(16);
  drop_clusters(dense);
  ASSERT_TRUE(save_drafter(path("dense.gguf"), dense, tokenizer_).ok());
  const auto loaded = load_drafter(path("dense.gguf"));
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_EQ(loaded->config.n_clusters, 0);

  ASSERT_TRUE(save_drafter(path("half.gguf"), drafter(16), tokenizer_).ok());
  std::string bytes = read_all(path("half.gguf"));
  const std::size_t at = bytes.find(kOrdering);
  ASSERT_NE(at, std::string::npos);
  bytes.replace(at, 6, "MASKED");
  ASSERT_TRUE(write_text_file(path("half.gguf"), bytes).ok());
  expect_refused(load_drafter(path("half.gguf")).status(), Code::kNotFound, {kOrdering}, "no ordering");
}

TEST_F(DrafterFiles, ModelsAreNoDraftersNorDraftersModels) {
  const Checkpoint model = random_checkpoint(target_, 1);
  ASSERT_TRUE(save_hf(path("model"), model, tokenizer_).ok());
  ASSERT_TRUE(save_gguf(path("model.gguf"), model, tokenizer_).ok());
  ASSERT_TRUE(save_drafter(path("drafter"), drafter(16), tokenizer_).ok());
  ASSERT_TRUE(save_drafter(path("drafter.gguf"), drafter(16), tokenizer_).ok());
  for (const char* name : {"model", "model.gguf"}) {
    expect_refused(load_drafter(path(name)).status(), Code::kUnsupported, {"not a drafter", "ordinary model"}, name);
    EXPECT_FALSE(*is_drafter(path(name)));
  }
  for (const char* name : {"drafter", "drafter.gguf"})
    expect_refused(load_checkpoint(path(name)).status(), Code::kUnsupported, {"drafter"}, name);
  expect_refused(load_drafter(path("nothing")).status(), Code::kNotFound, {"no such drafter"}, "nothing");
  EXPECT_EQ(is_drafter(path("nothing")).status().code(), Code::kNotFound);
}

TEST_F(DrafterFiles, BentConfigsAreRefused) {
  ASSERT_TRUE(save_drafter(path("d"), drafter(16), tokenizer_).ok());
  const ordered_json good = ordered_json::parse(read_all(path("d/config.json")));
  auto refused = [&](const std::string& what, std::vector<std::string> words, auto change) {
    ordered_json bent = good;
    change(bent, bent["text_config"]);
    expect_refused(parse_hf_drafter_config(bent.dump()).status(), Code::kCorrupt, words, what);
  };
  using J = ordered_json;
  ASSERT_TRUE(parse_hf_drafter_config(good.dump()).ok());
  refused("no text_config", {"text_config"}, [](J& j, J&) { j.erase("text_config"); });
  refused("per-layer inputs", {"per-layer"}, [](J&, J& t) { t["hidden_size_per_layer_input"] = 8; });
  refused("a vocabulary for them", {"per-layer"}, [](J&, J& t) { t["vocab_size_per_layer_input"] = 384; });
  refused("experts", {"experts"}, [](J&, J& t) {
    t["enable_moe_block"] = true;
    t["num_experts"] = 4;
    t["top_k_experts"] = 2;
    t["moe_intermediate_size"] = 32;
  });
  refused("double width", {"double-wide"}, [](J&, J& t) { t["use_double_wide_mlp"] = true; });
  refused("own caches", {"num_kv_shared_layers"}, [](J&, J& t) { t["num_kv_shared_layers"] = 2; });
  refused("no width", {"backbone_hidden_size"}, [](J& j, J&) { j["backbone_hidden_size"] = 0; });
  refused("negative width", {"backbone_hidden_size"}, [](J& j, J&) { j["backbone_hidden_size"] = -1; });
  refused("clusters of no size", {"clusters"}, [](J& j, J&) { j["num_centroids"] = 17; });
  refused("no clusters", {"num_centroids"}, [](J& j, J&) { j["num_centroids"] = 0; });
  refused("more than all clusters", {"top_k"}, [](J& j, J&) { j["centroid_intermediate_top_k"] = 17; });
  refused("no cluster used", {"top_k"}, [](J& j, J&) { j["centroid_intermediate_top_k"] = 0; });
  refused("a string", {"use_ordered_embeddings"}, [](J& j, J&) { j["use_ordered_embeddings"] = "yes"; });
  refused("a window of the token itself", {"sliding_window"}, [](J&, J& t) { t["sliding_window"] = 1; });
  refused("another activation", {"hidden_activation"}, [](J&, J& t) { t["hidden_activation"] = "silu"; });
  EXPECT_EQ(parse_hf_drafter_config("[]").status().code(), Code::kCorrupt);
  EXPECT_EQ(parse_hf_drafter_config("{}").status().code(), Code::kUnsupported);
  // What the reference ignores: a missing count of shared layers is "all", a soft cap is none.
  ordered_json lax = good;
  lax["text_config"].erase("num_kv_shared_layers");
  lax["text_config"]["final_logit_softcapping"] = 30.0;
  EXPECT_EQ(*parse_hf_drafter_config(lax.dump()), *parse_hf_drafter_config(good.dump()));
}

TEST_F(DrafterFiles, BentFoldersAreRefused) {
  ASSERT_TRUE(save_drafter(path("d"), drafter(16), tokenizer_).ok());
  const StoredItems good = read_items(path("d"));
  const std::string ordering = "masked_embedding.token_ordering", file = path("d/model.safetensors");
  auto refused = [&](const std::string& what, Code code, std::vector<std::string> words, auto change) {
    StoredItems bent = good;
    change(bent);
    write_items(file, bent);
    expect_refused(load_drafter(path("d")).status(), code, words, what);
  };
  auto set_id = [&](StoredItems& items, std::size_t at, std::int64_t id) {
    std::memcpy(items[ordering].bytes.data() + at * sizeof id, &id, sizeof id);
  };
  std::int64_t first = 0;
  std::memcpy(&first, good.at(ordering).bytes.data(), sizeof first);
  refused("no pre-projection", Code::kNotFound, {"pre_projection.weight"},
          [](StoredItems& i) { i.erase("pre_projection.weight"); });
  refused("no ordering", Code::kNotFound, {ordering}, [&](StoredItems& i) { i.erase(ordering); });
  refused("another shape", Code::kCorrupt, {"post_projection", "config wants"}, [](StoredItems& i) {
    i["post_projection.weight"].shape = {32, 64};
  });
  refused("a stranger", Code::kCorrupt, {"model.extra", "not part"},
          [](StoredItems& i) { i["model.extra"] = StoredItem::of_floats({1}, {1}); });
  refused("a NaN in a norm", Code::kCorrupt, {"norm", "NaN"},
          [](StoredItems& i) { i["model.norm.weight"] = StoredItem::of_floats({32}, std::vector<float>(32, NAN)); });
  refused("a token twice", Code::kCorrupt, {ordering, "permutation"}, [&](StoredItems& i) { set_id(i, 7, first); });
  refused("a negative token", Code::kCorrupt, {ordering, "permutation"}, [&](StoredItems& i) { set_id(i, 7, -1); });
  refused("a token too many", Code::kCorrupt, {ordering, "384"}, [&](StoredItems& i) { set_id(i, 7, 384); });
  refused("an ordering of floats", Code::kCorrupt, {ordering, "I64"},
          [&](StoredItems& i) { i[ordering] = StoredItem::of_floats({384}, std::vector<float>(384)); });
  refused("a short ordering", Code::kCorrupt, {ordering, "I64"}, [&](StoredItems& i) {
    i[ordering].shape = {383};
    i[ordering].bytes.resize(383 * 8);
  });
  StoredItems tied = good;  // a stored copy of the tied table
  tied["lm_head.weight"] = good.at("model.embed_tokens.weight");
  write_items(file, tied);
  EXPECT_TRUE(load_drafter(path("d")).ok());
}

TEST_F(DrafterFiles, CutShortFilesAreRefused) {
  ASSERT_TRUE(save_drafter(path("d"), drafter(16), tokenizer_).ok());
  ASSERT_TRUE(save_drafter(path("d.gguf"), drafter(16, DType::kQ8_0), tokenizer_).ok());
  for (const std::string name : {"d/model.safetensors", "d.gguf"}) {
    const auto size = fs::file_size(path(name));
    for (int percent = 99; percent >= 0; percent -= 11) {
      fs::resize_file(path(name), size * static_cast<std::uintmax_t>(percent) / 100);
      const Status status = load_drafter(path(name.substr(0, name.find('/')))).status();
      EXPECT_FALSE(status.ok()) << name << " " << percent;
      EXPECT_EQ(status.message().find('\n'), std::string::npos) << status.message();
    }
  }
}

TEST_F(DrafterFiles, ConversionIsExactOnTheGridAndPlainElsewhere) {
  ThreadPool pool(2);
  const Checkpoint floats = drafter(16, DType::kBF16), q4 = drafter(16, DType::kQ4_0);
  const Checkpoint plain = *convert_drafter(floats, DType::kQ4_0, pool);
  for (const TensorSpec& spec : tensor_specs(q4.config)) {
    if (!spec.is_matrix) continue;
    const Tensor expected = *encode(DType::kQ4_0, spec.shape, decode(floats.tensors.at(spec.name)).floats());
    EXPECT_TRUE(std::ranges::equal(plain.tensors.at(spec.name).bytes, expected.bytes)) << spec.name;
  }
  // Blocks that went through floats come back as what they were.
  const Checkpoint through = *convert_drafter(*convert_drafter(q4, DType::kF32, pool), DType::kQ4_0, pool);
  for (const TensorSpec& spec : tensor_specs(q4.config)) {
    const Tensor a = decode(q4.tensors.at(spec.name)), b = decode(through.tensors.at(spec.name));
    EXPECT_TRUE(std::ranges::equal(a.floats(), b.floats())) << spec.name;
  }
  // What has the type already is not copied.
  const Checkpoint same = *convert_drafter(floats, DType::kBF16, pool);
  EXPECT_EQ(same.tensors.at("pre_projection.weight").bytes.data(),
            floats.tensors.at("pre_projection.weight").bytes.data());
  Checkpoint damaged = drafter(0, DType::kF32);
  Tensor w = decode(damaged.tensors.at("pre_projection.weight"));
  w.floats()[5] = INFINITY;
  damaged.set("pre_projection.weight", std::move(w));
  expect_refused(convert_drafter(damaged, DType::kQ8_0, pool).status(), Code::kCorrupt, {"pre_projection"}, "infinity");
  const Checkpoint odd = random_checkpoint(tiny_drafter(tiny_e(8), 0, 8), 3);
  expect_refused(convert_drafter(odd, DType::kQ8_0, pool).status(), Code::kInvalidArgument, {"do not fit"},
                 "rows of 8");
}

TEST_F(DrafterFiles, SyntheticOnesAreStreamed) {
  ThreadPool pool(2);
  const Synthetic model = *Synthetic::create(tiny_drafter(target_, 16), *parse_scheme("q8_0"), DType::kBF16, 1);
  ASSERT_TRUE(save_drafter(path("s.gguf"), model.outline(), tokenizer_, model.stream(pool)).ok());
  const auto loaded = load_drafter(path("s.gguf"));
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_EQ(loaded->tensors.at("masked_embedding.centroids.weight").dtype, DType::kQ8_0);
  std::vector<int> sorted = loaded->token_ordering, all(384);
  EXPECT_FALSE(std::ranges::is_sorted(sorted));
  std::ranges::sort(sorted);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(sorted, all);
}

}  // namespace
}  // namespace facet
