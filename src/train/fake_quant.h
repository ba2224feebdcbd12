// fake_quant.h: the fake quantizers of quant/ as autograd functions (spec/qat-training.md Q2, Q5, Q8, Q10-Q13).
// On the CPU they call quant/ and nothing else, so that what training sees is what the exporter writes.  On other
// devices the same arithmetic is composed from ATen; a test holds both to the same bits. Scales are learned as
// logarithms: an Adam step of size a is then a relative step of a, and a scale stays positive.
#pragma once

#include "train/torch.h"

namespace facet::train {

// ggml's live rule; the gradient passes unchanged (nothing but the extremum's mirror image can saturate).  w: [..., 32
// * n].
torch::Tensor fake_quant_q4_0(const torch::Tensor& w);

// Learned scales, one per block of 32: scale = half(sign * exp(log_scale)).  log_scale, sign: [numel / 32].
// Backward: masked for w, LSQ for log_scale.
torch::Tensor fake_quant_q4_0_learned(const torch::Tensor& w, const torch::Tensor& log_scale,
                                      const torch::Tensor& sign);

// Rows of int2/int4/int8: w [..., cols] with log_scale [rows, groups] (rows = numel / cols, cols divisible by groups).
// Masked gradient for w, LSQ for log_scale.
torch::Tensor fake_quant_rows(const torch::Tensor& w, const torch::Tensor& log_scale, int bits);

// Rounding to bfloat16, gradient unchanged.
torch::Tensor fake_quant_bf16(const torch::Tensor& w);

// Static int8 of an activation, one scale: log_scale is 0-dimensional.
torch::Tensor fake_quant_static_int8(const torch::Tensor& x, const torch::Tensor& log_scale);

// The same functions composed from ATen, for devices without our kernels; public for the test.
torch::Tensor fake_quant_q4_0_aten(const torch::Tensor& w);
torch::Tensor fake_quant_rows_aten(const torch::Tensor& w, const torch::Tensor& log_scale, int bits);
torch::Tensor fake_quant_static_int8_aten(const torch::Tensor& x, const torch::Tensor& log_scale);

// exp on the host, the one conversion from a learned logarithm to the deployed scale; training and export both call it.
float scale_of(float log_scale);

}  // namespace facet::train
