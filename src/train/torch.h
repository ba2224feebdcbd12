// torch.h: the part of libtorch that the trainer uses: tensors and autograd.
// Not <torch/torch.h>: that header takes three times as long to compile (31 s against 12 s a file, g++ 12) for its nn
// and data modules.
#pragma once

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/generated/variable_factories.h>
#include <torch/types.h>
#include <torch/utils.h>
