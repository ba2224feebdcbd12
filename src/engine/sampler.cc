#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/check.h"
#include "base/rng.h"

namespace facet {
namespace {

bool more_probable(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

// Fills in softmax(logit / temperature).  The first candidate has the largest logit.
void set_probabilities(std::span<Candidate> candidates, double temperature) {
  double sum = 0;
  for (Candidate& c : candidates)
    sum += c.probability = std::exp((double(c.logit) - candidates[0].logit) / temperature);
  for (Candidate& c : candidates) c.probability /= sum;
}

Status out_of_range(const char* name, double value, const char* expected) {
  return invalid_argument(std::string(name) + " is " + std::to_string(value) + ", expected " + expected);
}

}  // namespace

Result<Sampler> Sampler::create(const SamplerOptions& o, int vocab_size, std::span<const int> suppressed) {
  // Written so that NaN fails too.
  if (!(o.temperature >= 0 && std::isfinite(o.temperature)))
    return out_of_range("temperature", o.temperature, "0 (greedy) or more");
  if (o.top_k < 0) return out_of_range("top-k", o.top_k, "0 (all) or more");
  if (!(o.top_p > 0 && o.top_p <= 1)) return out_of_range("top-p", o.top_p, "more than 0, at most 1 (all)");
  if (!(o.min_p >= 0 && o.min_p <= 1)) return out_of_range("min-p", o.min_p, "0 (off) to 1");
  if (!(o.repeat_penalty > 0 && std::isfinite(o.repeat_penalty)))
    return out_of_range("repeat-penalty", o.repeat_penalty, "more than 0 (1 is off)");
  if (o.repeat_last_n < -1) return out_of_range("repeat-last-n", o.repeat_last_n, "-1 (all), 0 (off) or more");
  for (int token : suppressed) {
    if (token < 0 || token >= vocab_size)
      return invalid_argument("suppressed token " + std::to_string(token) + " is outside the vocabulary of " +
                              std::to_string(vocab_size));
  }
  return Sampler(o, vocab_size, suppressed);
}

Sampler::Sampler(const SamplerOptions& options, int vocab_size, std::span<const int> suppressed)
    : options_(options), suppressed_(vocab_size), recent_(vocab_size) {
  for (int token : suppressed) suppressed_[token] = true;
  candidates_.reserve(vocab_size);
}

// candidates_ = every token that may come next, penalised, in the order of ids.
Status Sampler::gather(std::span<const float> logits, std::span<const int> history) {
  FACET_CHECK(logits.size() == suppressed_.size(), "one logit per token of the vocabulary");
  const bool penalise = options_.repeat_penalty != 1.0f && options_.repeat_last_n != 0;
  std::span<const int> window = history;
  if (!penalise) {
    window = {};
  } else if (options_.repeat_last_n > 0 && window.size() > static_cast<std::size_t>(options_.repeat_last_n)) {
    window = window.last(options_.repeat_last_n);
  }
  for (int token : window) recent_[token] = true;
  candidates_.clear();
  bool damaged = false;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    float z = logits[i];
    damaged = damaged || std::isnan(z) || z == INFINITY;
    if (suppressed_[i] || z == -INFINITY) continue;
    if (recent_[i]) z = z > 0 ? z / options_.repeat_penalty : z * options_.repeat_penalty;
    candidates_.push_back({static_cast<int>(i), z, 0.0});
  }
  for (int token : window) recent_[token] = false;
  if (damaged) return corrupt("a logit is not a finite number; the model's weights are damaged");
  if (candidates_.empty()) return corrupt("no token can follow: every logit is suppressed or minus infinity");
  return {};
}

Result<std::span<const Candidate>> Sampler::distribution(std::span<const float> logits, std::span<const int> history) {
  FACET_TRY(gather(logits, history));
  std::size_t keep = candidates_.size();
  if (options_.temperature == 0) keep = 1;
  if (options_.top_k > 0) keep = std::min<std::size_t>(keep, options_.top_k);
  std::partial_sort(candidates_.begin(), candidates_.begin() + keep, candidates_.end(), more_probable);
  std::span<Candidate> kept(candidates_.data(), keep);
  if (options_.top_p < 1 && keep > 1) {
    set_probabilities(kept, 1.0);
    double held = 0;
    std::size_t n = 0;
    while (n < kept.size() && (n == 0 || held < options_.top_p)) held += kept[n++].probability;
    kept = kept.first(n);
  }
  if (options_.min_p > 0) {
    const double lowest = double(kept[0].logit) + std::log(double(options_.min_p));
    std::size_t n = 1;
    while (n < kept.size() && kept[n].logit >= lowest) ++n;
    kept = kept.first(n);
  }
  set_probabilities(kept, options_.temperature == 0 ? 1.0 : options_.temperature);
  return std::span<const Candidate>(kept);
}

Result<int> Sampler::sample(std::span<const float> logits, std::span<const int> history, std::uint64_t position) {
  auto candidates = distribution(logits, history);
  if (!candidates.ok()) return candidates.status();
  Rng rng(options_.seed, position);
  const double high = rng.next_u32(), low = rng.next_u32();
  double u = (high * 0x1p32 + low) * 0x1p-64;  // in [0, 1]; rounding can reach 1, which the last candidate takes
  for (const Candidate& c : *candidates) {
    if (u < c.probability) return c.token;
    u -= c.probability;
  }
  return candidates->back().token;
}

}  // namespace facet
