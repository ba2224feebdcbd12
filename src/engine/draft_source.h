// draft_source.h: whoever guesses the tokens that come next, for the model to check.
#pragma once

#include <span>
#include <vector>

#include "facet/status.h"

namespace facet {

// Guesses change how fast text comes, never which text (generate.h).
class DraftSource {
 public:
  virtual ~DraftSource() = default;
  // history: all tokens so far, the last of which the session has not evaluated yet: it has the index of the session's
  // position.  hidden: the D floats of the model's normed stream from which that token was drawn.  Puts at most `most`
  // (at least 1) tokens into `drafts`, which comes empty; fewer or none is allowed.
  virtual Status propose(std::span<const int> history, std::span<const float> hidden, int most,
                         std::vector<int>& drafts) = 0;
};

}  // namespace facet
