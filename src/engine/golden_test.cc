// The engine against transformers: random models that it made, and quantized ones, with its logits (tests/golden/hf,
// tools/reference/models.py).
#include <gtest/gtest.h>

#include <cstring>
#include <sstream>

#include "base/mapped_file.h"
#include "engine/engine_testing.h"

namespace facet {
namespace {

using namespace facet::engine_test;

struct Golden {
  std::vector<int> tokens;
  std::vector<float> logits;
  Model model;
};
std::string folder_of(const std::string& name) { return std::string(FACET_SOURCE_DIR) + "/tests/golden/hf/" + name; }

Golden load_golden(const std::string& name) {
  std::vector<int> tokens;
  std::istringstream ids(*read_text_file(folder_of(name) + "/ids.txt"));
  for (int id; ids >> id;) tokens.push_back(id);
  EXPECT_GT(tokens.size(), 20u);  // past the window
  const std::string bytes = *read_text_file(folder_of(name) + "/logits.f32");
  std::vector<float> expected(bytes.size() / sizeof(float));
  std::memcpy(expected.data(), bytes.data(), bytes.size());
  Model model = *Model::load(folder_of(name));
  EXPECT_EQ(expected.size(), tokens.size() * static_cast<std::size_t>(model.config().vocab_size));
  return {std::move(tokens), std::move(expected), std::move(model)};
}

void expect_within(const Golden& golden, double bound, bool float_activations = false) {
  FACET_FOR_EACH_ISA(kernels) {
    for (int batch : {1, 7, 64}) {
      SessionOptions options{.max_batch = batch, .kv = KvType::kF32};
      options.float_activations = float_activations;
      const auto logits = engine_logits(golden.model, golden.tokens, options, *kernels);
      EXPECT_LT(relative_rms(logits, golden.logits), bound) << batch;
    }
  }
}

class GoldenModel : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Transformers, GoldenModel, testing::Values("e", "k_eq_v", "moe"),
                         [](const auto& kind) { return std::string(kind.param); });

TEST_P(GoldenModel, HasTheSameLogits) { expect_within(load_golden(GetParam()), 2e-4); }

// Packed by compressed-tensors.
TEST(GoldenPacked, HasTheSameLogitsWithFloatActivations) {
  expect_within(load_golden("w4a16"), 2e-4, /*float_activations=*/true);
}

// Static int8 grids amplify roundings: transformers itself moves by noise.txt when a scale moves by a millionth.
TEST(GoldenMobile, IsWithinTransformersOwnNoise) {
  expect_within(load_golden("mobile"), std::stod(*read_text_file(folder_of("mobile") + "/noise.txt")));
}

}  // namespace
}  // namespace facet
