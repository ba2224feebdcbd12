// The engine against transformers: random models that it made, with its logits (tests/golden/hf,
// tools/reference/models.py).
#include <gtest/gtest.h>

#include <cstring>
#include <sstream>

#include "base/mapped_file.h"
#include "engine/engine_testing.h"

namespace facet {
namespace {

using namespace facet::engine_test;

class GoldenModel : public testing::TestWithParam<const char*> {
 protected:
  const std::string folder_ = std::string(FACET_SOURCE_DIR) + "/tests/golden/hf/" + GetParam();
};
INSTANTIATE_TEST_SUITE_P(Transformers, GoldenModel, testing::Values("e", "k_eq_v", "moe"),
                         [](const auto& kind) { return std::string(kind.param); });

TEST_P(GoldenModel, HasTheSameLogits) {
  std::vector<int> tokens;
  std::istringstream ids(*read_text_file(folder_ + "/ids.txt"));
  for (int id; ids >> id;) tokens.push_back(id);
  ASSERT_GT(tokens.size(), 20u);  // past the window
  const std::string bytes = *read_text_file(folder_ + "/logits.f32");
  std::vector<float> expected(bytes.size() / sizeof(float));
  std::memcpy(expected.data(), bytes.data(), bytes.size());

  const Model model = *Model::load(folder_);
  ASSERT_EQ(expected.size(), tokens.size() * static_cast<std::size_t>(model.config().vocab_size));
  FACET_FOR_EACH_ISA(kernels) {
    for (int batch : {1, 7, 64}) {
      const auto logits = engine_logits(model, tokens, {.max_batch = batch, .kv = KvType::kF32}, *kernels);
      EXPECT_LT(relative_rms(logits, expected), 2e-4) << batch;
    }
  }
}

}  // namespace
}  // namespace facet
