#include "engine/generate.h"

#include <algorithm>
#include <chrono>
#include <string>

namespace facet {
namespace {

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

}  // namespace

Result<Generation> generate(Session& session, std::span<const int> prompt, const GenerateOptions& options,
                            const std::function<bool(int token)>& on_token, const std::atomic<bool>* cancelled,
                            std::span<const int> before) {
  const GemmaConfig& config = session.model().config();
  if (prompt.empty()) return invalid_argument("the prompt is empty; give at least one token (the model's BOS will do)");
  if (options.max_tokens < -1)
    return invalid_argument("max_tokens is " + std::to_string(options.max_tokens) + ", expected -1 (no limit) or more");
  if (prompt.size() > static_cast<std::size_t>(session.options().context - session.position())) {
    return invalid_argument("the prompt has " + std::to_string(prompt.size()) + " tokens, the context has room for " +
                            std::to_string(session.options().context - session.position()) +
                            "; shorten it or ask for a longer context");
  }
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
  std::vector<float> logits(config.vocab_size);
  // One batch at a time, so that a long prompt can be cancelled.
  for (auto rest = prompt; !rest.empty();) {
    if (is_cancelled()) {
      stats.stop = StopReason::kCancelled;
      return out;
    }
    const auto batch = rest.first(std::min<std::size_t>(rest.size(), session.options().max_batch));
    rest = rest.subspan(batch.size());
    FACET_TRY(session.evaluate(batch, rest.empty() ? Session::Logits::kLast : Session::Logits::kNone,
                               rest.empty() ? std::span<float>(logits) : std::span<float>()));
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
    auto next = sampler->sample(logits, history, static_cast<std::uint64_t>(session.position()));
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
    if (options.max_tokens >= 0 && stats.generated_tokens >= options.max_tokens) continue;  // nothing needs its logits
    if (session.position() >= session.options().context) {
      stats.stop = StopReason::kContextFull;
      break;
    }
    FACET_TRY(session.evaluate({&*next, 1}, Session::Logits::kLast, logits));
  }
  return out;
}

}  // namespace facet
