// lockstep.h: many sequences through one model, halted together in front of every linear.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "engine/model.h"
#include "facet/status.h"

namespace facet {

// The inputs of one linear: n rows of linear.cols floats for each sequence that reaches it, in the order of the
// sequences.
struct InputRows {
  const float* x;
  int n;
};
using LinearInputs = std::span<const InputRows>;

// Runs every sequence from position 0 and calls visit(linear, inputs) once for each linear that `wanted` names, in the
// order of the computation: when all sequences stand before that product and none has made it.  So a visitor that
// rewrites the weight in place makes everything after it see the new weight, and the whole calibration of a model costs
// one forward pass. visit runs on the caller's thread and may use `pool`; the other threads sleep meanwhile.  An error
// of visit ends the visits and is returned.  One session per sequence is alive throughout, with the activations of one
// layer. model: its linears may point into memory that visit changes; nothing else does.
Status run_in_lockstep(const Model& model, std::span<const std::vector<int>> sequences, ThreadPool& pool,
                       const std::function<bool(const Linear&)>& wanted,
                       const std::function<Status(const Linear&, LinearInputs)>& visit);

}  // namespace facet
