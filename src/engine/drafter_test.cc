#include "engine/drafter.h"

#include <gtest/gtest.h>

#include "engine/drafter_testing.h"

namespace facet {
namespace {

using namespace facet::engine_test;

constexpr int kSteps = 3;

// A model, what it has read, and a drafter for it.
struct Pair {
  Pair(const GemmaConfig& config, int n_clusters, int n_tokens, int unit = 8)
      : target(calm_random_checkpoint(config, 31)),
        drafter(calm_random_checkpoint(tiny_drafter(config, n_clusters, unit), 32)),
        tokens(random_tokens(config, n_tokens)) {}
  Checkpoint target, drafter;
  std::vector<int> tokens;

  // The largest error of logits and hidden states over a chain of steps.
  double error(const SessionOptions& options, const kernels::Table& kernels, int threads = 1, int rolled_back = 0) {
    const Model model = *Model::bind(target), drafter_model = *Model::bind(drafter);
    ThreadPool pool(threads);
    Session session = *Session::create(model, pool, options, kernels);
    std::vector<float> logits(target.config.vocab_size);
    EXPECT_TRUE(session.evaluate(tokens, Session::Logits::kLast, logits).ok());
    const std::vector<float> hidden(session.hidden().begin(), session.hidden().end());
    if (rolled_back > 0) {  // stale entries above the position, which no step may see
      EXPECT_TRUE(session.evaluate(random_tokens(target.config, rolled_back, 77), Session::Logits::kNone, {}).ok());
      EXPECT_TRUE(session.rollback(rolled_back).ok());
    }
    Drafter d = *Drafter::create(drafter_model, session);
    DrafterReference reference(drafter, target, tokens);
    d.begin(hidden);
    double worst = 0;
    for (int token : {7, 300, 41}) {
      d.step(token);
      reference.step(token);
      worst = std::max(
          {worst, relative_rms_of_chosen(d.logits(), reference.logits), relative_rms(d.hidden(), reference.hidden)});
    }
    return worst;
  }
};

// Fewer keys than the window holds, and a ring that has closed; stale entries or none.
TEST(Drafter, EqualsThePlainReference) {
  FACET_FOR_EACH_TINY(tiny) {
    for (int n_clusters : {0, 16})
      for (int n_tokens : {1, 5, 30}) {
        Pair pair(tiny.config, n_clusters, n_tokens);
        FACET_FOR_EACH_ISA(kernels) {
          EXPECT_LT(pair.error({.max_batch = 4}, *kernels), 3e-5) << n_clusters << " " << n_tokens;
          EXPECT_LT(pair.error({.max_batch = 4}, *kernels, 2, 12), 3e-5) << n_clusters << " " << n_tokens;
        }
      }
  }
}

TEST(Drafter, ReadsEveryTypeOfCache) {
  for (const GemmaConfig& config : {tiny_e(8), tiny_k_eq_v_dense(8)}) {
    Pair pair(config, 0, 20);  // with clusters a rounding may exchange one
    Pair scaled = pair;
    scaled.target.cache_scales = mobile(pair.target, pair.tokens).cache_scales;
    FACET_FOR_EACH_ISA(kernels) {
      const double f16 = pair.error({.kv = KvType::kF16}, *kernels), bf16 = pair.error({.kv = KvType::kBF16}, *kernels),
                   q8 = pair.error({.kv = KvType::kQ8}, *kernels);
      EXPECT_LT(f16, 4e-3);
      EXPECT_GT(f16, 1e-5);  // and it is really used
      EXPECT_LT(bf16, 3e-2);
      EXPECT_GT(bf16, f16);
      EXPECT_LT(q8, 0.1);
      EXPECT_GT(q8, f16);
      const double i8 = scaled.error({.kv = KvType::kI8}, *kernels);
      EXPECT_LT(i8, 0.15);
      EXPECT_GT(i8, f16);
    }
  }
}

TEST(Drafter, RunsQuantized) {
  Pair pair(tiny_e(32), 16, 10, 32);
  for (DType type : {DType::kBF16, DType::kQ8_0, DType::kQ4_0}) {
    Pair quantized = pair;
    ThreadPool pool(1);
    quantized.drafter = *convert_drafter(pair.drafter, type, pool);
    FACET_FOR_EACH_ISA(kernels) {
      EXPECT_LT(quantized.error({.float_activations = true}, *kernels), 3e-5) << info(type).name;
      // Eight bits of activations: clusters at the edge may be exchanged, so only what comes back is compared.
      const Model model = *Model::bind(quantized.target), drafter_model = *Model::bind(quantized.drafter);
      Session session = *Session::create(model, pool, {}, *kernels);
      std::vector<float> logits(model.config().vocab_size);
      ASSERT_TRUE(session.evaluate(pair.tokens, Session::Logits::kLast, logits).ok());
      Drafter d = *Drafter::create(drafter_model, session);
      DrafterReference reference(quantized.drafter, quantized.target, pair.tokens);
      d.begin(session.hidden());
      d.step(7);
      reference.step(7);
      EXPECT_LT(relative_rms(d.hidden(), reference.hidden), 0.03) << info(type).name;
    }
  }
}

// The order of rows does not show: chosen tokens have the bits of a head over all of them.
class DrafterClusters : public testing::TestWithParam<bool> {};
TEST_P(DrafterClusters, HaveTheBitsOfTheDenseHead) {
  Pair pair(tiny_e(32), 16, 10, 32);  // 96 of 384 tokens
  GemmaConfig config = pair.drafter.config;
  config.tied_head = GetParam();
  pair.drafter = calm_random_checkpoint(config, 32);
  for (DType type : {DType::kF32, DType::kBF16, DType::kF16, DType::kQ8_0, DType::kQ4_0}) {
    SCOPED_TRACE(info(type).name);
    ThreadPool pool(2);
    const Model model = *Model::bind(pair.target);
    Checkpoint some = *convert_drafter(pair.drafter, type, pool), all = some;
    drop_clusters(all);
    const Model clustered_model = *Model::bind(some), dense_model = *Model::bind(all);
    FACET_FOR_EACH_ISA(kernels) {
      Session session = *Session::create(model, pool, {}, *kernels);
      std::vector<float> logits(model.config().vocab_size);
      ASSERT_TRUE(session.evaluate(pair.tokens, Session::Logits::kLast, logits).ok());
      Drafter clustered = *Drafter::create(clustered_model, session), dense = *Drafter::create(dense_model, session);
      for (Drafter* d : {&clustered, &dense}) d->begin(session.hidden());
      for (int token : {7, 300, 41}) {
        clustered.step(token);
        dense.step(token);
        int n_chosen = 0;
        for (std::size_t i = 0; i < logits.size(); ++i) {
          if (std::isinf(clustered.logits()[i])) continue;
          ASSERT_EQ(clustered.logits()[i], dense.logits()[i]) << i;
          ++n_chosen;
        }
        EXPECT_EQ(n_chosen, 4 * 24);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, DrafterClusters, testing::Values(true, false),
                         [](const auto& info) { return info.param ? "TiedHead" : "HeadOfItsOwn"; });

// Rows go where the ordering says, so bind() must not take any.
TEST(Drafter, WantsAnOrderingOfAllTokens) {
  const Pair pair(tiny_e(8), 16, 1);
  auto refused = [&](auto change) {
    Checkpoint bent = pair.drafter;
    change(bent.token_ordering);
    const auto model = Model::bind(std::move(bent));
    EXPECT_EQ(model.status().code(), Code::kCorrupt);
    EXPECT_NE(model.status().message().find("permutation"), std::string::npos) << model.status().message();
  };
  refused([](std::vector<int>& o) { o.clear(); });
  refused([](std::vector<int>& o) { o.pop_back(); });
  refused([](std::vector<int>& o) { o[3] = o[4]; });
  refused([](std::vector<int>& o) { o[3] = -1; });
  refused([](std::vector<int>& o) { o[3] = static_cast<int>(o.size()); });
}

// Each of these mistakes is easily made (spec 7, T3), and must be seen by the comparison above.
TEST(Drafter, TheComparisonSeesMistakes) {
  const GemmaConfig config = tiny_e(8);
  Pair pair(config, 0, 41);
  const kernels::Table& kernels = **kernels::choose();
  auto error_of = [&](auto change) {
    Pair bent = pair;
    const Model model = *Model::bind(pair.target);
    change(bent);
    const Model drafter_model = *Model::bind(bent.drafter);
    ThreadPool pool(1);
    Session session = *Session::create(model, pool, {}, kernels);
    std::vector<float> logits(config.vocab_size);
    EXPECT_TRUE(session.evaluate(pair.tokens, Session::Logits::kLast, logits).ok());
    Drafter d = *Drafter::create(drafter_model, session);
    d.begin(session.hidden());
    DrafterReference reference(pair.drafter, pair.target, pair.tokens);
    d.step(7), reference.step(7);
    return relative_rms(d.logits(), reference.logits);
  };
  EXPECT_LT(error_of([](Pair&) {}), 3e-5);
  auto scale_of = [](Pair& p, const char* name, float factor) {
    Tensor t = decode(p.drafter.tensors.at(name));
    for (float& v : t.floats()) v *= factor;
    p.drafter.set(name, std::move(t));
  };
  EXPECT_GT(error_of([&](Pair& p) { scale_of(p, "layers.0.layer_scalar", 1.1f); }), 1e-3);
  EXPECT_GT(error_of([&](Pair& p) { scale_of(p, "layers.3.self_attn.q_norm.weight", 1.1f); }), 1e-4);
  EXPECT_GT(error_of([&](Pair& p) {  // embedding and hidden state exchanged
              Tensor t = decode(p.drafter.tensors.at("pre_projection.weight"));
              const std::size_t width = static_cast<std::size_t>(config.hidden_size);
              for (std::size_t row = 0; row < t.floats().size(); row += 2 * width)
                std::swap_ranges(&t.floats()[row], &t.floats()[row + width], &t.floats()[row + width]);
              p.drafter.set("pre_projection.weight", std::move(t));
            }),
            0.1);
}

TEST(Drafter, ThreadsDoNotChangeABitAndTiesGoToTheLowestToken) {
  Pair pair(tiny_e(32), 16, 41, 32);
  // Equal rows in the table: every token of the vocabulary is as good as the one before it.
  Tensor table = decode(pair.drafter.tensors.at("embed_tokens.weight"));
  const std::size_t width = 32;
  for (std::size_t t = 1; t < 384; t += 2)
    std::copy_n(&table.floats()[(t - 1) * width], width, &table.floats()[t * width]);
  pair.drafter.set("embed_tokens.weight", std::move(table));
  std::vector<int> ids(384);
  std::iota(ids.begin(), ids.end(), 0);
  std::reverse(ids.begin(), ids.end());
  for (bool clustered : {true, false}) {
    if (clustered) pair.drafter.token_ordering = ids;
    if (!clustered) {
      pair.drafter.config.n_clusters = pair.drafter.config.n_clusters_used = 0;
      pair.drafter.tensors.erase("masked_embedding.centroids.weight");
      pair.drafter.token_ordering.clear();
    }
    const Model model = *Model::bind(pair.target), drafter_model = *Model::bind(pair.drafter);
    std::vector<std::vector<float>> seen;
    for (int threads : {1, 3}) {
      ThreadPool pool(threads);
      Session session = *Session::create(model, pool, {});
      std::vector<float> logits(384);
      ASSERT_TRUE(session.evaluate(pair.tokens, Session::Logits::kLast, logits).ok());
      Drafter d = *Drafter::create(drafter_model, session);
      d.begin(session.hidden());
      int token = 5;
      std::vector<float>& all = seen.emplace_back();
      for (int i = 0; i < kSteps; ++i) {
        token = d.step(token);
        EXPECT_EQ(token % 2, 0) << token;
        EXPECT_EQ(token, std::max_element(d.logits().begin(), d.logits().end()) - d.logits().begin());
        all.insert(all.end(), d.logits().begin(), d.logits().end());
      }
    }
    EXPECT_EQ(seen[0], seen[1]);
  }
}

TEST(Drafter, DamagedWeightsDoNotBreakIt) {
  Pair pair(tiny_e(8), 16, 9);
  Tensor centroids = decode(pair.drafter.tensors.at("masked_embedding.centroids.weight"));
  for (std::size_t i = 0; i < centroids.floats().size(); i += 3) centroids.floats()[i] = NAN;
  pair.drafter.set("masked_embedding.centroids.weight", std::move(centroids));
  const Model model = *Model::bind(pair.target), drafter_model = *Model::bind(pair.drafter);
  ThreadPool pool(1);
  Session session = *Session::create(model, pool, {});
  std::vector<float> logits(384);
  ASSERT_TRUE(session.evaluate(pair.tokens, Session::Logits::kLast, logits).ok());
  Drafter d = *Drafter::create(drafter_model, session);
  d.begin(session.hidden());
  const int token = d.step(3);
  EXPECT_TRUE(token >= 0 && token < 384);
}

TEST(Drafter, OthersAreRefused) {
  const Model target = *Model::bind(calm_random_checkpoint(tiny_e(8), 1));
  const Model other = *Model::bind(calm_random_checkpoint(tiny_drafter(tiny_k_eq_v_dense(8), 0, 8), 1));
  const Model drafter = *Model::bind(calm_random_checkpoint(tiny_drafter(tiny_e(8), 0, 8), 1));
  ThreadPool pool(1);
  Session session = *Session::create(target, pool, {});
  EXPECT_EQ(Drafter::create(other, session).status().code(), Code::kUnsupported);
  EXPECT_EQ(Drafter::create(target, session).status().code(), Code::kUnsupported);
  EXPECT_TRUE(Drafter::create(drafter, session).ok());
  EXPECT_EQ(Session::create(drafter, pool, {}).status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace facet
