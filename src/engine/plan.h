// plan.h: how many bytes a model needs, before it is run.
#pragma once

#include <cstdint>

#include "engine/model.h"
#include "engine/session.h"

namespace facet {

class Drafter;

// Bytes of a matrix, its row scales included.
std::uint64_t byte_size(const Linear& weight);
// Bytes of weights that one generated token reads: every matrix, but of experts only the chosen share and of tables one
// row.  Over a machine's memory bandwidth this is the least time that a token can take.
std::uint64_t weight_bytes_per_token(const Model& model);
// Bytes of keys and values that the token at `position` reads.  options: settled, as Session::options() gives them.
std::uint64_t cache_bytes_per_token(const Model& model, const SessionOptions& options, int position);

// Where the memory of a model and a session over it goes, in bytes.
struct MemoryPlan {
  // Mapped from the file, resident as they are read.
  std::uint64_t weights = 0;  // matrices that every token reads
  std::uint64_t experts = 0;  // a token reads a few of them, a text all
  std::uint64_t tables = 0;   // a token reads one row; rows come from the file, not the mapping: never resident
  // The session's own.
  std::uint64_t vectors = 0;  // norms and scalars, decoded
  std::uint64_t cache = 0;    // keys and values of the whole context
  std::uint64_t buffers = 0;  // activations of a batch
  std::uint64_t logits = 0;   // of one position; of a drafter: its own, and those of each draft
  std::uint64_t program = 0;  // code, stacks, the file's header: a rough sum

  std::uint64_t resident() const { return weights + experts + vectors + cache + buffers + logits + program; }
};
MemoryPlan plan_memory(const Session& session);
// What a drafter adds to that of its session, when at most n_max drafts are checked at once.  The head of one with
// clusters is kept in their order instead of being mapped: it counts among the weights like any other.
MemoryPlan plan_memory(const Drafter& drafter, int n_max);
MemoryPlan operator+(const MemoryPlan& a, const MemoryPlan& b);
// kNoResources, with the numbers, when the plan is above `limit` bytes (0 = no limit).
Status check_memory(const MemoryPlan& plan, std::uint64_t limit);

}  // namespace facet
