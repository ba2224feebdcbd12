#include "eval/draft_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "base/check.h"
#include "base/hash.h"
#include "base/rng.h"
#include "engine/generate.h"

namespace facet {

RiggedDrafts::RiggedDrafts(DraftSource& inner, std::vector<double> chances, std::uint64_t seed, int vocab_size)
    : inner_(inner), chances_(std::move(chances)), seed_(seed), vocab_size_(vocab_size) {
  FACET_CHECK(!chances_.empty(), "a chance for the first draft at least");
}

void RiggedDrafts::set_text(std::size_t n_prompt, std::vector<int> text) {
  n_prompt_ = n_prompt;
  text_ = std::move(text);
}

Status RiggedDrafts::propose(std::span<const int> history, std::span<const float> hidden, int most,
                             std::vector<int>& drafts) {
  FACET_TRY(inner_.propose(history, hidden, most, drafts));
  const std::size_t begin = history.size() - n_prompt_;  // of the text, the first token to be guessed
  Rng rng(seed_, begin);
  for (std::size_t j = 0; j < drafts.size() && begin + j < text_.size(); ++j) {
    const int right = text_[begin + j];
    if (rng.uniform() < chances_[std::min(j, chances_.size() - 1)]) {
      drafts[j] = right;
    } else {
      if (drafts[j] == right) drafts[j] = (right + 1) % vocab_size_;
      break;  // what follows is never looked at
    }
  }
  return {};
}

namespace {

// Whose turn it is, of n that go 0 .. n-1, then n-1 .. 0, and so on.
class Turns {
 public:
  explicit Turns(int n) : n_(n) {}
  // False: somebody has stopped, and no turn will come.
  bool wait_for(int who) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return stopped_ || present() == who; });
    return !stopped_;
  }
  void pass() {
    change([&] { ++turn_; });
  }
  void stop() {
    change([&] { stopped_ = true; });
  }

 private:
  int present() const {
    const int at = turn_ % n_;
    return turn_ / n_ % 2 == 0 ? at : n_ - 1 - at;
  }
  template <typename F>
  void change(F f) {
    {
      const std::lock_guard lock(mutex_);
      f();
    }
    changed_.notify_all();
  }

  const int n_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int turn_ = 0;
  bool stopped_ = false;
};

// One kind, and what it needs to write its text.
class Writer {
 public:
  Writer(const DraftBenchKind& kind, const DraftBenchOptions& options)
      : kind_(kind), options_(options), prefix_(std::span(options.prompt).first(options.prompt.size() - 1)) {
    if (options.acceptance.empty() || kind.source == nullptr) return;
    rigged_.emplace(*kind.source, options.acceptance, options.seed, kind.session->model().config().vocab_size);
    kind_.source = &*rigged_;
  }

  Status fill(const std::function<Status(const std::string&)>& show) {
    kind_.session->reset();
    for (std::size_t done = 0; done < prefix_.size();) {
      const std::size_t n = std::min<std::size_t>(512, prefix_.size() - done);
      FACET_TRY(kind_.session->evaluate(prefix_.subspan(done, n), Session::Logits::kNone, {}));
      done += n;
      FACET_TRY(show(fmt::format("prompt {}/{}", done, prefix_.size())));
    }
    return {};
  }

  // What drafts are right about.
  void expect(const std::vector<int>& text) {
    if (rigged_) rigged_->set_text(options_.prompt.size(), text);
  }

  // One text, behind the prompt.  on_token: as generate()'s.
  Result<Generation> write(const std::function<bool(int token)>& on_token) {
    Session& session = *kind_.session;
    FACET_TRY(session.rollback(session.position() - static_cast<int>(prefix_.size())));
    length_.reset();
    if (kind_.count.adapts) length_.emplace(kind_.count.n_max);
    Speculation speculation;
    if (kind_.source != nullptr) speculation = {kind_.source, kind_.count.n_max, length_ ? &*length_ : nullptr};
    const GenerateOptions greedy{
        .max_tokens = options_.n_generate + 1, .sampling = {.temperature = 0}, .stop_tokens = {}, .ignore_stop = true};
    const std::span<const int> last = std::span(options_.prompt).last(1);
    FACET_ASSIGN(Generation g, generate(session, last, greedy, on_token, options_.cancelled, prefix_, speculation));
    if (g.stats.stop == StopReason::kCancelled) return Status(Code::kCancelled, "interrupted");
    if (g.stats.stop == StopReason::kContextFull)
      return invalid_argument(fmt::format("{} tokens behind a prompt of {} do not fit in a context of {}",
                                          options_.n_generate, options_.prompt.size(), session.options().context));
    return g;
  }

  std::string chosen() const { return length_ ? length_->describe() : ""; }

 private:
  DraftBenchKind kind_;
  const DraftBenchOptions& options_;
  std::optional<RiggedDrafts> rigged_;
  std::optional<DraftLength> length_;  // of the present text
  std::span<const int> prefix_;        // the prompt but for its last token
};

