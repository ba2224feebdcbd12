// generate.h: prompt in, tokens out: the loop around a session and a sampler.
#pragma once

#include <atomic>
#include <functional>
#include <span>
#include <vector>

#include "engine/sampler.h"
#include "engine/session.h"
#include "facet/status.h"

namespace facet {

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

  double prompt_tokens_per_second() const { return prompt_seconds > 0 ? prompt_tokens / prompt_seconds : 0; }
  double generated_tokens_per_second() const {
    return generation_seconds > 0 ? generated_tokens / generation_seconds : 0;
  }
};

struct Generation {
  std::vector<int> tokens;  // new ones, without the stop token
  GenerateStats stats;
};

//   Result<Generation> g = generate(session, prompt, options, [&](int token) { show(token); return true; });
// Evaluates `prompt` at the session's present position (a conversation goes on by calling again with the next turn; the
// last token drawn is not in the cache yet and belongs at the front of that turn), then draws until something stops it.
// on_token: called for each token as it is drawn; false stops.  cancelled: looked at between steps; may be set from a
// signal. kInvalidArgument: an empty prompt, one that does not fit in the context, or options out of range.
Result<Generation> generate(Session& session, std::span<const int> prompt, const GenerateOptions& options,
                            const std::function<bool(int token)>& on_token = {},
                            const std::atomic<bool>* cancelled = nullptr);

}  // namespace facet
