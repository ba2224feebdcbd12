// activation_scales.h: the static int8 scales of the mobile scheme, from what a weight-quantized model's activations
// look like.
#pragma once

#include "base/thread_pool.h"
#include "model/checkpoint.h"
#include "ptq/quantize.h"

namespace facet {

// Fills activation_scales (input and output of every linear whose weight has a row type, the head excepted: the
// released files leave it float) and cache_scales (keys as calibrated per layer, values 6/127 everywhere: they are
// RMS-normalised without a weight, so six sigma is a range that needs no data).  kCorrupt names a site with activations
// that are not finite.
Status calibrate_activations(Checkpoint& checkpoint, const PtqOptions& options, ThreadPool& pool);

}  // namespace facet
