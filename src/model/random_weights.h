// random_weights.h: how the random weights of tests and benches are spread.
#pragma once

#include "model/tensor_spec.h"

namespace facet {

// Mean and spread of each kind of tensor, near what trained models show; matrices keep the variance of their input.
struct Distribution {
  float mean, deviation;
};
Distribution distribution_of(const TensorSpec& spec);
// Factor on the weights of this tensor that damps a model as training does: see calm_random_checkpoint().
float calming_factor(const TensorSpec& spec);

}  // namespace facet
