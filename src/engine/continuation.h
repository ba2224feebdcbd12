// continuation.h: going on with a session whose cache already holds the beginning of a prompt.
#pragma once

#include <span>

#include "engine/session.h"
#include "facet/status.h"

namespace facet {

//   int kept = *keep_prefix(session, cached, prompt);     // cached: what the session has evaluated
//   generate(session, prompt.subspan(kept), options, ...);
// Takes the session back to where `prompt` leaves what it holds, and returns that position.  At least one token of
// prompt is left to evaluate.  Where that lies further back than the session's max_rollback allows, everything is
// forgotten and 0 returned.  kInvalidArgument: cached is not as long as the session's position, or prompt is empty.
Result<int> keep_prefix(Session& session, std::span<const int> cached, std::span<const int> prompt);

}  // namespace facet
