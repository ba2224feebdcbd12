#include "engine/session.h"

#include <gtest/gtest.h>

#include <cstring>

#include "engine/engine_testing.h"

namespace facet {
namespace {

using namespace facet::engine_test;

constexpr int kTokens = 41;  // more than two windows of every tiny config
constexpr double kFloatBound = 2e-5;

TEST(Session, EqualsTheReferenceHoweverTokensAreCut) {
  FACET_FOR_EACH_TINY(tiny) {
    const Checkpoint checkpoint = calm_random_checkpoint(tiny.config, 1);
    const std::vector<int> tokens = random_tokens(tiny.config, kTokens);
    const std::vector<double> expected = reference_logits(checkpoint, tokens);
    const Model model = *Model::bind(checkpoint);
    ThreadPool pool(2);
    FACET_FOR_EACH_ISA(kernels) {
      for (int max_batch : {1, 3, 16, 256}) {
        Session session = *Session::create(model, pool, {.context = 64, .max_batch = max_batch}, *kernels);
        for (const std::vector<int>& calls :
             {std::vector<int>{kTokens}, {1}, {2}, {7, 1, 1, 20, 1}, {1, 30, 5, 1, 1, 3}}) {
          session.reset();
          EXPECT_LT(relative_rms(evaluate_in_calls(session, tokens, calls), expected), kFloatBound) << max_batch;
        }
      }
    }
  }
}

// Caches long enough to be read in parts, by one token and by many; a ring that has closed, read in parts too.
TEST(Session, LongCachesEqualTheReferenceOnAnyNumberOfThreads) {
  constexpr int kLong = 1111, kLast = 3;
  for (GemmaConfig config : {tiny_e(8), tiny_k_eq_v_dense(8)}) {
    config.max_positions = 2048;
    config.sliding_window = 600;
    const Checkpoint checkpoint = calm_random_checkpoint(config, 1);
    const std::vector<int> tokens = random_tokens(config, kLong);
    const std::vector<double> all = reference_logits(checkpoint, tokens);
    const std::size_t vocab = config.vocab_size;
    const std::span expected = std::span(all).last(kLast * vocab);
    const Model model = *Model::bind(checkpoint);
    FACET_FOR_EACH_ISA(kernels) {
      std::vector<std::vector<float>> logits;
      for (int threads : {1, 3}) {
        ThreadPool pool(threads);
        Session session = *Session::create(model, pool, {.context = 1200, .max_batch = 64}, *kernels);
        ASSERT_TRUE(session.evaluate(std::span(tokens).first(kLong - kLast), Session::Logits::kNone, {}).ok());
        std::vector<float>& out = logits.emplace_back(kLast * vocab);
        for (int i = 0; i < kLast; ++i)
          ASSERT_TRUE(session
                          .evaluate(std::span(tokens).subspan(kLong - kLast + i, 1), Session::Logits::kLast,
                                    std::span(out).subspan(i * vocab, vocab))
                          .ok());
      }
      EXPECT_LT(relative_rms(logits[0], expected), kFloatBound);
      EXPECT_EQ(logits[0], logits[1]);
    }
  }
}

TEST(Session, TheLastLogitsNeedNoOthers) {
  FACET_FOR_EACH_TINY(tiny) {
    const Checkpoint checkpoint = calm_random_checkpoint(tiny.config, 2);
    const std::vector<int> tokens = random_tokens(tiny.config, kTokens);
    const std::vector<double> all = reference_logits(checkpoint, tokens);
    const Model model = *Model::bind(checkpoint);
    ThreadPool pool(1);
    const std::size_t vocab = tiny.config.vocab_size;
    auto expect_row = [&](int position, std::span<const float> logits) {
      std::span expected = std::span(all).subspan(position * vocab, vocab);
      EXPECT_LT(relative_rms(logits, expected), kFloatBound) << position;
    };
    std::vector<float> logits(vocab);
    FACET_FOR_EACH_ISA(kernels) {
      Session session = *Session::create(model, pool, {.max_batch = 9}, *kernels);
      // Layers that only read the cache are skipped for the other positions; what follows must not notice.
      ASSERT_TRUE(session.evaluate(std::span(tokens).first(10), Session::Logits::kNone, {}).ok());
      ASSERT_TRUE(session.evaluate(std::span(tokens).subspan(10, 20), Session::Logits::kLast, logits).ok());
      expect_row(29, logits);
      ASSERT_TRUE(session.evaluate(std::span(tokens).subspan(30, 1), Session::Logits::kLast, logits).ok());
      expect_row(30, logits);
      std::vector<float> rest(10 * vocab);
      ASSERT_TRUE(session.evaluate(std::span(tokens).subspan(31, 10), Session::Logits::kAll, rest).ok());
      for (int i = 0; i < 10; ++i) expect_row(31 + i, std::span(rest).subspan(i * vocab, vocab));
      EXPECT_EQ(session.position(), kTokens);
    }
  }
}

TEST(Session, RollbackLeavesNoTrace) {
  FACET_FOR_EACH_TINY(tiny) {
    const Model model = *Model::bind(calm_random_checkpoint(tiny.config, 3));
    const std::vector<int> tokens = random_tokens(tiny.config, kTokens), other = random_tokens(tiny.config, 60, 99);
    ThreadPool pool(1);
    const SessionOptions options{.context = 128, .max_batch = 5, .max_rollback = 12};
    const std::size_t vocab = tiny.config.vocab_size;

    FACET_FOR_EACH_ISA(kernels) {
      Session straight = *Session::create(model, pool, options, *kernels);
      evaluate_in_calls(straight, tokens, {5});
      const std::vector<float> expected = evaluate_in_calls(straight, other, {1, 4});

      Session wandering = *Session::create(model, pool, options, *kernels);
      evaluate_in_calls(wandering, tokens, {5});
      for (int k : {12, 1, 7}) {  // wrong guesses, longer than a batch
        evaluate_in_calls(wandering, std::span(other).last(k), {5});
        ASSERT_TRUE(wandering.rollback(k).ok());
        EXPECT_EQ(wandering.position(), kTokens);
      }
      const std::vector<float> got = evaluate_in_calls(wandering, other, {1, 4});
      EXPECT_EQ(std::memcmp(got.data(), expected.data(), expected.size() * sizeof(float)), 0);

      // Evaluating the same tokens again after going back gives the same logits again.
      ASSERT_TRUE(wandering.rollback(8).ok());
      const std::vector<float> again = evaluate_in_calls(wandering, std::span(other).last(8), {4});
      EXPECT_LT(relative_rms(again, std::span(expected).last(8 * vocab)), 1e-5);
    }
  }
}

TEST(Session, RollbackBeyondWhatTheRingHoldsIsRefused) {
  const Model model = *Model::bind(calm_random_checkpoint(tiny_e(), 3));
  ThreadPool pool(1);
  Session session = *Session::create(model, pool, {.context = 200, .max_batch = 4, .max_rollback = 6});
  const std::vector<int> tokens = random_tokens(tiny_e(), 60);
  ASSERT_TRUE(session.evaluate(tokens, Session::Logits::kNone, {}).ok());
  EXPECT_EQ(session.rollback(7).code(), Code::kInvalidArgument);
  EXPECT_EQ(session.rollback(-1).code(), Code::kInvalidArgument);
  EXPECT_EQ(session.rollback(61).code(), Code::kInvalidArgument);
  EXPECT_EQ(session.position(), 60);
  EXPECT_TRUE(session.rollback(0).ok());
  EXPECT_TRUE(session.rollback(4).ok());
  EXPECT_EQ(session.rollback(3).code(), Code::kInvalidArgument);  // 7 below the highest
  EXPECT_TRUE(session.rollback(2).ok());
  EXPECT_EQ(session.position(), 54);
  EXPECT_TRUE(session.rollback(54).ok());  // to the beginning, always
  EXPECT_EQ(session.position(), 0);
  const std::vector<float> first = evaluate_in_calls(session, tokens, {4});
  session.reset();
  EXPECT_EQ(evaluate_in_calls(session, tokens, {4}), first);
}

TEST(Session, ThreadsDoNotChangeABit) {
  for (const GemmaConfig& config : {tiny_e(32), tiny_moe(32)}) {
    const Checkpoint checkpoint = calm_random_checkpoint(config, 4);
    const std::vector<int> tokens = random_tokens(config, 80);
    const SessionOptions options{.max_batch = 64};  // 64 tokens are enough work for several threads, 16 for one
    for (const Checkpoint& c : {checkpoint, encoded(checkpoint, DType::kQ4_0), mobile(checkpoint, tokens)}) {
      const Model model = *Model::bind(c);
      FACET_FOR_EACH_ISA(kernels) {
        const std::vector<float> one = engine_logits(model, tokens, options, *kernels, 1);
        for (int threads : {2, 3, 8}) EXPECT_EQ(engine_logits(model, tokens, options, *kernels, threads), one);
        SessionOptions few = options;
        few.threads = 1, few.batch_threads = 3;
        EXPECT_EQ(engine_logits(model, tokens, few, *kernels, 4), one);
      }
    }
  }
}

TEST(Session, SixteenBitCachesStayClose) {
  FACET_FOR_EACH_TINY(tiny) {
    const Checkpoint checkpoint = calm_random_checkpoint(tiny.config, 6);
    const std::vector<int> tokens = random_tokens(tiny.config, kTokens);
    const std::vector<double> expected = reference_logits(checkpoint, tokens);
    const Model model = *Model::bind(checkpoint);
    // Keys are off by 2^-12 (f16) or 2^-9 (bf16) of themselves; random attention passes that on about tenfold.
    FACET_FOR_EACH_ISA(kernels) {
      const double f16 = relative_rms(engine_logits(model, tokens, {.kv = KvType::kF16}, *kernels), expected);
      const double bf16 = relative_rms(engine_logits(model, tokens, {.kv = KvType::kBF16}, *kernels), expected);
      EXPECT_LT(f16, 4e-3);
      EXPECT_LT(bf16, 3e-2);
      EXPECT_GT(bf16, f16);  // and they are really used
      EXPECT_GT(f16, 1e-5);
      // Within 2^-8 of the largest of each vector.
      const double q8 = relative_rms(engine_logits(model, tokens, {.kv = KvType::kQ8}, *kernels), expected);
      const double values = relative_rms(
          engine_logits(model, tokens, {.kv = KvType::kF32, .kv_values = KvType::kQ8}, *kernels), expected);
      EXPECT_LT(q8, tiny.config.has_moe() ? 0.25 : 0.1);  // an expert may be exchanged
      EXPECT_GT(q8, f16);
      EXPECT_LT(values, q8);
      EXPECT_GT(values, 1e-5);
    }
  }
}

TEST(Session, CacheBytesFollowTheLayers) {
  const GemmaConfig c = tiny_e();
  const Model model = *Model::bind(calm_random_checkpoint(c, 1));
  ThreadPool pool(1);
  auto bytes = [&](SessionOptions o) { return Session::create(model, pool, o)->cache_bytes(); };
  std::uint64_t expected = 0;
  for (int l = 0; l < c.first_shared_layer(); ++l) {
    const int slots = c.is_global(l) ? 300 : c.sliding_window - 1 + 32;
    expected += std::uint64_t(2) * slots * c.n_kv_heads_of(l) * c.head_size_of(l) * sizeof(float);
  }
  EXPECT_EQ(bytes({.context = 300, .max_batch = 32, .max_rollback = 8}), expected);
  EXPECT_EQ(bytes({.context = 300, .max_batch = 32, .max_rollback = 8, .kv = KvType::kBF16}), expected / 2);
  EXPECT_LT(bytes({.context = 5}), expected / 5);
}

TEST(Session, BadCallsChangeNothing) {
  const GemmaConfig c = tiny_e();
  const Model model = *Model::bind(calm_random_checkpoint(c, 1));
  ThreadPool pool(1);
  const std::vector<int> tokens = random_tokens(c, 20);
  Session session = *Session::create(model, pool, {.context = 30}),
          untouched = *Session::create(model, pool, {.context = 30});
  evaluate_in_calls(session, tokens, {20});
  evaluate_in_calls(untouched, tokens, {20});
  std::vector<float> logits(c.vocab_size);
  auto refused = [&](std::vector<int> t, Session::Logits wanted, std::size_t room, const char* word) {
    const int position = session.position();
    std::vector<float> out(room, 123.0f);
    Status status = session.evaluate(t, wanted, out);
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_NE(status.message().find(word), std::string::npos) << status.message();
    EXPECT_EQ(out, std::vector<float>(room, 123.0f));
    EXPECT_EQ(session.position(), position);
  };
  const std::size_t vocab = c.vocab_size;
  refused({3, c.vocab_size}, Session::Logits::kLast, vocab, "vocabulary");
  refused({-1}, Session::Logits::kNone, 0, "vocabulary");
  refused(random_tokens(c, 11), Session::Logits::kLast, vocab, "context");
  refused({1, 2}, Session::Logits::kAll, vocab, "logits");
  refused({1, 2}, Session::Logits::kLast, 0, "logits");
  refused({1, 2}, Session::Logits::kNone, vocab, "logits");
  refused({}, Session::Logits::kLast, vocab, "logits");
  EXPECT_TRUE(session.evaluate({}, Session::Logits::kAll, {}).ok());
  EXPECT_EQ(evaluate_in_calls(session, std::span(tokens).first(10), {10}),
            evaluate_in_calls(untouched, std::span(tokens).first(10), {10}));
  refused({1}, Session::Logits::kLast, vocab, "context");
}

TEST(Session, BadOptionsAreRefused) {
  const GemmaConfig c = tiny_e();
  const Model model = *Model::bind(calm_random_checkpoint(c, 1));
  ThreadPool pool(1);
  auto code = [&](SessionOptions o) { return Session::create(model, pool, o).status().code(); };
  EXPECT_EQ(code({.context = c.max_positions + 1}), Code::kInvalidArgument);
  EXPECT_EQ(code({.context = -1}), Code::kInvalidArgument);
  EXPECT_EQ(code({.max_batch = 0}), Code::kInvalidArgument);
  EXPECT_EQ(code({.threads = -1}), Code::kInvalidArgument);
  EXPECT_EQ(code({.batch_threads = -1}), Code::kInvalidArgument);
  EXPECT_EQ(code({.max_rollback = -1}), Code::kInvalidArgument);
  EXPECT_EQ(code({.kv = KvType::kI8}), Code::kInvalidArgument);  // no scales in this model
  EXPECT_EQ(code({}), Code::kOk);
}

TEST(Session, ObserversSeeEveryPositionOfEveryLinear) {
  FACET_FOR_EACH_TINY(tiny) {
    const Checkpoint checkpoint = calm_random_checkpoint(tiny.config, 8);
    const Model model = *Model::bind(checkpoint);
    ThreadPool pool(1);
    FACET_FOR_EACH_ISA(kernels) {
      Session session = *Session::create(model, pool, {.max_batch = 7}, *kernels);
      std::map<std::string, int> rows;
      session.set_linear_observer([&](const Linear& w, const float* x, int n) {
        rows[w.name] += n;
        for (int i = 0; i < n * w.cols; ++i) ASSERT_TRUE(std::isfinite(x[i]));
      });
      std::map<std::string, std::int64_t> sites;
      session.set_site_observer([&](const std::string& site, const float*, std::int64_t n) { sites[site] += n; });
      std::vector<float> logits(tiny.config.vocab_size);
      const std::vector<int> tokens = random_tokens(tiny.config, 20);
      ASSERT_TRUE(session.evaluate(tokens, Session::Logits::kLast, logits).ok());
      for (const TensorSpec& spec : tensor_specs(tiny.config)) {
        const bool head = spec.role == Role::kHead || (spec.role == Role::kEmbedding && tiny.config.tied_head);
        if (!is_linear(spec.role) && !head) continue;
        if (spec.role == Role::kEmbedding && !tiny.config.tied_head) continue;
        const bool expert = spec.role == Role::kExpertsGateUp || spec.role == Role::kExpertsDown;
        EXPECT_EQ(rows[spec.name], expert ? 20 * tiny.config.n_experts_used : 20) << spec.name;
        EXPECT_EQ(sites[module_name(spec) + ".input"], rows[spec.name] * spec.shape.back()) << spec.name;
        if (!head) {
          EXPECT_EQ(sites[module_name(spec) + ".output"], rows[spec.name] * spec.shape[spec.shape.size() - 2])
              << spec.name;
        }
      }
      for (int l = 0; l < tiny.config.n_layers(); ++l) {
        const int width = tiny.config.n_kv_heads_of(l) * tiny.config.head_size_of(l);
        EXPECT_EQ(sites["layers." + std::to_string(l) + ".k"], tiny.config.owns_kv(l) ? 20 * width : 0);
        EXPECT_EQ(sites["layers." + std::to_string(l) + ".v"], tiny.config.owns_kv(l) ? 20 * width : 0);
      }
      // Watching does not change what is computed.
      Session unobserved = *Session::create(model, pool, {.max_batch = 7}, *kernels);
      std::vector<float> plain(tiny.config.vocab_size);
      ASSERT_TRUE(unobserved.evaluate(tokens, Session::Logits::kLast, plain).ok());
      EXPECT_LT(relative_rms(logits, plain), 1e-6);
    }
  }
}

}  // namespace
}  // namespace facet
