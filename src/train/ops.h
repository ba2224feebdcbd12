// ops.h: the fused operators of the training graph.
// On the CPU in f32 each has hand-written forward and backward loops (gemm.h, vector_kernels.h), split over
// parallel_for by shape: results do not depend on the number of threads.  Every other device or type takes the same
// formulas composed from ATen (ops_aten.h), which the tests also use as the slow twin.  Formulas:
// spec/qat-training.md 3.
#pragma once

#include <cstdint>
#include <vector>

#include "train/torch.h"

namespace facet::train::ops {

// y_i = x w_iᵀ for several matrices that share an input.  x: [..., k]; w_i: [n_i, k].  compute: kFloat32, or kBFloat16
// to round the factors of all three products (forward, both backward) to bf16.
std::vector<torch::Tensor> linears(const torch::Tensor& x, const std::vector<torch::Tensor>& weights,
                                   torch::Dtype compute = torch::kFloat32);
torch::Tensor linear(const torch::Tensor& x, const torch::Tensor& weight, torch::Dtype compute = torch::kFloat32);

// x / sqrt(mean(x²) + eps) * weight over the last dimension; an undefined weight is all ones.
torch::Tensor rms_norm(const torch::Tensor& x, const torch::Tensor& weight, double eps);

// (residual + rms_norm(x, weight, eps)) * scale; scale: one element, or undefined for 1.
torch::Tensor add_rms_norm(const torch::Tensor& residual, const torch::Tensor& x, const torch::Tensor& weight,
                           double eps, const torch::Tensor& scale = {});

// rms_norm over heads, then rotation of the pairs (i, i + C/2) by the token's angle.  x: [B, T, H, C]; cos, sin: [T,
// C/2].
torch::Tensor rms_norm_rope(const torch::Tensor& x, const torch::Tensor& weight, double eps, const torch::Tensor& cos,
                            const torch::Tensor& sin);

// gelu_tanh(gate) * up.  Same shapes.
torch::Tensor gelu_mul(const torch::Tensor& gate, const torch::Tensor& up);

// softmax(q kᵀ) v with scale 1, causal; window > 0: a token sees that many keys, itself included.
// q: [B, T, H, C]; k, v: [B, T, K, C], K divides H.  Returns [B, T, H, C].  Scores are never stored: backward computes
// them again.
torch::Tensor attention(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v, std::int64_t window);

// One AdamW step in one pass over memory (spec/qat-training.md 13.1): all tensors f32, contiguous, of one size.
//   m = b1 m + (1-b1) g s;  v = b2 v + (1-b2) (g s)²;  w -= lr * ((m / c1) / (sqrt(v / c2) + eps) + weight_decay * w)
// s = grad_scale (clipping), c = 1 - b^steps, steps counts from 1.  Same bits for any number of threads.
struct AdamWStep {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.95, eps = 1e-8, weight_decay = 0, grad_scale = 1;
  std::int64_t steps = 1;
};
void adamw_step(torch::Tensor& value, const torch::Tensor& grad, torch::Tensor& first, torch::Tensor& second,
                const AdamWStep& step);

// The 2-norm over all elements of all tensors, squares summed in f64 in an order that only shapes decide.
double global_norm(const std::vector<torch::Tensor>& tensors);

}  // namespace facet::train::ops
