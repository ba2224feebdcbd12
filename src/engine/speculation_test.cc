// Checking drafts must change no text: generate() with and without a source of guesses.
#include <gtest/gtest.h>

#include "engine/drafter.h"
#include "engine/engine_testing.h"
#include "engine/forward.h"
#include "engine/generate.h"
#include "model/drafter.h"

namespace facet {
namespace {

using namespace facet::engine_test;

// Knows how the text goes on, and errs in a share of its guesses.
class Oracle : public DraftSource {
 public:
  Oracle(std::size_t n_prompt, std::vector<int> text, double wrong, int vocab)
      : n_prompt_(n_prompt), text_(std::move(text)), wrong_(wrong), vocab_(vocab) {}
  Status propose(std::span<const int> history, std::span<const float> hidden, int most,
                 std::vector<int>& drafts) override {
    EXPECT_FALSE(hidden.empty());
    EXPECT_TRUE(drafts.empty());
    EXPECT_GE(most, 1);
    largest_most = std::max(largest_most, most);
    for (std::size_t i = history.size() - n_prompt_; static_cast<int>(drafts.size()) < most && i < text_.size(); ++i) {
      const bool err = rng_.uniform() < wrong_;
      drafts.push_back(err ? static_cast<int>(rng_.below(static_cast<std::uint32_t>(vocab_))) : text_[i]);
    }
    return {};
  }
  int largest_most = 0;

