#include "facet/engine.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "engine/engine_testing.h"
#include "engine/generate.h"
#include "text/test_vocabulary.h"

namespace facet {
namespace {

class EngineTest : public ::testing::Test {
 protected:
  static std::string folder() {
    return (std::filesystem::temp_directory_path() / ("facet_engine_test_" + std::to_string(getpid()))).string();
  }
  static void SetUpTestSuite() {
    std::vector<std::string> alphabet;
    int missing = tiny_e().vocab_size - static_cast<int>(testing::small_vocabulary({}, {}).pieces.size());
    for (int i = 0; i < missing; ++i) alphabet.push_back("w" + std::to_string(i));
    Tokenizer tokenizer = *Tokenizer::create(testing::small_vocabulary(alphabet, {}));
    ASSERT_TRUE(save_hf(folder(), calm_random_checkpoint(tiny_e(), 3), tokenizer).ok());
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(folder()); }
};

TEST_F(EngineTest, GivesWhatTheRoomsBehindItGive) {
  Result<Engine> engine = Engine::load(folder(), {.threads = 1, .context = 64});
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  EXPECT_EQ(engine->vocab_size(), tiny_e().vocab_size);
  EXPECT_EQ(engine->context(), 64);
  std::vector<int> prompt = engine->encode("the cat");
  ASSERT_EQ(prompt, load_tokenizer(folder())->encode("the cat", {.bos = true}));

  GenerateOptions options;
  options.max_tokens = 12;
  options.ignore_stop = true;
  options.sampling.seed = 9;
  std::string text;
  Result<GenerateStats> stats = engine->generate(prompt, options, [&](std::string_view bytes) {
    text += bytes;
    return true;
  });
  ASSERT_TRUE(stats.ok()) << stats.status().message();
  EXPECT_EQ(stats->generated_tokens, 12);

  Model model = *Model::load(folder());
  ThreadPool pool(1);
  Session session = *Session::create(model, pool, {.context = 64, .kv = default_cache(model)});
  Result<Generation> expected = generate(session, prompt, options);
  ASSERT_TRUE(expected.ok());
  std::string expected_text;
  Tokenizer tokenizer = *load_tokenizer(folder());
  for (int token : expected->tokens) expected_text += tokenizer.piece_bytes(token);
  EXPECT_EQ(text, expected_text);
  EXPECT_EQ(engine->position(), session.position());
}

TEST_F(EngineTest, EvaluatesAndGoesBack) {
  Engine engine = *Engine::load(folder(), {.threads = 1, .context = 32});
  std::vector<float> first(engine.vocab_size()), again(first);
  ASSERT_TRUE(engine.evaluate(std::vector<int>{2, 7, 8}, first).ok());
  ASSERT_TRUE(engine.rollback(1).ok());
  ASSERT_TRUE(engine.evaluate(std::vector<int>{8}, again).ok());
  EXPECT_EQ(engine.position(), 3);
  EXPECT_EQ(first, again);
  EXPECT_EQ(engine.evaluate(std::vector<int>{99999}, again).code(), Code::kInvalidArgument);
  EXPECT_EQ(engine.position(), 3);
}

TEST_F(EngineTest, SaysWhatIsWrong) {
  EXPECT_EQ(Engine::load(folder() + "/nothing").status().code(), Code::kNotFound);
  EXPECT_EQ(Engine::load(folder(), {.threads = -1}).status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace facet
