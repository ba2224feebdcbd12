// Files with a few bytes changed at random: refused in one line, or loaded as something whose every byte can be read.
#include <gtest/gtest.h>

#include <fstream>

#include "base/rng.h"
#include "model/checkpoint_testing.h"

namespace facet::model_test {
namespace {

class Mutation : public CheckpointTest {
 protected:
  // Changes `name` n times, one to four bytes among its first `limit`, and loads `model` each time.
  void mutate(const std::string& name, const std::string& model, std::size_t limit, int n, std::uint64_t seed) {
    const std::string good = read_all(path(name));
    limit = std::min(limit, good.size());
    Rng rng(seed);
    int n_loaded = 0;
    for (int i = 0; i < n; ++i) {
      std::string bad = good;
      for (std::uint32_t k = 0, m = 1 + rng.below(4); k < m; ++k) {
        char& c = bad[rng.below(static_cast<std::uint32_t>(limit))];
        // Bits, digits and quotes: what moves numbers, lengths and the structure of JSON.
        const char kReplacements[] = "0123456789-.eE\"{}[]:,";
        c = rng.below(2) ? static_cast<char>(c ^ (1 << rng.below(8)))
                         : kReplacements[rng.below(sizeof kReplacements - 1)];
      }
      std::ofstream(path(name), std::ios::binary) << bad;
      check_tokenizer(load_tokenizer(path(model)));
      n_loaded += check(load_checkpoint(path(model)));
    }
    EXPECT_LT(n_loaded, n) << name;  // some change must be noticed
  }

 private:
  static void check_tokenizer(const Result<Tokenizer>& t) {
    if (!t.ok()) expect_refused(t.status(), t.status().code(), {}, "tokenizer");
  }
  static bool check(const Result<Checkpoint>& c) {
    if (!c.ok()) {
      expect_refused(c.status(), c.status().code(), {}, "checkpoint");
      EXPECT_NE(c.status().message(), "");
      return false;
    }
    for (const TensorSpec& spec : tensor_specs(c->config)) {
      const TensorView& view = c->tensors.at(spec.name);
      EXPECT_EQ(view.shape, spec.shape);
      const Tensor all = decode(view);
      EXPECT_EQ(all.floats().size(), static_cast<std::size_t>(element_count(spec.shape)));
    }
    return true;
  }
};

TEST_F(Mutation, Gguf) {
  const Checkpoint c = encoded(random_checkpoint(tiny_everything(32), 1), "q4_0", DType::kF32);
  ASSERT_TRUE(save_gguf(path("a.gguf"), c, tiny_tokenizer()).ok());
  mutate("a.gguf", "a.gguf", 2500, 150, 11);   // the model's keys
  mutate("a.gguf", "a.gguf", 40000, 100, 12);  // tokens and the tensor list
}

TEST_F(Mutation, Folder) {
  const Checkpoint c = encoded(random_checkpoint(tiny_e(8), 2), "mobile", DType::kBF16);
  ASSERT_TRUE(save_hf(path("a"), c, tiny_tokenizer()).ok());
  const std::size_t all = std::size_t{1} << 20;
  mutate("a/config.json", "a", all, 150, 13);
  ASSERT_TRUE(save_hf(path("a"), c, tiny_tokenizer()).ok());
  mutate("a/generation_config.json", "a", all, 50, 14);
  ASSERT_TRUE(save_hf(path("a"), c, tiny_tokenizer()).ok());
  mutate("a/model.safetensors", "a", 30000, 150, 15);
}

}  // namespace
}  // namespace facet::model_test
