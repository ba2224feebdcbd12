#include "train/fake_quant.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "quant/codec.h"
#include "quant/scale_search.h"

namespace facet::train {
namespace {

using torch::Tensor;

Tensor leaf(const Tensor& t) { return t.clone().set_requires_grad(true); }

// Share of elements where a and b differ by more than rounding.
double share_different(const Tensor& a, const Tensor& b) {
  return ((a - b).abs() > 1e-5 * b.abs().max()).to(torch::kFloat64).mean().item<double>();
}

Tensor mse_log_scales(const Tensor& w, int groups, int bits) {
  std::int64_t n = w.size(0) * groups, size = w.numel() / n;
  std::vector<float> out;
  for (std::int64_t g = 0; g < n; ++g)
    out.push_back(std::log(search_group_scale({w.data_ptr<float>() + g * size, std::size_t(size)}, bits)));
  return torch::tensor(out).reshape({w.size(0), groups});
}

TEST(FakeQuant, Q4_0IsTheCodecAndPassesTheGradient) {
  torch::manual_seed(1);
  Tensor w = leaf(torch::randn({7, 64}) * 0.05), g = torch::randn({7, 64});
  Tensor y = fake_quant_q4_0(w);
  Tensor encoded = torch::empty({7, 64});
  auto codec = encode(DType::kQ4_0, {7, 64}, {w.data_ptr<float>(), std::size_t(w.numel())});
  ASSERT_TRUE(codec.ok());
  decode_rows(codec->view(), 0, 7, {encoded.data_ptr<float>(), 7 * 64});
  EXPECT_TRUE(torch::equal(y, encoded));
  y.backward(g);
  EXPECT_TRUE(torch::equal(w.grad(), g));
  EXPECT_TRUE(torch::equal(fake_quant_q4_0_aten(w), y));
}

TEST(FakeQuant, RowsAreTheCodecAndAgreeWithAten) {
  torch::manual_seed(2);
  for (int bits : {2, 4, 8}) {
    for (int groups : {1, 3}) {
      Tensor w = leaf(torch::randn({11, 96}) * 0.1), g = torch::randn({11, 96});
      Tensor log_scale = leaf(mse_log_scales(w, groups, bits));
      Tensor y = fake_quant_rows(w, log_scale, bits);
      std::vector<float> scales;
      for (std::int64_t i = 0; i < log_scale.numel(); ++i) scales.push_back(scale_of(log_scale.data_ptr<float>()[i]));
      auto codec = encode_rows(row_type_of_bits(bits), {11, 96}, {w.data_ptr<float>(), std::size_t(w.numel())}, scales);
      ASSERT_TRUE(codec.ok()) << codec.status().message();
      Tensor decoded = torch::empty({11, 96});
      decode_rows(codec->view(), 0, 11, {decoded.data_ptr<float>(), 11 * 96});
      EXPECT_TRUE(torch::equal(y, decoded)) << bits << " bits";
      y.backward(g);

      Tensor w2 = leaf(w.detach()), log2 = leaf(log_scale.detach());
      Tensor y2 = fake_quant_rows_aten(w2, log2, bits);
      y2.backward(g);
      EXPECT_LT(share_different(y, y2), 2e-3);
      EXPECT_LT(share_different(w.grad(), w2.grad()), 2e-3);
      EXPECT_TRUE(torch::allclose(log_scale.grad(), log2.grad(), 1e-2, 1e-3 * log2.grad().abs().max().item<double>()));
    }
  }
}

TEST(FakeQuant, StaticInt8AgreesWithAtenAndClips) {
  torch::manual_seed(3);
  Tensor x = leaf(torch::randn({5, 7000}) * 3), g = torch::randn({5, 7000});
  Tensor log_scale = leaf(torch::tensor(std::log(0.05f)));
  Tensor y = fake_quant_static_int8(x, log_scale);
  float s = scale_of(std::log(0.05f));
  EXPECT_FLOAT_EQ(y.max().item<float>(), 127 * s);
  EXPECT_FLOAT_EQ(y.min().item<float>(), -128 * s);
  y.backward(g);
  Tensor x2 = leaf(x.detach()), log2 = leaf(log_scale.detach());
  Tensor y2 = fake_quant_static_int8_aten(x2, log2);
  y2.backward(g);
  EXPECT_LT(share_different(y, y2), 1e-3);
  EXPECT_LT(share_different(x.grad(), x2.grad()), 1e-3);
  EXPECT_NEAR(log_scale.grad().item<float>(), log2.grad().item<float>(),
              1e-2 * std::abs(log2.grad().item<float>()) + 1e-2);
}

TEST(FakeQuant, LearnedQ4_0AgreesWithAten) {
  torch::manual_seed(4);
  Tensor w = leaf(torch::randn({6, 64}) * 0.05), g = torch::randn({6, 64});
  std::vector<float> scales, signs;
  for (int b = 0; b < 12; ++b) {
    float s = search_q4_0_scale({w.data_ptr<float>() + 32 * b, 32});
    scales.push_back(std::log(std::abs(s)));
    signs.push_back(s < 0 ? -1.0f : 1.0f);
  }
  Tensor log_scale = leaf(torch::tensor(scales)), sign = torch::tensor(signs);
  Tensor y = fake_quant_q4_0_learned(w, log_scale, sign);
  y.backward(g);
  Tensor w2 = leaf(w.detach()), log2 = leaf(log_scale.detach());
  // The same through the ATen composition, by hand: scale = half(sign * exp(log)).
  Tensor scale = (sign * torch::exp(log2.detach())).to(torch::kHalf).to(torch::kFloat32).set_requires_grad(true);
  Tensor v = w2.reshape({12, 32}) / scale.reshape({12, 1});
  Tensor c = torch::clamp(v, -8, 7);
  Tensor y2 = ((c + (torch::round(c) - c).detach()) * scale.reshape({12, 1})).reshape({6, 64});
  y2.backward(g);
  EXPECT_LT(share_different(y, y2), 1e-6);
  EXPECT_LT(share_different(w.grad(), w2.grad()), 1e-6);
  EXPECT_TRUE(torch::allclose(log_scale.grad(), scale.grad() * scale.detach(), 1e-3, 1e-5));
}

TEST(FakeQuant, ResultsDoNotDependOnTheNumberOfThreads) {
  torch::manual_seed(5);
  Tensor x = torch::randn({64, 4096}), g = torch::randn({64, 4096});
  std::vector<Tensor> grads;
  int before = at::get_num_threads();
  for (int threads : {1, 2}) {
    at::set_num_threads(threads);
    Tensor log_scale = leaf(torch::tensor(-4.0f)), in = leaf(x);
    fake_quant_static_int8(in, log_scale).backward(g);
    grads.push_back(log_scale.grad());
  }
  at::set_num_threads(before);
  EXPECT_TRUE(torch::equal(grads[0], grads[1]));
}

}  // namespace
}  // namespace facet::train
