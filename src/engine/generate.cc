#include "engine/generate.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <string>

#include "engine/forward.h"

namespace facet {
namespace {

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

// The logits from which the next token is drawn, one row after another: of the last token, and while drafts turn out to
// be right, of the tokens that were evaluated ahead.
class Rows {
 public:
  Rows(Session& session, const Speculation& speculation, GenerateStats& stats)
      : session_(session), speculation_(speculation), stats_(stats), vocab_(session.model().config().vocab_size) {
    logits_.resize(vocab_ * static_cast<std::size_t>(1 + speculation.n_max));
    drafts_.reserve(static_cast<std::size_t>(speculation.n_max));
    batch_.reserve(static_cast<std::size_t>(1 + speculation.n_max));
    stats.tried_at.resize(static_cast<std::size_t>(speculation.n_max));
    stats.accepted_at.resize(static_cast<std::size_t>(speculation.n_max));
  }

  // Where the prompt's last row goes.
  std::span<float> first() { return std::span(logits_).first(vocab_); }
  std::span<const float> logits() const { return std::span(logits_).subspan(row_ * vocab_, vocab_); }
  // Index of the token that logits() are of.
  int position() const { return session_.position() - n_ahead(); }

  // history.back() was drawn from logits(): makes those of the token after it the present ones.  most: tokens wanted
  // after history.
  Status advance(std::span<const int> history, int most) {
    const int token = history.back();
    if (n_ahead() > 0) {
      ++stats_.tried_at[row_];
      if (drafts_[row_] == token) {
        ++stats_.accepted_at[row_];
        ++stats_.accepted_tokens;
        ++row_;
        return {};
      }
    }
    const std::size_t seed = row_;
    if (measured_)
      speculation_.length->record(static_cast<int>(drafts_.size()), static_cast<int>(row_), draft_seconds_,
                                  pass_seconds_);
    FACET_TRY(finish());
    FACET_TRY(draft(history, seed, most));
    batch_.assign(1, token);
    batch_.insert(batch_.end(), drafts_.begin(), drafts_.end());
    row_ = 0;
    const auto all = std::span(logits_).first(batch_.size() * vocab_);
    const Stopwatch watch;
    const Status status = session_.evaluate(batch_, Session::Logits::kAll, all);
    pass_seconds_ = watch.seconds();
    return status;
  }
  // Takes back what was evaluated ahead of position().
  Status finish() {
    const Status status = session_.rollback(n_ahead());
    drafts_.resize(row_);
    return status;
  }

 private:
  int n_ahead() const { return static_cast<int>(drafts_.size() - row_); }

  Status draft(std::span<const int> history, std::size_t seed, int most) {
    drafts_.clear();
    measured_ = false;
    // Room for the token itself, and for each draft behind it.
    const int room = session_.options().context - session_.position() - 1;
    most = std::min({most - 1, room, speculation_.n_max});
    if (speculation_.source == nullptr || most < 1) return {};
    draft_seconds_ = 0;
    if (speculation_.length != nullptr) {
      measured_ = true;
      most = std::min(most, speculation_.length->next());
      if (most == 0) return {};
    }
    const Stopwatch watch;
    const auto width = static_cast<std::size_t>(session_.model().config().hidden_size);
    // Of the last pass: one row for each of its logits.
    FACET_TRY(speculation_.source->propose(history, session_.hidden().subspan(seed * width, width), most, drafts_));
    for (int token : drafts_)
      if (token < 0 || static_cast<std::size_t>(token) >= vocab_)
        return internal_error("a draft is outside the vocabulary");
    if (drafts_.size() > static_cast<std::size_t>(most)) drafts_.resize(static_cast<std::size_t>(most));
    stats_.draft_rounds += drafts_.empty() ? 0 : 1;
    stats_.drafted_tokens += static_cast<int>(drafts_.size());
    draft_seconds_ = watch.seconds();
    stats_.draft_seconds += draft_seconds_;
    return {};
  }

