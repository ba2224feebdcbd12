// drafter.h: a Gemma 4 drafter at work: some layers that attend to the cache of the model they draft for, and a head.
// Law: docs/model/drafters.md.
#pragma once

#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "engine/draft_source.h"
#include "engine/model.h"
#include "engine/session.h"
#include "facet/status.h"

namespace facet {

//   Model drafter_model = *Model::bind(*load_drafter("drafter.gguf"));
//   Drafter drafter = *Drafter::create(drafter_model, session);
//   generate(session, prompt, options, show, nullptr, {}, {.source = &drafter, .n_max = 3});
// or step by step, in a round at the session's position n, when `pending` is the token of index n:
//   drafter.begin(session.hidden());             // the row that pending was drawn from
//   int first = drafter.step(pending), second = drafter.step(first);
// Uses the session's pool, threads and kernels, and reads its cache.  model must outlive it; so must the session, whose
// timeline may go on as it likes between rounds.  Allocates nothing in a step.
class Drafter : public DraftSource {
 public:
  // kUnsupported: a drafter for another model (check_drafter()).  kNoResources: no memory.
  static Result<Drafter> create(const Model& drafter, Session& target);
  Drafter(Drafter&&) noexcept;
  Drafter& operator=(Drafter&&) noexcept;
  ~Drafter() override;

  // hidden: D floats of the target's width.  The session holds at least one position (FACET_CHECK), which all steps of
  // the round share: they see the keys below it.
  void begin(std::span<const float> hidden);
  // What comes after `token`; ties go to the lowest id.  Feeds itself: the next step goes on from this one.
  int step(int token);
  // Of the last step: V floats, until the next call.  Tokens outside the chosen clusters have minus infinity.
  std::span<const float> logits() const;
  // Of the last step: D floats of the target's width, the `hidden` of the next.
  std::span<const float> hidden() const;

  Status propose(std::span<const int> history, std::span<const float> hidden, int most,
                 std::vector<int>& drafts) override;

  const Model& model() const;
  // Bytes of weights that one step reads.
  std::uint64_t weight_bytes_per_step() const;
  std::uint64_t buffer_bytes() const;  // logits() among them

 private:
  struct State;
  explicit Drafter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace facet
