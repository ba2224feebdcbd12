// generate_options.h: how text is drawn from a model, and what drawing it took.
#pragma once

#include <cstdint>
#include <vector>

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

struct GenerateOptions {
  int max_tokens = -1;  // at most so many new tokens; -1 = until a stop token or the context is full
  SamplerOptions sampling;
  std::vector<int> stop_tokens;  // empty = the model's own eos_tokens
  bool ignore_stop = false;      // generate through stop tokens (benches)
};

enum class StopReason { kStopToken, kMaxTokens, kContextFull, kCallback, kCancelled };

struct GenerateStats {
  int prompt_tokens = 0, generated_tokens = 0;  // the stop token is not counted
  double prompt_seconds = 0;                    // prefill
  double generation_seconds = 0;                // from the end of prefill to the last token
  double first_token_seconds = 0;               // from the call to the first token
  StopReason stop = StopReason::kMaxTokens;

  // With a drafter: rounds are passes of the model over drafts.  Tokens that were accepted are generated ones.
  int draft_rounds = 0, drafted_tokens = 0, accepted_tokens = 0;
  double draft_seconds = 0;  // of generation_seconds
  // By depth: rounds in which all drafts before were right and this one stood to be checked; those in which it was
  // right.
  std::vector<int> tried_at, accepted_at;
  // Tokens that a round gives on average: those accepted, and the one the model adds; 0 without rounds.
  double mean_accepted_length() const { return draft_rounds > 0 ? 1 + double(accepted_tokens) / draft_rounds : 0; }

  double prompt_tokens_per_second() const { return prompt_seconds > 0 ? prompt_tokens / prompt_seconds : 0; }
  double generated_tokens_per_second() const {
    return generation_seconds > 0 ? generated_tokens / generation_seconds : 0;
  }
};

}  // namespace facet
