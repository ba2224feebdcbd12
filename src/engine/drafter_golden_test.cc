// Drafters against transformers: random ones of its making beside tests/golden/hf, with chains of steps of its
// computing (tools/reference/drafters.py).
#include <gtest/gtest.h>

#include <cstring>
#include <sstream>

#include "base/mapped_file.h"
#include "engine/drafter.h"
#include "engine/drafter_testing.h"

namespace facet {
namespace {

using namespace facet::engine_test;

std::vector<int> read_ints(const std::string& line) {
  std::vector<int> out;
  std::istringstream in(line);
  for (int id; in >> id;) out.push_back(id);
  return out;
}

class GoldenDrafter : public testing::TestWithParam<const char*> {
 protected:
  const std::string folder_ = std::string(FACET_SOURCE_DIR) + "/tests/golden/hf/" + GetParam();
};
INSTANTIATE_TEST_SUITE_P(Transformers, GoldenDrafter, testing::Values("e", "k_eq_v"),
                         [](const auto& kind) { return std::string(kind.param); });

TEST_P(GoldenDrafter, ChainsTheSameSteps) {
  const std::vector<int> tokens = read_ints(*read_text_file(folder_ + "/ids.txt"));
  std::istringstream lines(*read_text_file(folder_ + "/drafter/steps.txt"));
  std::string contexts, steps;
  std::getline(lines, contexts);
  std::getline(lines, steps);
  const std::string bytes = *read_text_file(folder_ + "/drafter/steps.f32");
  std::vector<float> expected(bytes.size() / sizeof(float));
  std::memcpy(expected.data(), bytes.data(), bytes.size());

  const Model model = *Model::load(folder_);
  auto checkpoint = load_drafter(folder_ + "/drafter");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
  const Model drafter_model = *Model::bind(*checkpoint);
  EXPECT_EQ(checkpoint->config.n_clusters, GetParam() == std::string("e") ? 16 : 0);
  const std::size_t vocab = model.config().vocab_size, width = model.config().hidden_size;
  ThreadPool pool(1);
  FACET_FOR_EACH_ISA(kernels) {
    std::span<const float> rest = expected;
    auto next = [&](std::size_t n) {
      const auto out = rest.first(n);
      rest = rest.subspan(n);
      return out;
    };
    for (int n : read_ints(contexts)) {
      SCOPED_TRACE(n);
      Session session = *Session::create(model, pool, {.max_batch = 7, .kv = KvType::kF32}, *kernels);
      std::vector<float> logits(vocab);
      ASSERT_TRUE(
          session.evaluate(std::span(tokens).first(static_cast<std::size_t>(n)), Session::Logits::kLast, logits).ok());
      ASSERT_GE(rest.size(), width);
      EXPECT_LT(relative_rms(session.hidden(), next(width)), 2e-4);
      Drafter drafter = *Drafter::create(drafter_model, session);
      drafter.begin(session.hidden());
      for (int token : read_ints(steps)) {
        ASSERT_GE(rest.size(), vocab + width);
        drafter.step(token);
        EXPECT_LT(relative_rms_of_chosen(drafter.logits(), next(vocab)), 2e-4);
        EXPECT_LT(relative_rms(drafter.hidden(), next(width)), 2e-4);
      }
    }
    EXPECT_TRUE(rest.empty());
  }
}

}  // namespace
}  // namespace facet
