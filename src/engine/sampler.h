// sampler.h: from logits to the next token.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "facet/status.h"

namespace facet {

// Filters apply in this order: repetition penalty, top_k, top_p, min_p, temperature (as llama.cpp does).
struct SamplerOptions {
  float temperature = 1.0f;  // 0 = greedy: the most probable token, ties to the lowest id
  int top_k = 64;            // keep the k most probable; 0 = all
  float top_p = 0.95f;       // keep the fewest most probable tokens that hold this much; 1 = all
  float min_p = 0.0f;        // drop what is less probable than this share of the best; 0 = none
  float repeat_penalty =
      1.0f;                // logits of recent tokens are divided (positive) or multiplied (negative) by it; 1 = none
  int repeat_last_n = 64;  // how many of the last tokens are recent; -1 = all
  std::uint64_t seed = 0;
};

struct Candidate {
  int token;
  float logit;
  double probability;
};

//   Sampler sampler = *Sampler::create(options, vocab_size, config.suppressed_tokens);
//   Result<int> next = sampler.sample(logits, history, position);
// A draw is a function of (logits, history, seed, position) alone: sampling again at a position gives the same token,
// and speculative decoding can repeat any draw.  Allocates nothing after creation.  Not for two threads at once.
class Sampler {
 public:
  // kInvalidArgument: an option out of range, named; or a suppressed token outside the vocabulary.
  static Result<Sampler> create(const SamplerOptions& options, int vocab_size, std::span<const int> suppressed = {});

  // logits: V of them.  history: tokens so far, for the penalty.  position: of the token to be drawn.
  // kCorrupt: a NaN or plus infinity among the logits, or no token is left.
  Result<int> sample(std::span<const float> logits, std::span<const int> history, std::uint64_t position);
  // What sample() draws from: most probable first, ties by id, probabilities sum to 1.  Valid until the next call.
  Result<std::span<const Candidate>> distribution(std::span<const float> logits, std::span<const int> history);
  const SamplerOptions& options() const { return options_; }

 private:
  Sampler(const SamplerOptions& options, int vocab_size, std::span<const int> suppressed);
  Status gather(std::span<const float> logits, std::span<const int> history);

  SamplerOptions options_;
  std::vector<bool> suppressed_;
  std::vector<bool> recent_;           // all false between calls
  std::vector<Candidate> candidates_;  // capacity V
};

}  // namespace facet