// A text of every kind, in turns of a few tokens.  Each has its thread, of which one is awake.
class SideBySide {
 public:
  // turn: tokens.
  SideBySide(std::vector<std::unique_ptr<Writer>>& writers, int turn, const std::function<Status(int n_tokens)>& show)
      : writers_(writers),
        turn_(turn),
        show_(show),
        turns_(static_cast<int>(writers.size())),
        outcomes_(writers.size()) {
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < writers.size(); ++i) threads.emplace_back([this, i] { write(i); });
    for (std::thread& thread : threads) thread.join();
  }

  struct Outcome {
    Status status;
    Generation text;
    double seconds = 0;
  };
  const std::vector<Outcome>& outcomes() const { return outcomes_; }

 private:
  using Clock = std::chrono::steady_clock;

  void write(std::size_t i) {
    const int who = static_cast<int>(i);
    if (!turns_.wait_for(who)) return;
    Outcome& out = outcomes_[i];
    int n = -1;  // tokens that are timed
    Clock::time_point begin, end;
    auto on_token = [&](int) {
      end = Clock::now();
      if (++n == 0) begin = end;
      if (n == 0 || n % turn_ != 0) return true;
      out.seconds += seconds(end - begin);
      if (who == 0) out.status = show_(n);
      if (!out.status.ok()) return false;
      turns_.pass();
      const bool goes_on = turns_.wait_for(who);
      begin = end = Clock::now();
      return goes_on;
    };
    Result<Generation> text = writers_[i]->write(on_token);
    out.seconds += seconds(end - begin);
    if (!text.ok()) out.status = text.status();
    if (!out.status.ok()) return turns_.stop();
    out.text = std::move(*text);
    turns_.pass();
  }
  static double seconds(Clock::duration d) { return std::chrono::duration<double>(d).count(); }

  std::vector<std::unique_ptr<Writer>>& writers_;
  const int turn_;
  const std::function<Status(int n_tokens)>& show_;
  Turns turns_;
  std::vector<Outcome> outcomes_;
};

}  // namespace

Result<std::vector<DraftBenchResult>> bench_drafts(std::span<const DraftBenchKind> kinds,
                                                   const DraftBenchOptions& options) {
  if (options.prompt.empty()) return invalid_argument("the prompt is empty");
  if (kinds.empty() || kinds[0].source != nullptr) return invalid_argument("the first kind goes without drafts");
  auto show = [&](const std::string& line) {
    if (options.progress && !options.progress(line)) return Status(Code::kCancelled, "interrupted");
    return Status();
  };
  std::vector<DraftBenchResult> out;
  std::vector<std::unique_ptr<Writer>> writers;
  for (const DraftBenchKind& kind : kinds) {
    out.emplace_back().count = kind.count;
    writers.push_back(std::make_unique<Writer>(kind, options));
    FACET_TRY(writers.back()->fill(show));
  }
  // The plain text, which the others must be.
  FACET_TRY(show("the text"));
  FACET_ASSIGN(const Generation plain, writers[0]->write({}));
  for (auto& writer : writers) writer->expect(plain.tokens);
  auto judge = [&](DraftBenchResult& result, const Generation& text) {
    result.same_text = result.same_text && text.tokens == plain.tokens;
    result.text_hash = fnv1a(std::as_bytes(std::span(text.tokens)));
  };
  for (std::size_t i = 1; i < writers.size() && options.warm_up; ++i) {
    FACET_TRY(show(fmt::format("warming up, {} of {}", i, writers.size() - 1)));
    FACET_ASSIGN(const Generation text, writers[i]->write({}));
    judge(out[i], text);
  }
  const double token_seconds = plain.stats.generation_seconds / options.n_generate;
  const int turn = std::max(1, static_cast<int>(std::min(1e6, options.turn_seconds / token_seconds)));
  for (int r = 0; r < options.repetitions; ++r) {
    const SideBySide all(writers, turn, [&](int n) {
      return show(fmt::format("repetition {}/{}, token {}/{}", r + 1, options.repetitions, n, options.n_generate));
    });
    for (const SideBySide::Outcome& outcome : all.outcomes()) FACET_TRY(outcome.status);
    const double plain_seconds = all.outcomes()[0].seconds;
    for (std::size_t i = 0; i < out.size(); ++i) {
      const SideBySide::Outcome& outcome = all.outcomes()[i];
      const GenerateStats& stats = outcome.text.stats;
      judge(out[i], outcome.text);
      out[i].seconds.push_back(outcome.seconds);
      out[i].speedups.push_back(plain_seconds / outcome.seconds);
      out[i].rounds += stats.draft_rounds;
      out[i].n_drafted += stats.drafted_tokens;
      out[i].n_accepted += stats.accepted_tokens;
      out[i].draft_seconds += stats.draft_seconds;
      out[i].chosen = writers[i]->chosen();
    }
  }
  return out;
}

}  // namespace facet
