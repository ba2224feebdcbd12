// continuations.h: what a model writes after pieces of a text: text to train drafters on, and what they are judged by.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/generate.h"
#include "facet/status.h"

namespace facet {

struct ContinuationOptions {
  int prompt_tokens = 32;        // <bos> and so many of the text's tokens
  int max_tokens = 128;          // written after them, unless the model stops
  double greedy_share = 0.5;     // of the texts; the others are drawn by `sampling`
  SamplerOptions sampling = {};  // its seed is of every text's own
  std::uint64_t seed = 1;        // of the places that prompts are cut from, and of draws
};

//   FACET_ASSIGN(Continuations c, Continuations::create(ids, config.bos_token, options));
//   Result<Generation> g = c.write(session, 17);     // after c.prompt(17), what the model makes of it
// Text i is a function of (ids, options, i) and the model alone.
class Continuations {
 public:
  // ids: of a text.  kInvalidArgument: fewer than a prompt takes, or options out of range.
  static Result<Continuations> create(std::vector<int> ids, int bos, const ContinuationOptions& options);
  std::vector<int> prompt(std::uint64_t i) const;
  bool greedy(std::uint64_t i) const;
  // From an empty session.  Whatever generate() returns.
  Result<Generation> write(Session& session, std::uint64_t i, const Speculation& speculation = {},
                           const std::atomic<bool>* cancelled = nullptr) const;

 private:
  Continuations(std::vector<int> ids, int bos, const ContinuationOptions& options)
      : ids_(std::move(ids)), bos_(bos), options_(options) {}
  std::vector<int> ids_;
  int bos_;
  ContinuationOptions options_;
};

// How a drafter did, added over texts.
struct DraftRecord {
  std::int64_t texts = 0, tokens = 0, rounds = 0, drafted = 0, accepted = 0;
  std::vector<std::int64_t> tried_at, accepted_at;  // by depth, as in GenerateStats
  void add(const GenerateStats& stats);
  // The chance of a draft, those before it being right.
  double right(std::size_t depth) const {
    return tried_at[depth] > 0 ? double(accepted_at[depth]) / double(tried_at[depth]) : 0;
  }
  double mean_length() const { return rounds > 0 ? 1 + double(accepted) / double(rounds) : 0; }
};

}  // namespace facet
