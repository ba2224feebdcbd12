// measure.h: memory and speed of a model on its own, in a fresh process.
#pragma once

#include <cstdint>
#include <string>

#include "facet/status.h"

namespace facet {

struct Footprint {
  std::uint64_t peak_rss_bytes = 0;  // VmHWM
  double tokens_per_second = 0;      // greedy generation after a short prompt, batch 1
};

// Forks, loads the model in the child, reads `n_prompt` and writes `n_generate` tokens there.  Call it while this
// process is small and has no threads of its own: a child starts with its parent's memory.
Result<Footprint> measure_footprint(const std::string& model_path, int threads, int n_prompt = 64, int n_generate = 64);

}  // namespace facet