  Session& session_;
  const Speculation speculation_;
  GenerateStats& stats_;
  std::size_t vocab_;
  std::vector<float> logits_;  // rows of V
  std::vector<int> drafts_;    // row r + 1 is right if the token drawn from row r is drafts_[r]
  std::vector<int> batch_;
  std::size_t row_ = 0;
  bool measured_ = false;  // the present round is one to be recorded
  double draft_seconds_ = 0, pass_seconds_ = 0;
};

}  // namespace

int most_drafts(const Session& session) {
  const SessionOptions& o = session.options();
  return std::min({kRowsAlone - 1, o.max_batch - 1, o.max_rollback});
}

Result<Generation> generate(Session& session, std::span<const int> prompt, const GenerateOptions& options,
                            const std::function<bool(int token)>& on_token, const std::atomic<bool>* cancelled,
                            std::span<const int> before, const Speculation& speculation) {
  const GemmaConfig& config = session.model().config();
  if (prompt.empty()) return invalid_argument("the prompt is empty; give at least one token (the model's BOS will do)");
  if (options.max_tokens < -1)
    return invalid_argument("max_tokens is " + std::to_string(options.max_tokens) + ", expected -1 (no limit) or more");
  if (prompt.size() > static_cast<std::size_t>(session.options().context - session.position())) {
    return invalid_argument("the prompt has " + std::to_string(prompt.size()) + " tokens, the context has room for " +
                            std::to_string(session.options().context - session.position()) +
                            "; shorten it or ask for a longer context");
  }
  if (const int most = most_drafts(session);
      speculation.source != nullptr && (speculation.n_max < 1 || speculation.n_max > most))
    return invalid_argument(std::to_string(speculation.n_max) + " drafts per round, this session checks 1 to " +
                            std::to_string(most));
  auto sampler = Sampler::create(options.sampling, config.vocab_size, config.suppressed_tokens);
  if (!sampler.ok()) return sampler.status();
  const auto& stops = options.stop_tokens.empty() ? config.eos_tokens : options.stop_tokens;
  auto is_stop = [&](int token) {
    return !options.ignore_stop && std::find(stops.begin(), stops.end(), token) != stops.end();
  };
  auto is_cancelled = [&] { return cancelled != nullptr && cancelled->load(std::memory_order_relaxed); };

  Generation out;
  GenerateStats& stats = out.stats;
  Stopwatch since_start;
  Rows rows(session, speculation.source == nullptr ? Speculation() : speculation, stats);
  // One batch at a time, so that a long prompt can be cancelled.
  for (auto rest = prompt; !rest.empty();) {
    if (is_cancelled()) {
      stats.stop = StopReason::kCancelled;
      return out;
    }
    const auto batch = rest.first(std::min<std::size_t>(rest.size(), session.options().max_batch));
    rest = rest.subspan(batch.size());
    FACET_TRY(session.evaluate(batch, rest.empty() ? Session::Logits::kLast : Session::Logits::kNone,
                               rest.empty() ? rows.first() : std::span<float>()));
    stats.prompt_tokens += static_cast<int>(batch.size());
  }
  stats.prompt_seconds = since_start.seconds();

  Stopwatch since_prompt;
  std::vector<int> history(before.begin(), before.end());
  history.insert(history.end(), prompt.begin(), prompt.end());
  while (true) {
    if (options.max_tokens >= 0 && stats.generated_tokens >= options.max_tokens) {
      stats.stop = StopReason::kMaxTokens;
      break;
    }
    if (is_cancelled()) {
      stats.stop = StopReason::kCancelled;
      break;
    }
    auto next = sampler->sample(rows.logits(), history, static_cast<std::uint64_t>(rows.position()));
    if (!next.ok()) return next.status();
    if (stats.generated_tokens == 0) stats.first_token_seconds = since_start.seconds();
    if (is_stop(*next)) {
      stats.stop = StopReason::kStopToken;
      break;
    }
    out.tokens.push_back(*next);
    history.push_back(*next);
    ++stats.generated_tokens;
    stats.generation_seconds = since_prompt.seconds();
    if (on_token && !on_token(*next)) {
      stats.stop = StopReason::kCallback;
      break;
    }
    const int wanted =
        options.max_tokens < 0 ? std::numeric_limits<int>::max() : options.max_tokens - stats.generated_tokens;
    if (wanted == 0) continue;  // nothing needs its logits
    if (rows.position() >= session.options().context) {
      stats.stop = StopReason::kContextFull;
      break;
    }
    FACET_TRY(rows.advance(history, wanted));
  }
  FACET_TRY(rows.finish());
  return out;
}

}  // namespace facet
