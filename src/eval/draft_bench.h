// draft_bench.h: how much sooner text comes with a drafter than without, on this machine.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/draft_length.h"
#include "engine/draft_source.h"
#include "engine/session.h"

namespace facet {

// Drafts that are right as often as is asked, at the price of a drafter's own: it takes all its steps, and its guesses
// are replaced by the tokens that come next, or by others.  So full-size random models, whose drafters are never right,
// show what a trained one would gain.
//   RiggedDrafts rigged(drafter, {0.8, 0.7}, seed, vocab_size);
//   rigged.set_text(prompt.size(), text);     // what the model writes without drafts
class RiggedDrafts : public DraftSource {
 public:
  // chances: that draft j is right where those before it were; the last one holds for all that follow.  Luck depends on
  // the seed and on where a round begins, so that rounds of any length share it.  inner must outlive this.
  RiggedDrafts(DraftSource& inner, std::vector<double> chances, std::uint64_t seed, int vocab_size);
  void set_text(std::size_t n_prompt, std::vector<int> text);
  Status propose(std::span<const int> history, std::span<const float> hidden, int most,
                 std::vector<int>& drafts) override;

 private:
  DraftSource& inner_;
  std::vector<double> chances_;
  std::uint64_t seed_;
  int vocab_size_;
  std::size_t n_prompt_ = 0;
  std::vector<int> text_;
};

// One way to write the text.  Sessions are of one model and alike, each of its own.
struct DraftBenchKind {
  Session* session = nullptr;
  DraftSource* source = nullptr;  // bound to that session; null: none
  DraftCount count;               // what adapts learns anew in each run; 0 without a source
};

struct DraftBenchOptions {
  std::vector<int> prompt;  // at least one token; evaluated once for each kind, not timed
  int n_generate = 128;     // tokens that are timed: those after the first, which the prompt's logits give
  int repetitions = 5;
  double turn_seconds = 0.025;     // as many tokens in turn as plain text takes that long for, or one
  bool warm_up = true;             // every kind writes the text once before; else the first does
  std::vector<double> acceptance;  // RiggedDrafts' chances; none: the sources' own guesses
  std::uint64_t seed = 1;          // of their luck
  std::function<bool(const std::string& line)> progress;  // false: stop (kCancelled); from several threads in turn
  const std::atomic<bool>* cancelled = nullptr;
};

struct DraftBenchResult {
  DraftCount count;
  std::vector<double> seconds;                    // of n_generate tokens, one per repetition
  std::vector<double> speedups;                   // of each repetition over the plain run of the same one
  int rounds = 0, n_drafted = 0, n_accepted = 0;  // in all repetitions
  double draft_seconds = 0;
  bool same_text = true;        // in all repetitions that of the first plain run
  std::string chosen;           // where it adapts: what the last repetition measured
  std::uint64_t text_hash = 0;  // FNV-1a over the tokens

  double seconds_per_draft() const { return n_drafted > 0 ? draft_seconds / n_drafted : 0; }
  double tokens_per_round() const { return rounds > 0 ? 1 + double(n_accepted) / rounds : 0; }
};

// Greedy text, through stop tokens, by generate().  Within a repetition the kinds write side by side, a few tokens in
// turn, every other time in the opposite order: a machine whose speed comes and goes within a second, as those that
// others share, does so for all of them.  Sessions must have room for the prompt and n_generate + 1 tokens, and be able
// to take them all back; their timelines are overwritten.
// kInvalidArgument: otherwise, or an empty prompt, or a first kind that is not plain.
Result<std::vector<DraftBenchResult>> bench_drafts(std::span<const DraftBenchKind> kinds,
                                                   const DraftBenchOptions& options);

}  // namespace facet
