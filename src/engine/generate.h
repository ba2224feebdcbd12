// generate.h: prompt in, tokens out: the loop around a session and a sampler.
#pragma once

#include <atomic>
#include <functional>
#include <span>
#include <vector>

#include "engine/sampler.h"
#include "engine/session.h"
#include "facet/generate_options.h"
#include "facet/status.h"

namespace facet {

struct Generation {
  std::vector<int> tokens;  // new ones, without the stop token
  GenerateStats stats;
};

//   Result<Generation> g = generate(session, prompt, options, [&](int token) { show(token); return true; });
// Evaluates `prompt` at the session's present position (a conversation goes on by calling again with the next turn; the
// last token drawn is not in the cache yet and belongs at the front of that turn), then draws until something stops it.
// on_token: called for each token as it is drawn; false stops.  cancelled: looked at between steps; may be set from a
// signal.  before: what the session holds already, for the repetition penalty.
// kInvalidArgument: an empty prompt, one that does not fit in the context, or options out of range.
Result<Generation> generate(Session& session, std::span<const int> prompt, const GenerateOptions& options,
                            const std::function<bool(int token)>& on_token = {},
                            const std::atomic<bool>* cancelled = nullptr, std::span<const int> before = {});

}  // namespace facet
