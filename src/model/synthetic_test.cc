// Synthetic models: what is streamed to disk is a whole, loadable model, the same for any number of threads.
#include "model/synthetic.h"

#include <cmath>

#include "base/mapped_file.h"
#include "model/checkpoint_testing.h"
#include "quant/codec.h"

namespace facet::model_test {
namespace {

class SyntheticModel : public CheckpointTest {
 protected:
  void write(const std::string& name, const GemmaConfig& config, const char* scheme, std::uint64_t seed, int threads) {
    auto model = Synthetic::create(config, *parse_scheme(scheme), DType::kBF16, seed);
    ASSERT_TRUE(model.ok()) << model.status().message();
    ThreadPool pool(threads);
    const Status status =
        save_checkpoint(path(name), model->outline(), placeholder_tokenizer(config.vocab_size), model->stream(pool));
    ASSERT_TRUE(status.ok()) << status.message();
  }
  // The file that holds the tensors.
  std::string bytes_of(const std::string& name) {
    return *read_text_file(path(name) + (name.ends_with(".gguf") ? "" : "/model.safetensors"), std::size_t{1} << 30);
  }
};

GemmaConfig config_of(bool moe) {
  GemmaConfig c = moe ? tiny_moe(32) : tiny_e(32);
  c.vocab_size = 512;
  return c;
}

TEST_F(SyntheticModel, LoadsAndWritesAgainAsTheSameBytes) {
  for (const char* scheme : {"q4_0", "q8_0", "mobile", "none"})
    for (bool moe : {false, true}) {
      SCOPED_TRACE(scheme);
      const std::string name = std::string(scheme) == "q4_0" || std::string(scheme) == "q8_0" ? "m.gguf" : "m";
      write(name, config_of(moe), scheme, 1, 2);
      auto loaded = load_checkpoint(path(name));
      ASSERT_TRUE(loaded.ok()) << loaded.status().message();
      EXPECT_EQ(loaded->config, config_of(moe));
      // The second time from memory, nothing streamed.
      ASSERT_TRUE(save_checkpoint(path("again_" + name), *loaded, placeholder_tokenizer(512)).ok());
      EXPECT_TRUE(bytes_of(name) == bytes_of("again_" + name));
    }
}

TEST_F(SyntheticModel, DependsOnTheSeedAndNotOnThreads) {
  write("one.gguf", config_of(false), "q4_0", 7, 1);
  write("three.gguf", config_of(false), "q4_0", 7, 3);
  write("other.gguf", config_of(false), "q4_0", 8, 1);
  EXPECT_TRUE(bytes_of("one.gguf") == bytes_of("three.gguf"));
  EXPECT_FALSE(bytes_of("one.gguf") == bytes_of("other.gguf"));
}

TEST_F(SyntheticModel, MatricesKeepTheVarianceOfTheirInput) {
  for (const char* scheme : {"q4_0", "mobile", "none"}) {
    SCOPED_TRACE(scheme);
    const std::string name = std::string(scheme) == "q4_0" ? "m.gguf" : "m";
    write(name, config_of(false), scheme, 1, 2);
    auto loaded = load_checkpoint(path(name));
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    for (const char* tensor : {"layers.0.self_attn.q_proj.weight", "layers.9.mlp.down_proj.weight"}) {
      const Tensor w = decode(loaded->tensors.at(tensor));
      double squares = 0;
      for (float v : w.floats()) squares += double(v) * v;
      EXPECT_NEAR(std::sqrt(squares / double(w.floats().size()) * double(w.shape.back())), 1.0, 0.06) << tensor;
    }
  }
}

TEST_F(SyntheticModel, TablesMayHaveATypeOfTheirOwn) {
  GemmaConfig config = tiny_e(128);
  config.vocab_size = 512;
  auto model = Synthetic::create(config, *parse_scheme("q4_0"), DType::kF16, 1, DType::kQ6_K);
  ASSERT_TRUE(model.ok()) << model.status().message();
  ThreadPool pool(2);
  ASSERT_TRUE(save_gguf(path("m.gguf"), model->outline(), placeholder_tokenizer(512), model->stream(pool)).ok());
  auto loaded = load_checkpoint(path("m.gguf"));
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_EQ(loaded->tensors.at("embed_tokens.weight").dtype, DType::kQ6_K);
  EXPECT_EQ(loaded->tensors.at("embed_tokens_per_layer.weight").dtype, DType::kQ6_K);
  EXPECT_EQ(loaded->tensors.at("per_layer_model_projection.weight").dtype, DType::kF16);
  EXPECT_EQ(loaded->tensors.at("layers.0.self_attn.q_proj.weight").dtype, DType::kQ4_0);
  const Tensor w = decode(loaded->tensors.at("embed_tokens.weight"));
  double squares = 0;
  for (float v : w.floats()) squares += double(v) * v;
  EXPECT_NEAR(std::sqrt(squares / double(w.floats().size()) * config.hidden_size), 1.5, 0.1);
  EXPECT_EQ(Synthetic::create(tiny_e(32), *parse_scheme("q4_0"), DType::kF16, 1, DType::kQ6_K).status().code(),
            Code::kInvalidArgument);
}

TEST_F(SyntheticModel, Q4_KTablesHaveTheirDeviation) {
  GemmaConfig config = tiny_e(128);
  config.vocab_size = 512;
  auto model = Synthetic::create(config, *parse_scheme("q4_0"), DType::kF16, 1, DType::kQ4_K);
  ASSERT_TRUE(model.ok()) << model.status().message();
  ThreadPool pool(2);
  ASSERT_TRUE(save_gguf(path("m.gguf"), model->outline(), placeholder_tokenizer(512), model->stream(pool)).ok());
  auto loaded = load_checkpoint(path("m.gguf"));
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  ASSERT_EQ(loaded->tensors.at("embed_tokens.weight").dtype, DType::kQ4_K);
  const Tensor w = decode(loaded->tensors.at("embed_tokens.weight"));
  double squares = 0, sum = 0;
  for (float v : w.floats()) squares += double(v) * v, sum += v;
  const double n = double(w.floats().size());
  EXPECT_NEAR(std::sqrt(squares / n * config.hidden_size), 1.5, 0.1);
  EXPECT_LT(std::fabs(sum / n), 0.1 * std::sqrt(squares / n));
}

TEST(Synthetic, RefusesRowsThatDoNotFit) {
  GemmaConfig c = tiny_e(8);
  EXPECT_EQ(Synthetic::create(c, *parse_scheme("q4_0"), DType::kBF16, 1).status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace facet::model_test
