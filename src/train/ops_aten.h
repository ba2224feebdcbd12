// ops_aten.h: the operators of ops.h composed from plain ATen, for devices and types without our loops, and as the slow
// twin that the tests hold the fast ones against (in f64, where finite differences are sharp).  Same arguments, same
// meaning.
#pragma once

#include <cstdint>
#include <vector>

#include "train/torch.h"

namespace facet::train::aten {

torch::Tensor linear(const torch::Tensor& x, const torch::Tensor& weight, torch::Dtype compute);
torch::Tensor rms_norm(const torch::Tensor& x, const torch::Tensor& weight, double eps);
torch::Tensor add_rms_norm(const torch::Tensor& residual, const torch::Tensor& x, const torch::Tensor& weight,
                           double eps, const torch::Tensor& scale);
torch::Tensor rms_norm_rope(const torch::Tensor& x, const torch::Tensor& weight, double eps, const torch::Tensor& cos,
                            const torch::Tensor& sin);
torch::Tensor gelu_mul(const torch::Tensor& gate, const torch::Tensor& up);
torch::Tensor attention(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v, std::int64_t window);

}  // namespace facet::train::aten
