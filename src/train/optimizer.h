// optimizer.h: AdamW (spec/qat-training.md 13.1) over the graph's parameters and the hooks' own groups.
#pragma once

#include "train/torch.h"

#include <map>
#include <string>
#include <vector>

#include "facet/status.h"
#include "train/train_hooks.h"

namespace facet::train {

struct AdamOptions {
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-8;
  double weight_decay = 0;  // of the tensors that ask for it
  double clip = 1.0;        // of the norm over all graph gradients; 0 = none
};

// A parameter of the graph that trains.
struct TrainedTensor {
  std::string name;
  torch::Tensor value;    // f32 leaf
  double multiplier = 1;  // of the learning rate
  bool decays = false;
};

struct OptimizerReport {
  double grad_norm = 0;                       // of the graph's parameters, before clipping
  std::map<std::string, double> group_norms;  // of the hooks' active groups
  bool finite = true;                         // false: a norm was not; nothing was changed
};

// Reads the .grad of each tensor (absent = zero).  Moments are kept by name; a group that is not active keeps its
// moments and its step count (bias correction counts the steps a tensor took part in).
class Optimizer {
 public:
  Optimizer(AdamOptions options, std::vector<TrainedTensor> tensors);
  // lr: of a multiplier of 1.  lr_fraction: what the groups' own rates are multiplied with.
  OptimizerReport step(double lr, double lr_fraction, std::vector<ParameterGroup>& groups);
  // Gradients of everything that trains, allocated where absent; what processes sum over.
  std::vector<torch::Tensor> gradients(std::vector<ParameterGroup>& groups);
  void clear_gradients(std::vector<ParameterGroup>& groups);
  const std::vector<TrainedTensor>& tensors() const { return tensors_; }

  void save_state(StateMap& state) const;
  // kCorrupt names a moment that is missing or of the wrong shape.
  Status load_state(const StateMap& state, const std::vector<ParameterGroup>& groups);

 private:
  struct Moments {
    torch::Tensor first, second;  // f32, the tensor's shape
    std::int64_t steps = 0;
  };
  void update(const std::string& name, torch::Tensor& value, double lr, double eps, double weight_decay,
              double grad_scale);
  AdamOptions options_;
  std::vector<TrainedTensor> tensors_;
  std::map<std::string, Moments> moments_;
};

}  // namespace facet::train
