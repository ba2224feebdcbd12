// train_state.h: the files from which a run goes on, bit for bit, after it was stopped or killed.
//
//   DIR/step-00000120/parameters.safetensors   the latents
//                     optimizer.safetensors    moments and step counts
//                     hooks.safetensors        scales, observers, flags (train_hooks.h)
//                     manifest.json            numbers, the effective config, size and checksum of each file; written
//                     last
//
// A folder without a manifest is a save that did not finish; it is ignored and later removed.  The newest two saves are
// kept.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "facet/status.h"
#include "train/train_hooks.h"

namespace facet::train {

struct TrainState {
  StateMap parameters, optimizer, hooks;
  std::int64_t step = 0;           // optimizer steps taken; the data position is step * windows per step
  std::int64_t window = 0;         // the next training window: checked against the config on resume
  std::int64_t calibrations = 0;   // calibrations done: which windows the next one draws
  std::int64_t skipped_steps = 0;  // in a row, for a non-finite gradient
  double best_score = 0;           // of best/, when best_step >= 0
  std::int64_t best_step = -1;
  int best_stage = 0;
  double seconds = 0;         // of training so far
  std::string config;         // effective config, JSON
  std::string data_identity;  // of the training tokens
};

// Writes DIR/step-N and removes what is older than the newest two.  kNoResources, kIo: earlier saves are untouched.
Status save_train_state(const std::string& dir, const TrainState& state);

// The newest save whose files are all there with the right size and checksum; `warn` hears about newer ones that are
// not. kNotFound when there is none.  Tensors are on the CPU.
Result<TrainState> load_train_state(const std::string& dir, const std::function<void(std::string_view)>& warn);

bool has_train_state(const std::string& dir);

}  // namespace facet::train
