#include "eval/draft_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

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

// The runs of one bench_drafts().
class DraftBench {
 public:
  DraftBench(Session& session, DraftSource& source, const DraftBenchOptions& options)
      : session_(session), source_(&source), options_(options), prefix_(options.prompt) {
    prefix_ = prefix_.first(prefix_.size() - 1);
    if (options.acceptance.empty()) return;
    rigged_.emplace(source, options.acceptance, options.seed, session.model().config().vocab_size);
    source_ = &*rigged_;
  }

  Status fill() {
    session_.reset();
    for (std::size_t done = 0; done < prefix_.size();) {
      const std::size_t n = std::min<std::size_t>(512, prefix_.size() - done);
      FACET_TRY(session_.evaluate(prefix_.subspan(done, n), Session::Logits::kNone, {}));
      done += n;
      FACET_TRY(show(fmt::format("prompt {}/{}", done, prefix_.size())));
    }
    return {};
  }

  // One text, behind the prompt.
  Status run(DraftBenchResult& out, bool timed) {
    FACET_TRY(session_.rollback(session_.position() - static_cast<int>(prefix_.size())));
    const DraftCount& count = out.count;
    std::optional<DraftLength> length;
    if (count.adapts) length.emplace(count.n_max);
    Speculation speculation;
    if (count.n_max > 0) speculation = {source_, count.n_max, length ? &*length : nullptr};
    const GenerateOptions greedy{
        .max_tokens = options_.n_generate + 1, .sampling = {.temperature = 0}, .stop_tokens = {}, .ignore_stop = true};
    const std::span<const int> last = std::span(options_.prompt).last(1);
    FACET_ASSIGN(const Generation g, generate(session_, last, greedy, {}, options_.cancelled, prefix_, speculation));
    if (g.stats.stop == StopReason::kCancelled) return {Code::kCancelled, "interrupted"};
    if (std::ssize(g.tokens) != options_.n_generate + 1)
      return invalid_argument(fmt::format("{} tokens behind a prompt of {} do not fit in a context of {}",
                                          options_.n_generate, options_.prompt.size(), session_.options().context));
    if (text_.empty()) {
      text_ = g.tokens;
      if (rigged_) rigged_->set_text(options_.prompt.size(), text_);
    }
    out.same_text = out.same_text && g.tokens == text_;
    out.text_hash = fnv1a(std::as_bytes(std::span(g.tokens)));
    if (!timed) return {};
    out.seconds.push_back(g.stats.generation_seconds);
    out.rounds += g.stats.draft_rounds;
    out.n_drafted += g.stats.drafted_tokens;
    out.n_accepted += g.stats.accepted_tokens;
    out.draft_seconds += g.stats.draft_seconds;
    if (length) out.chosen = length->describe();
    return {};
  }

  Status show(const std::string& line) {
    if (options_.progress && !options_.progress(line)) return {Code::kCancelled, "interrupted"};
    return {};
  }

 private:
  Session& session_;
  DraftSource* source_;
  const DraftBenchOptions& options_;
  std::optional<RiggedDrafts> rigged_;
  std::span<const int> prefix_;  // the prompt but for its last token
  std::vector<int> text_;        // of the first plain run
};

}  // namespace

Result<std::vector<DraftBenchResult>> bench_drafts(Session& session, DraftSource& source,
                                                   const DraftBenchOptions& options) {
  if (options.prompt.empty()) return invalid_argument("the prompt is empty");
  std::vector<DraftBenchResult> out(1);
  for (const DraftCount& count : options.counts) out.emplace_back().count = count;
  DraftBench bench(session, source, options);
  FACET_TRY(bench.fill());
  for (int r = options.warm_up ? -1 : 0; r < options.repetitions; ++r) {
    const bool backwards = r % 2 == 1;
    for (std::size_t i = 0; i < out.size(); ++i) {
      FACET_TRY(bench.run(out[backwards ? out.size() - 1 - i : i], r >= 0));
      FACET_TRY(bench.show(
          fmt::format("repetition {}/{}, {} of {} runs", std::max(0, r + 1), options.repetitions, i + 1, out.size())));
    }
  }
  for (DraftBenchResult& result : out)
    for (std::size_t r = 0; r < result.seconds.size(); ++r)
      result.speedups.push_back(out[0].seconds[r] / result.seconds[r]);
  return out;
}

}  // namespace facet
