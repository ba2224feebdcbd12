// checkpoint_block.h: activation checkpointing: keep a block's inputs, run it again in backward.
#pragma once

#include <functional>
#include <vector>

#include "train/torch.h"

namespace facet::train {

// A block as a function of its float inputs; parameters it captures receive their gradients through .grad.  Must be a
// pure function: it runs once now without recording, and once more, recording, when its outputs' gradients are known.
using Block = std::function<std::vector<torch::Tensor>(const std::vector<torch::Tensor>&)>;

std::vector<torch::Tensor> run_checkpointed(Block block, const std::vector<torch::Tensor>& inputs);

}  // namespace facet::train
