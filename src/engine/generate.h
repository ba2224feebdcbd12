// generate.h: prompt in, tokens out: the loop around a session and a sampler.
#pragma once

#include <atomic>
#include <functional>
#include <span>
#include <vector>

#include "engine/draft_length.h"
#include "engine/draft_source.h"
#include "engine/sampler.h"
#include "engine/session.h"
#include "facet/generate_options.h"
#include "facet/status.h"

namespace facet {

struct Generation {
  std::vector<int> tokens;  // new ones, without the stop token
  GenerateStats stats;
};

// Who guesses ahead, and how far.
struct Speculation {
  DraftSource* source = nullptr;  // null: nobody
  int n_max = 0;                  // drafts per round
  DraftLength* length = nullptr;  // decides before each round, up to its own n_max, which is this one; null: n_max
};

//   Result<Generation> g = generate(session, prompt, options, [&](int token) { show(token); return true; });
// Evaluates `prompt` at the session's present position (a conversation goes on by calling again with the next turn; the
// last token drawn is not in the cache yet and belongs at the front of that turn), then draws until something stops it.
// on_token: called for each token as it is drawn; false stops.  cancelled: looked at between steps; may be set from a
// signal.  before: what the session holds already, for the repetition penalty.
// speculation: the model checks a source's guesses many at a time.  Tokens, reasons to stop and the session's position
// afterwards are those without it, bit for bit: a guess is kept only where the draw at its position gives that token
// (docs/model/drafters.md, "Checking").  n_max: 1 to most_drafts(session).
// kInvalidArgument: an empty prompt, one that does not fit in the context, or options out of range.
Result<Generation> generate(Session& session, std::span<const int> prompt, const GenerateOptions& options,
                            const std::function<bool(int token)>& on_token = {},
                            const std::atomic<bool>* cancelled = nullptr, std::span<const int> before = {},
                            const Speculation& speculation = {});

// Drafts that a session can check in one round: all are evaluated beside a token, as rows that keep the bits they have
// alone, and all may have to be taken back.
int most_drafts(const Session& session);

}  // namespace facet
