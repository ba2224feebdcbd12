// Whole models cut short at every 1 % of each of their files: opening one ends in one line and exit code 3, and takes
// no more memory than a small multiple of what is there.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>

#include "counting_allocator.h"
#include "model/checkpoint_testing.h"
#include "model/convert.h"
#include "model/drafter.h"

namespace facet::model_test {
namespace {

class Truncated : public CheckpointTest {
 protected:
  // Cuts `file`, which is `model` itself or lies in it, and opens the model each time.
  void cut(const std::string& model, const std::string& file) {
    const std::string whole = read_all(path(file));
    ASSERT_GT(whole.size(), 100u) << file;
    ASSERT_TRUE(open(path(model)).ok()) << open(path(model)).message();
    const std::size_t others = size_bytes(path(model)) - whole.size();
    for (std::size_t percent = 0; percent < 100; ++percent) {
      SCOPED_TRACE(testing::Message() << file << " at " << percent << " %");
      const std::size_t n = whole.size() * percent / 100;
      std::ofstream(path(file), std::ios::binary).write(whole.data(), static_cast<std::streamsize>(n));
      reset_peak_heap_bytes();
      const std::size_t before = live_heap_bytes();
      const Status status = open(path(model));
      EXPECT_LE(peak_heap_bytes() - before, 16 * (others + n) + (64 << 10));
      EXPECT_EQ(exit_code(status), 3) << status.message();
      EXPECT_EQ(status.message().find(path(model)), 0u) << status.message();
      EXPECT_TRUE(std::all_of(status.message().begin(), status.message().end(), [](char c) {
        return c >= 0x20 && c < 0x7f;
      })) << status.message();
    }
    std::ofstream(path(file), std::ios::binary) << whole;
  }
  void cut_folder(const std::string& folder) {
    for (const char* name : {"config.json", "generation_config.json", "tokenizer.json", "model.safetensors"})
      cut(folder, folder + "/" + name);
  }
  bool drafter_ = false;  // what is cut

 private:
  // As every command does: the tensors, then the tokenizer.
  Status open(const std::string& model) const {
    FACET_TRY((drafter_ ? load_drafter(model) : load_checkpoint(model)).status());
    return load_tokenizer(model).status();
  }
  static std::size_t size_bytes(const std::string& model) {
    if (!fs::is_directory(model)) return fs::file_size(model);
    std::size_t total = 0;
    for (const auto& entry : fs::directory_iterator(model)) total += entry.file_size();
    return total;
  }
};

TEST_F(Truncated, Gguf) {
  const Checkpoint c = encoded(random_checkpoint(tiny_everything(32), 1), "q4_0", DType::kF32);
  ASSERT_TRUE(save_gguf(path("a.gguf"), c, tiny_tokenizer()).ok());
  cut("a.gguf", "a.gguf");
}

TEST_F(Truncated, FloatFolder) {
  ASSERT_TRUE(save_hf(path("a"), random_checkpoint(tiny_e(8), 2), tiny_tokenizer()).ok());
  cut_folder("a");
}

TEST_F(Truncated, MobileFolder) {
  const Checkpoint c = encoded(random_checkpoint(tiny_e(8), 3), "mobile", DType::kBF16);
  ASSERT_TRUE(save_hf(path("a"), c, tiny_tokenizer()).ok());
  cut_folder("a");
}

TEST_F(Truncated, PackedFolder) {
  const Checkpoint source = random_checkpoint(tiny_e(32), 4);
  ThreadPool pool(1);
  ConvertOptions options;
  options.allow_ptq = true;
  const Result<Conversion> c = Conversion::create(source, ConvertTarget::kW4A16, options, pool);
  ASSERT_TRUE(c.ok()) << c.status().message();
  ASSERT_TRUE(save_checkpoint(path("a"), c->outline(), tiny_tokenizer(), c->stream()).ok());
  cut_folder("a");
}

TEST_F(Truncated, Drafters) {
  drafter_ = true;
  const Checkpoint c = random_checkpoint(tiny_drafter(tiny_e(32), 16), 5);
  ASSERT_TRUE(save_drafter(path("a"), c, tiny_tokenizer()).ok());
  cut_folder("a");
  ThreadPool pool(1);
  ASSERT_TRUE(save_drafter(path("a.gguf"), *convert_drafter(c, DType::kQ4_0, pool), tiny_tokenizer()).ok());
  cut("a.gguf", "a.gguf");
}

}  // namespace
}  // namespace facet::model_test
