#include "eval/continuations.h"

#include <algorithm>
#include <string>

#include "base/rng.h"

namespace facet {
namespace {

// Streams of one seed.
enum : std::uint64_t { kPlaces = 0, kModes = 1 };

}  // namespace

Result<Continuations> Continuations::create(std::vector<int> ids, int bos, const ContinuationOptions& options) {
  if (options.prompt_tokens < 1 || options.max_tokens < 1)
    return invalid_argument("continuations: a prompt and what follows it have at least one token each");
  if (!(options.greedy_share >= 0 && options.greedy_share <= 1))
    return invalid_argument("continuations: the greedy share is from 0 to 1");
  if (ids.size() < static_cast<std::size_t>(options.prompt_tokens))
    return invalid_argument("continuations: the text has " + std::to_string(ids.size()) + " tokens, a prompt takes " +
                            std::to_string(options.prompt_tokens));
  return Continuations(std::move(ids), bos, options);
}

std::vector<int> Continuations::prompt(std::uint64_t i) const {
  Rng rng(options_.seed, kPlaces);
  rng.seek(i);
  const auto places = static_cast<std::uint32_t>(ids_.size() - static_cast<std::size_t>(options_.prompt_tokens) + 1);
  const auto at = ids_.begin() + rng.below(places);
  std::vector<int> out;
  if (bos_ >= 0) out.push_back(bos_);
  out.insert(out.end(), at, at + options_.prompt_tokens);
  return out;
}

bool Continuations::greedy(std::uint64_t i) const {
  Rng rng(options_.seed, kModes);
  rng.seek(i);
  return rng.uniform() < options_.greedy_share;
}

Result<Generation> Continuations::write(Session& session, std::uint64_t i, const Speculation& speculation,
                                        const std::atomic<bool>* cancelled) const {
  session.reset();
  GenerateOptions options;
  options.max_tokens = options_.max_tokens;
  options.sampling = options_.sampling;
  options.sampling.seed = options_.seed + i;
  if (greedy(i)) options.sampling.temperature = 0;
  return generate(session, prompt(i), options, {}, cancelled, {}, speculation);
}

void DraftRecord::add(const GenerateStats& stats) {
  ++texts;
  tokens += stats.generated_tokens;
  rounds += stats.draft_rounds;
  drafted += stats.drafted_tokens;
  accepted += stats.accepted_tokens;
  const auto sum = [](std::vector<std::int64_t>& into, const std::vector<int>& from) {
    into.resize(std::max(into.size(), from.size()));
    for (std::size_t d = 0; d < from.size(); ++d) into[d] += from[d];
  };
  sum(tried_at, stats.tried_at);
  sum(accepted_at, stats.accepted_at);
}

}  // namespace facet
