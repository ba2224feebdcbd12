// train_hooks.h: what the training loop asks of its hooks beyond the graph's own calls: stages, parameters of their
// own, calibration, state that a resumed run needs, and the exported model. FloatHooks below is the trivial case;
// QuantizerSet (quantizers.h) is the other.
#pragma once

#include "train/torch.h"

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "facet/status.h"
#include "model/checkpoint.h"
#include "train/hooks.h"

namespace facet::train {

class Graph;

// Where the run stands.  step counts from 0; progress() of the step about to be taken is in [0, 1).
struct StepInfo {
  std::int64_t step = 0, total_steps = 1;
  double lr = 0;           // of the graph's matrices, at this step
  double lr_fraction = 0;  // lr / peak lr: what the schedule multiplies every group's own lr with
  double progress() const { return static_cast<double>(step) / static_cast<double>(total_steps); }
};

// Parameters that the hooks own and the optimizer trains: no weight decay, their own norm clip.
struct ParameterGroup {
  std::string name;                                               // for logs: "weight_scales"
  std::vector<std::pair<std::string, torch::Tensor>> parameters;  // f32 leaves that require grad; unique names
  double lr = 0;                                                  // at the peak of the schedule
  double clip = 1.0;                                              // of this group's gradient norm; 0 = none
  double eps = 1e-15;                                             // gradients of scales can be tiny
  bool active = true;  // false: the optimizer passes over the group (and keeps its moments)
};

// Named tensors of any type (flags and counters are int64 tensors): what a resume file holds.
using StateMap = std::map<std::string, torch::Tensor>;

// The loop's order, for each step (all on one thread):
//   begin_step(info); if (needs_calibration()) { observe(true); forwards under no_grad; observe(false);
//   finish_calibration(); } forwards and backwards of the micro-batches; the optimizer, over the graph's parameters and
//   groups(); end_step(info, ...)
// Validation and export happen between end_step and the next begin_step and see the stage of the last begin_step.
class TrainHooks : public GraphHooks {
 public:
  // Chooses the stage, a pure function of `info` (so that a resumed run makes the same choices), and which groups are
  // active.
  virtual void begin_step(const StepInfo& info) = 0;
  // After the optimizer: decoupled dampening of the latents, floors of scales.  Runs under no_grad.  Parameters have
  // changed: whatever was derived from them is stale.
  virtual void end_step(const StepInfo& info, std::map<std::string, torch::Tensor>& parameters) = 0;

  // A quantizer that this stage wants has no range yet.
  virtual bool needs_calibration() const = 0;
  // While observing, forward passes also record the ranges of what they see; they compute with the quantizers that have
  // ranges.
  virtual void observe(bool on) = 0;
  virtual Status finish_calibration() = 0;

  // The same tensors at every call; `active` and `lr` may change with begin_step.
  virtual std::vector<ParameterGroup>& groups() = 0;

  // Rises by one when another kind of noise joins.  Validation scores of different stages do not compare, so the loop
  // looks for the best checkpoint afresh in each.
  virtual int stage() const = 0;
  // Numbers worth a column of the log: saturation, flips...
  virtual std::map<std::string, double> metrics() const = 0;

  // Everything a resumed run needs beyond the graph's parameters: own parameters, observers, flags, counters.
  // load_state gets what save_state gave; kCorrupt names what is missing or of the wrong shape.
  virtual void save_state(StateMap& state) const = 0;
  virtual Status load_state(const StateMap& state) = 0;

  // The deployed model: integer codes and scales, exactly what forward passes computed with.
  virtual Result<Checkpoint> export_checkpoint(const Graph& graph) const = 0;
};

// No quantization: every call falls through, the export is the graph's parameters.
class FloatHooks : public TrainHooks {
 public:
  void begin_step(const StepInfo&) override {}
  void end_step(const StepInfo&, std::map<std::string, torch::Tensor>&) override {}
  bool needs_calibration() const override { return false; }
  void observe(bool) override {}
  Status finish_calibration() override { return {}; }
  std::vector<ParameterGroup>& groups() override { return groups_; }
  int stage() const override { return 0; }
  std::map<std::string, double> metrics() const override { return {}; }
  void save_state(StateMap&) const override {}
  Status load_state(const StateMap&) override { return {}; }
  Result<Checkpoint> export_checkpoint(const Graph& graph) const override;

 private:
  std::vector<ParameterGroup> groups_;
};

}  // namespace facet::train
