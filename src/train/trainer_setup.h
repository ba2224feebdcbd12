// trainer_setup.h: from settings to the parts of a run; shared by train() and bench_train().
#pragma once

#include <string>

#include "facet/status.h"
#include "train/distributed.h"
#include "train/graph.h"
#include "train/train_config.h"

namespace facet::train {

// Threads of libtorch, the device of this process.  kUnsupported: cuda without a GPU or in a build without it.
Result<GraphOptions> set_up_device(const TrainConfig& config, const ProcessPlace& place);

// config.init loaded, or fresh weights for config.model.
Result<Graph> make_student(const TrainConfig& config, const GraphOptions& options);

}  // namespace facet::train
