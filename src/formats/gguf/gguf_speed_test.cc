// A file with the header of Gemma 4 E2B (600 tensors, 262,144 tokens, 514,906 merges) opens in at most 300 ms.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "formats/gguf/gguf.h"
#include "formats/gguf/gguf_writer.h"

namespace facet {
namespace {

TEST(GgufSpeed, ALargeVocabularyOpensQuickly) {
  constexpr int kTokens = 262144, kMerges = 514906, kTensors = 600;
  auto path =
      (std::filesystem::temp_directory_path() / ("facet_speed_" + std::to_string(::getpid()) + ".gguf")).string();
  {
    std::vector<std::string> text;
    for (int i = 0; i < kMerges; ++i) text.push_back("piece" + std::to_string(i * 7) + " and" + std::to_string(i));
    std::vector<std::string_view> merges(text.begin(), text.end());
    GgufWriter out;
    out.add("general.architecture", "gemma4");
    out.add("tokenizer.ggml.tokens", std::vector<std::string_view>(merges.begin(), merges.begin() + kTokens));
    out.add("tokenizer.ggml.scores", std::vector<float>(kTokens, -1.0f));
    out.add("tokenizer.ggml.token_type", std::vector<std::int32_t>(kTokens, 1));
    out.add("tokenizer.ggml.merges", merges);
    for (int i = 0; i < kTensors; ++i)
      out.add_tensor("blk." + std::to_string(i) + ".attn_q.weight", GgmlType::kQ4_0, {8, 64});
    ASSERT_TRUE(out.open(path).ok());
    std::vector<std::byte> data(8 * 2 * 18);
    for (int i = 0; i < kTensors; ++i) ASSERT_TRUE(out.write(data).ok());
    ASSERT_TRUE(out.commit().ok());
  }
  std::vector<double> ms;
  for (int i = 0; i < 5; ++i) {
    auto begin = std::chrono::steady_clock::now();
    auto file = read_gguf(path);
    auto end = std::chrono::steady_clock::now();
    ASSERT_TRUE(file.ok()) << file.status().message();
    ASSERT_EQ(file->get_strings("tokenizer.ggml.merges")->size(), std::size_t{kMerges});
    ASSERT_EQ(file->tensors.size(), std::size_t{kTensors});
    ms.push_back(std::chrono::duration<double, std::milli>(end - begin).count());
  }
  std::sort(ms.begin(), ms.end());
  std::printf("open: median %.1f ms, best %.1f, worst %.1f; file %.1f MB\n", ms[2], ms.front(), ms.back(),
              static_cast<double>(std::filesystem::file_size(path)) / 1e6);
  std::filesystem::remove(path);
  EXPECT_LE(ms.front(), 300.0);
}

}  // namespace
}  // namespace facet
