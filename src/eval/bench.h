// bench.h: how fast a model reads prompts and writes text on this machine, as llama-bench measures it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/session.h"

namespace facet {

// n_prompt tokens in batches, then n_generate one by one, behind `depth` tokens that are not timed.
struct BenchCase {
  int n_prompt = 0, n_generate = 0, depth = 0;
};
std::string name_of(const BenchCase& c);  // "pp512" "tg128" "pp512+tg128" "tg128 @ d4096"

struct BenchResult {
  BenchCase what;
  std::vector<double> seconds;        // one per repetition
  std::uint64_t logits_hash = 0;      // FNV-1a over the bytes of the last logits: the same on every repetition
  std::uint64_t bytes_per_token = 0;  // weights and cache that a generated token reads; 0 for prompts
  std::vector<double> tokens_per_second() const;
};

struct BenchOptions {
  std::vector<BenchCase> cases = {};
  int repetitions = 5;
  bool warm_up = true;                                         // one untimed repetition first
  SessionOptions session;                                      // its context is set from the cases where it is 0
  std::uint64_t seed = 1;                                      // of the tokens: nothing is sampled
  std::function<bool(const std::string& line)> progress = {};  // false: stop (kCancelled)
};

struct BenchReport {
  SessionOptions session;          // as it was settled
  double first_token_seconds = 0;  // making the session and reading one token, before anything is warm
  std::vector<BenchResult> results;
};
// One session serves all cases.  kInvalidArgument: a case that does not fit the context.
Result<BenchReport> bench(const Model& model, ThreadPool& pool, BenchOptions options);

// Bytes per second that `threads` threads read from memory, the best of several passes over an anonymous buffer larger
// than any cache.  Measured in a child process, so that the buffer does not count as this one's memory: call it while
// this process has no other threads.
Result<double> streaming_bandwidth(int threads);

}  // namespace facet
