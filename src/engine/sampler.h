// sampler.h: from logits to the next token.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "facet/generate_options.h"
#include "facet/status.h"

namespace facet {

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
