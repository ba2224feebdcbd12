// eval_drafter.h: the part of facet eval that judges drafters.
#pragma once

#include <string>

#include "cli/cli.h"
#include "eval/continuations.h"

namespace facet::cli {

struct DraftEvalFlags {
  std::string model, text, format = "text", output;
  DraftFlags drafting;
  ContinuationOptions options;
  int n_texts = 100, threads = 1;
};
Status run_eval_drafter(const DraftEvalFlags& flags);

}  // namespace facet::cli
