// trainer_test.h: a tiny run for tests: random weights with the whole topology, a text of words, a temporary folder.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>
#include <utility>

#include "base/rng.h"
#include "model/tiny_configs.h"
#include "text/test_vocabulary.h"
#include "train/trainer.h"

namespace facet::train {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "facet_train_XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// E-type with every kind of layer once: owning and sharing, sliding and global.
inline GemmaConfig tiny_model(int unit = 8) {
  GemmaConfig config = tiny_e(unit);
  config.layers = tiny_layers("sgsg");
  config.n_kv_shared_layers = 2;
  return config;
}

// As large as the tiny models' vocabulary: a GGUF wants them equal.
inline Tokenizer tiny_tokenizer() {
  auto missing = tiny_model().vocab_size - static_cast<int>(testing::small_vocabulary({}, {}).pieces.size());
  std::vector<std::string> alphabet;
  for (int i = 0; i < missing; ++i) alphabet.push_back("w" + std::to_string(i));
  return *Tokenizer::create(testing::small_vocabulary(alphabet, {}));
}

// A stream that can be learned: words from a small set, one after another by a fixed rule with some noise.
inline TokenStream tiny_stream(int n, std::uint64_t seed) {
  Rng rng(seed, 77);
  TokenStream stream;
  std::uint32_t word = 0;
  for (int i = 0; i < n; ++i) {
    word = rng.below(8) == 0 ? rng.below(24) : (5 * word + 3) % 24;
    stream.ids.push_back(static_cast<std::int32_t>(10 + word));
  }
  return stream;
}

inline TrainConfig tiny_config(const TemporaryFolder& folder) {
  TrainConfig config;
  config.model = "tiny";
  config.tokenizer = "tiny";
  config.train_text = "train.txt";
  config.valid_text = "valid.txt";
  config.output_dir = folder / "out";
  config.context = 16;
  config.batch_size = 4;
  config.max_steps = 20;
  config.lr = 3e-3;
  config.eval_every = 5;
  config.eval_windows = 8;
  config.save_every = 5;
  config.log_every = 1;
  config.threads = 1;
  return config;
}

inline TrainParts tiny_parts(const TrainConfig& config, int unit = 8) {
  at::set_num_threads(1);
  Graph student = Graph::initialize(tiny_model(unit), config.seed, {});
  return {std::move(student),   std::nullopt,         std::make_unique<FloatHooks>(),        tiny_tokenizer(),
          tiny_stream(3000, 1), tiny_stream(1000, 2), *Collectives::connect({}, torch::kCPU)};
}

}  // namespace facet::train
