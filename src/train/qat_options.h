// qat_options.h: the knobs of quantization-aware training; reasons and starting values: spec/qat-training.md 7 and 8.
#pragma once

#include <vector>

#include "model/scheme.h"

namespace facet::train {

// Shares are of all optimizer steps.  Learning rates follow the run's schedule (warmup, decay), as the weights' own
// does.
struct QatOptions {
  Scheme scheme;                      // none: the float graph
  bool learned_q4_0_scales = false;   // Q4_0-L: block scales are parameters; otherwise ggml's live rule
  double scale_lr = 3e-3;             // of log-scales of weights: a relative step
  double activation_scale_lr = 6e-3;  // of log-scales of activations and K: twice that
  double scale_clip = 1.0;            // norm of each scale group's own gradient
  double scale_start = 0.02;          // scales of weights stand still before
  double act_start = 0.5;             // static int8 activations switch on (after a calibration)
  double kv_start = 0.75;             // int8 KV cache switches on (after a calibration)
  double freeze_at = 0.85;            // all scales stand still from here on
  double act_percentile = 99.99;      // of |x|, the first range of an activation
  bool quantize_activations = true;   // false: the weights-only arm
  bool quantize_kv = true;
  int calibration_windows = 64;  // of the training text, per calibration
  // lambda of the decoupled pull of every matrix to where it began, w -= lr * lambda * (w - w0): keeps directions in
  // which the gradient is only noise from walking away from their nearest codes (L2-SP, Li et al. 2018; docs/qat.md).
  // Costs one more f32 copy of the matrices, in memory and in the resume state.
  double anchor = 0.0;
  double dampening = 0.0;  // lambda of the decoupled pull to the grid, times progress (12.2): 0.3 is a good start
};

}  // namespace facet::train