 private:
  std::size_t n_prompt_;
  std::vector<int> text_;
  double wrong_;
  int vocab_;
  Rng rng_{3};
};

GenerateOptions options_of(int n, float temperature) {
  GenerateOptions o;
  o.max_tokens = n;
  o.sampling.temperature = temperature;
  o.sampling.seed = 9;
  o.ignore_stop = true;
  return o;
}

// A batch of few tokens has the bits of one at a time: greedy text with drafts rests on it.
void expect_the_bits_of_one_at_a_time(const Model& model, std::span<const int> tokens, std::size_t n_first,
                                      const SessionOptions& options, const kernels::Table& kernels) {
  ThreadPool pool(2);
  Session one = *Session::create(model, pool, options, kernels), few = *Session::create(model, pool, options, kernels);
  for (Session* s : {&one, &few}) ASSERT_TRUE(s->evaluate(tokens.first(n_first), Session::Logits::kNone, {}).ok());
  const std::span rest = tokens.subspan(n_first);
  const std::vector<float> expected = evaluate_in_calls(one, rest, {1});
  EXPECT_EQ(evaluate_in_calls(few, rest, {5, 2, kRowsAlone, 3, 1, 4}), expected);
}

TEST(FewRows, HaveTheBitsOfOneAtATime) {
  FACET_FOR_EACH_TINY(tiny, 32) {
    const std::vector<int> tokens = random_tokens(tiny.config, 36);
    const Checkpoint floats = calm_random_checkpoint(tiny.config, 41);
    const Checkpoint scaled = mobile(floats, tokens);
    FACET_FOR_EACH_ISA(kernels) {
      for (DType type : {DType::kF32, DType::kBF16, DType::kF16, DType::kQ8_0, DType::kQ4_0}) {
        const Model model = *Model::bind(encoded(floats, type));
        SCOPED_TRACE(info(type).name);
        expect_the_bits_of_one_at_a_time(model, tokens, 5, {.max_batch = 16}, *kernels);
        if (is_float(type)) continue;
        expect_the_bits_of_one_at_a_time(model, tokens, 5, {.max_batch = 16, .float_activations = true}, *kernels);
      }
      const Model model = *Model::bind(scaled);
      for (KvType kv : {KvType::kF32, KvType::kF16, KvType::kBF16, KvType::kI8, KvType::kQ8}) {
        SCOPED_TRACE(static_cast<int>(kv));
        expect_the_bits_of_one_at_a_time(model, tokens, 5, {.max_batch = 16, .kv = kv}, *kernels);
      }
      expect_the_bits_of_one_at_a_time(model, tokens, 5, {.max_batch = 16, .ignore_static_scales = true}, *kernels);
    }
  }
}

// Widths of 256 for the types of large blocks.
TEST(FewRows, HaveTheBitsOfOneAtATimeInLargeBlocks) {
  GemmaConfig config = tiny_k_eq_v_dense(256);
  config.layers = tiny_layers("g");
  config.hidden_size = config.ffn_size = 256;
  config.n_heads = config.n_kv_heads = 1;
  const std::vector<int> tokens = random_tokens(config, 32);
  const Checkpoint floats = calm_random_checkpoint(config, 41);
  for (DType type : {DType::kQ4_K, DType::kQ6_K}) {
    const Model model = *Model::bind(encoded(floats, type));
    FACET_FOR_EACH_ISA(kernels) { expect_the_bits_of_one_at_a_time(model, tokens, 4, {.max_batch = 16}, *kernels); }
  }
}

// Positions in several parts, around the places where their number changes.
TEST(FewRows, HaveTheBitsOfOneAtATimeInLongCaches) {
  for (GemmaConfig config : {tiny_e(8), tiny_k_eq_v_dense(8)}) {
    config.max_positions = 2048;
    config.sliding_window = 300;
    const Model model = *Model::bind(calm_random_checkpoint(config, 42));
    const std::vector<int> tokens = random_tokens(config, 1060);
    ThreadPool pool(2);
    FACET_FOR_EACH_ISA(kernels) {
      for (KvType kv : {KvType::kF32, KvType::kQ8}) {
        const SessionOptions options{.context = 1100, .max_batch = 64, .kv = kv};
        Session one = *Session::create(model, pool, options, *kernels),
                few = *Session::create(model, pool, options, *kernels);
        for (int first : {500, 1010}) {  // two parts from 512 positions on, four from 1024
          const auto before = std::span(tokens).subspan(one.position(), first - one.position());
          for (Session* s : {&one, &few}) ASSERT_TRUE(s->evaluate(before, Session::Logits::kNone, {}).ok());
          const auto rest = std::span(tokens).subspan(first, 30);
          EXPECT_EQ(evaluate_in_calls(few, rest, {5, 2, kRowsAlone, 3, 1, 4}), evaluate_in_calls(one, rest, {1}));
        }
      }
    }
  }
}

struct Case {
  std::string name;
  Model model;
  SessionOptions options;
};

// Every kind of model, weight and cache that decides how rows are computed.
std::vector<Case> cases(int context) {
  std::vector<Case> out;
  for (const auto& tiny : tiny_configs(32)) {
    const Checkpoint floats = calm_random_checkpoint(tiny.config, 43);
    const SessionOptions options{.context = context, .max_batch = 32};
    auto add = [&](const char* name, const Checkpoint& c, KvType kv) {
      SessionOptions o = options;
      o.kv = kv;
      out.push_back({tiny.name + std::string(" ") + name, *Model::bind(c), o});
    };
    add("f32", floats, KvType::kF32);
    add("bf16", encoded(floats, DType::kBF16), KvType::kF16);
    add("q8_0", encoded(floats, DType::kQ8_0), KvType::kQ8);
    add("q4_0", encoded(floats, DType::kQ4_0), KvType::kF16);
    add("mobile", mobile(floats, random_tokens(tiny.config, 41)), KvType::kAuto);
  }
  return out;
}

// What a run leaves behind: text, reason, position, and how the session goes on from there.
struct Outcome {
  std::vector<int> tokens;
  StopReason stop;
  int position;
  std::vector<float> then;
  bool operator==(const Outcome&) const = default;
};

Outcome outcome_of(Session& session, std::span<const int> prompt, const GenerateOptions& options,
                   const Speculation& speculation = {}, GenerateStats* stats = nullptr,
                   const std::function<bool(int)>& on_token = {}) {
  session.reset();
  auto g = generate(session, prompt, options, on_token, nullptr, {}, speculation);
  EXPECT_TRUE(g.ok()) << g.status().message();
  Outcome out{g->tokens, g->stats.stop, session.position(), {}};
  if (stats != nullptr) *stats = g->stats;
  if (session.position() < session.options().context) out.then = evaluate_in_calls(session, std::vector<int>{17}, {1});
  return out;
}

// 90 tokens through windows of 4 and 8, to the end of the context; drafters that nearly always err, and guesses of
// every quality.
TEST(Speculation, ChangesNoText) {
  std::int64_t compared = 0;
  for (Case& c : cases(100)) {
    SCOPED_TRACE(c.name);
    const GemmaConfig& config = c.model.config();
    const std::vector<int> prompt = random_tokens(config, 10);
    ThreadPool pool(2);
    Session session = *Session::create(c.model, pool, c.options);
    const Model dense = *Model::bind(calm_random_checkpoint(tiny_drafter(config, 0), 44));
    const Model clustered = *Model::bind(calm_random_checkpoint(tiny_drafter(config, 16), 45));
    for (float temperature : {0.0f, 1.0f}) {
      const GenerateOptions options = options_of(-1, temperature);
      const Outcome expected = outcome_of(session, prompt, options);
      ASSERT_EQ(expected.stop, StopReason::kContextFull);
      Drafter first = *Drafter::create(dense, session), second = *Drafter::create(clustered, session);
      Oracle good(prompt.size(), expected.tokens, 0.1, config.vocab_size),
          fair(prompt.size(), expected.tokens, 0.4, config.vocab_size), silent(prompt.size(), {}, 0, config.vocab_size);
      for (DraftSource* source : std::initializer_list<DraftSource*>{&first, &second, &good, &fair, &silent})
        for (int n_max : {1, 3, 7, 15}) {
          if (source != &good && source != &fair && n_max != 3) continue;
          GenerateStats stats;
          EXPECT_EQ(outcome_of(session, prompt, options, {source, n_max}, &stats), expected) << n_max;
          compared += std::ssize(expected.tokens);
          EXPECT_LE(stats.accepted_tokens, stats.drafted_tokens);
          EXPECT_LE(stats.drafted_tokens, n_max * stats.draft_rounds);
          EXPECT_EQ(stats.draft_rounds > 0, source != &silent);
          EXPECT_GT(stats.mean_accepted_length(), source != &good ? -1 : n_max == 1 ? 1.7 : 2.0);
        }
    }
  }
  EXPECT_GT(compared, 20000);
}

// Whatever the clock says, and on and off again.
TEST(Speculation, ChosenLengthsChangeNoText) {
  const Model model = *Model::bind(calm_random_checkpoint(tiny_e(8), 49));
  const std::vector<int> prompt = random_tokens(model.config(), 10);
  ThreadPool pool(1);
  Session session = *Session::create(model, pool, {.context = 500, .max_batch = 16});
  const Outcome plain = outcome_of(session, prompt, options_of(-1, 1));
  for (double wrong : {0.0, 0.3, 1.0}) {
    Oracle source(prompt.size(), plain.tokens, wrong, model.config().vocab_size);
    DraftLength length(7);
    GenerateStats stats;
    EXPECT_EQ(outcome_of(session, prompt, options_of(-1, 1), {&source, 7, &length}, &stats), plain) << wrong;
    EXPECT_GT(stats.draft_rounds, 0);
    EXPECT_NE(length.describe().find("a pass of 1 row "), std::string::npos) << length.describe();
  }
}

TEST(Speculation, CountsWhatWasRight) {
  const Model model = *Model::bind(calm_random_checkpoint(tiny_e(8), 46));
  const std::vector<int> prompt = random_tokens(model.config(), 10);
  ThreadPool pool(1);
  Session session = *Session::create(model, pool, {.context = 100, .max_batch = 8});
  const Outcome plain = outcome_of(session, prompt, options_of(41, 0));
  GenerateStats stats;
  Oracle right(prompt.size(), plain.tokens, 0, model.config().vocab_size);
  EXPECT_EQ(outcome_of(session, prompt, options_of(41, 0), {&right, 4}, &stats), plain);
  // The prompt gives one token, each round five: 1 + 8 * 5.
  EXPECT_EQ(stats.draft_rounds, 8);
  EXPECT_EQ(stats.drafted_tokens, 32);
  EXPECT_EQ(stats.accepted_tokens, 32);
  EXPECT_EQ(stats.mean_accepted_length(), 5);
  Oracle wrong(prompt.size(), std::vector<int>(100, 383), 0, model.config().vocab_size);
  ASSERT_EQ(std::ranges::count(plain.tokens, 383), 0);
  EXPECT_EQ(outcome_of(session, prompt, options_of(41, 0), {&wrong, 4}, &stats), plain);
  EXPECT_EQ(stats.accepted_tokens, 0);
  EXPECT_EQ(stats.mean_accepted_length(), 1);
  // No more drafts than tokens are wanted, nor than fit.
  Oracle short_of(prompt.size(), plain.tokens, 0, model.config().vocab_size);
  outcome_of(session, prompt, options_of(3, 0), {&short_of, 7}, &stats);
  EXPECT_EQ(short_of.largest_most, 1);
  EXPECT_EQ(stats.drafted_tokens, 1);
}

// In the middle of a run of accepted drafts.
TEST(Speculation, StopsWhereItWouldStopAlone) {
  const Model model = *Model::bind(calm_random_checkpoint(tiny_e(8), 47));
  const std::vector<int> prompt = random_tokens(model.config(), 10);
  ThreadPool pool(1);
  Session session = *Session::create(model, pool, {.context = 100, .max_batch = 16});
  const std::vector<int> text = outcome_of(session, prompt, options_of(40, 1)).tokens;
  for (int n = 0; n <= 20; ++n) {
    Oracle right(prompt.size(), text, 0, model.config().vocab_size);
    const Speculation speculation{&right, 6};
    EXPECT_EQ(outcome_of(session, prompt, options_of(n, 1), speculation),
              outcome_of(session, prompt, options_of(n, 1)));
    GenerateOptions stopping = options_of(40, 1);
    stopping.ignore_stop = false;
    stopping.stop_tokens = {text[static_cast<std::size_t>(n)]};
    EXPECT_EQ(outcome_of(session, prompt, stopping, speculation), outcome_of(session, prompt, stopping));
    auto until = [&](int most) { return [most, n = 0](int) mutable { return ++n < most; }; };
    EXPECT_EQ(outcome_of(session, prompt, options_of(40, 1), speculation, nullptr, until(n + 1)),
              outcome_of(session, prompt, options_of(40, 1), {}, nullptr, until(n + 1)));
    // Cancelled, and gone on with.
    std::vector<Outcome> cancelled_runs;
    for (bool guessing : {true, false}) {
      session.reset();
      std::atomic<bool> cancelled{false};
      int seen = 0;
      auto cancel = [&](int) { return cancelled = ++seen > n, true; };
      const Generation g =
          *generate(session, prompt, options_of(40, 1), cancel, &cancelled, {}, guessing ? speculation : Speculation());
      EXPECT_EQ(g.stats.stop, StopReason::kCancelled);
      EXPECT_EQ(g.tokens, std::vector<int>(text.begin(), text.begin() + n + 1));
      const int position = session.position();
      cancelled_runs.push_back(
          {g.tokens, g.stats.stop, position, evaluate_in_calls(session, std::vector{17, 18}, {1})});
    }
    EXPECT_EQ(cancelled_runs[0], cancelled_runs[1]);
  }
}

TEST(Speculation, KeepsPenaltiesInStep) {
  const Model model = *Model::bind(calm_random_checkpoint(tiny_moe(8), 48));
  const std::vector<int> prompt = random_tokens(model.config(), 10);
  ThreadPool pool(1);
  Session session = *Session::create(model, pool, {.context = 100, .max_batch = 16});
  GenerateOptions options = options_of(60, 0);
  options.sampling.repeat_penalty = 1.5f;
  const Outcome plain = outcome_of(session, prompt, options);
  Oracle good(prompt.size(), plain.tokens, 0.2, model.config().vocab_size);
  EXPECT_EQ(outcome_of(session, prompt, options, {&good, 5}), plain);
}

TEST(Speculation, BadRequestsAreRefused) {
  const Model model = *Model::bind(calm_random_checkpoint(tiny_e(8), 46));
  const std::vector<int> prompt = random_tokens(model.config(), 5);
  ThreadPool pool(1);
  Session session = *Session::create(model, pool, {.context = 50, .max_batch = 8, .max_rollback = 6});
  EXPECT_EQ(most_drafts(session), 6);
  Oracle oracle(prompt.size(), {}, 0, 384);
  for (int n : {0, -1, 7})
    EXPECT_EQ(generate(session, prompt, options_of(3, 0), {}, nullptr, {}, {&oracle, n}).status().code(),
              Code::kInvalidArgument)
        << n;
  EXPECT_EQ(session.position(), 0);
  Oracle stranger(prompt.size(), std::vector<int>(50, 384), 0, 384);
  EXPECT_FALSE(generate(session, prompt, options_of(9, 0), {}, nullptr, {}, {&stranger, 3}).ok());
  Session single = *Session::create(model, pool, {.context = 50, .max_batch = 1});
  EXPECT_EQ(most_drafts(single), 0);
}

}  // namespace
}  // namespace facet
