// The engine on block-quantized and mobile weights.
#include <gtest/gtest.h>

#include <cstring>

#include "base/half.h"
#include "engine/engine_testing.h"
#include "quant/static_int8.h"

namespace facet {
namespace {

using namespace facet::engine_test;

constexpr int kTokens = 33;

// One rounding to 8 bits is about 0.4 % of a product, and these random layers pass it on tenfold.  Where it changes the
// choice between two experts of nearly equal weight, a whole expert is exchanged.
double bound_of_8_bits(const GemmaConfig& config) { return config.has_moe() ? 0.25 : 0.1; }

TEST(QuantizedSession, FloatActivationsEqualTheReferenceOnDecodedWeights) {
  FACET_FOR_EACH_TINY(tiny, 32) {
    const std::vector<int> tokens = random_tokens(tiny.config, 20);
    for (DType type : {DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0}) {
      const Checkpoint c = encoded(calm_random_checkpoint(tiny.config, 11), type);
      const Model model = *Model::bind(c);
      const std::vector<double> expected = reference_logits(c, tokens);
      FACET_FOR_EACH_ISA(kernels) {
        const auto logits = engine_logits(model, tokens, {.max_batch = 16, .float_activations = true}, *kernels);
        EXPECT_LT(relative_rms(logits, expected), 2e-5) << info(type).name;
      }
    }
  }
}

TEST(QuantizedSession, Q8ActivationsStayClose) {
  FACET_FOR_EACH_TINY(tiny, 32) {
    const std::vector<int> tokens = random_tokens(tiny.config, 20);
    for (DType type : {DType::kQ8_0, DType::kQ4_0}) {
      const Checkpoint c = encoded(calm_random_checkpoint(tiny.config, 12), type);
      const Model model = *Model::bind(c);
      const std::vector<double> expected = reference_logits(c, tokens);
      FACET_FOR_EACH_ISA(kernels) {
        const double error = relative_rms(engine_logits(model, tokens, {.max_batch = 16}, *kernels), expected);
        EXPECT_LT(error, bound_of_8_bits(tiny.config)) << info(type).name;
        EXPECT_GT(error, 1e-3) << info(type).name << ": were activations quantized at all?";
      }
    }
  }
}

// Rows of 256 and more: what llama.cpp keeps embeddings, heads and whole models in.
TEST(QuantizedSession, LongBlocksInTablesAndMatrices) {
  const GemmaConfig config = tiny_e(128);
  const std::vector<int> tokens = random_tokens(config, 12);
  for (DType type : {DType::kQ4_K, DType::kQ6_K}) {
    const Checkpoint c = encoded(calm_random_checkpoint(config, 11), type);
    ASSERT_EQ(c.tensors.at("embed_tokens.weight").dtype, type);
    const Model model = *Model::bind(c);
    const std::vector<double> expected = reference_logits(c, tokens);
    FACET_FOR_EACH_ISA(kernels) {
      EXPECT_LT(relative_rms(engine_logits(model, tokens, {.float_activations = true}, *kernels), expected), 2e-5)
          << info(type).name;
      const double error = relative_rms(engine_logits(model, tokens, {}, *kernels), expected);
      EXPECT_LT(error, bound_of_8_bits(config)) << info(type).name;
      EXPECT_GT(error, 1e-3) << info(type).name;
    }
  }
}

// Types that only other people's files hold: multiplied as the floats they decode to.
TEST(QuantizedSession, BlocksWithoutKernels) {
  const GemmaConfig config = tiny_e(128);
  const std::vector<int> tokens = random_tokens(config, 12);
  // Where a block's halves lie: its scale and, perhaps, the unit of its minima.
  const std::map<DType, std::vector<int>> halves{{DType::kQ4_1, {0, 2}}, {DType::kQ5_0, {0}},
                                                 {DType::kQ5_1, {0, 2}}, {DType::kQ2_K, {80, 82}},
                                                 {DType::kQ3_K, {108}},  {DType::kQ5_K, {0, 2}}};
  for (const auto& [type, places] : halves) {
    Checkpoint c = calm_random_checkpoint(config, 11);
    Rng rng(17);
    for (const TensorSpec& spec : tensor_specs(config)) {
      if (!spec.is_matrix || spec.role == Role::kRouter || !row_bytes(type, spec.shape.back())) continue;
      Tensor t = Tensor::zeros(type, spec.shape);
      for (std::byte& b : t.bytes) b = static_cast<std::byte>(rng.below(256));
      const auto size = static_cast<std::size_t>(info(type).block_bytes);
      for (std::size_t at = 0; at < t.bytes.size(); at += size)
        for (int place : places) {
          const Half h = to_half((place % 4 == 2 ? 2e-4f : 2e-3f) * rng.normal());
          std::memcpy(t.bytes.data() + at + static_cast<std::size_t>(place), &h, sizeof h);
        }
      c.set(spec.name, std::move(t));
    }
    const Model model = *Model::bind(c);
    const std::vector<double> expected = reference_logits(c, tokens);
    FACET_FOR_EACH_ISA(kernels) {
      EXPECT_LT(relative_rms(engine_logits(model, tokens, {}, *kernels), expected), 2e-5) << info(type).name;
    }
  }
}

// Linears with a scale for each group of columns become blocks where the scales are halves, floats where not.
TEST(QuantizedSession, GroupsOfColumns) {
  const GemmaConfig config = tiny_k_eq_v_dense(64);
  const std::vector<int> tokens = random_tokens(config, 20);
  for (int group : {32, 64})
    for (bool halves : {true, false}) {
      Checkpoint c = calm_random_checkpoint(config, 14);
      for (const TensorSpec& spec : tensor_specs(config)) {
        if (!is_linear(spec.role)) continue;
        const Tensor values = decode(c.tensors.at(spec.name));
        std::vector<float> scales;
        for (std::size_t at = 0; at < values.floats().size(); at += static_cast<std::size_t>(group)) {
          const float scale = absmax_group_scale(values.floats().subspan(at, static_cast<std::size_t>(group)), 4);
          scales.push_back(halves ? to_float(to_half(scale)) : scale);
        }
        c.set(spec.name, *encode_rows(DType::kI4Row, spec.shape, values.floats(), scales));
      }
      const Model model = *Model::bind(c);
      EXPECT_EQ(model.layers()[0].q.dtype, halves ? DType::kQ4_0 : DType::kF32);
      const std::vector<double> expected = reference_logits(c, tokens);
      FACET_FOR_EACH_ISA(kernels) {
        EXPECT_LT(relative_rms(engine_logits(model, tokens, {.float_activations = true}, *kernels), expected), 2e-5);
      }
    }
}

// Each product of the integer path by itself, where nothing is chaotic: what was observed going in, through the
// format's definition, must be what was observed coming out.
TEST(QuantizedSession, MobileProductsAreTheFormatsDefinition) {
  FACET_FOR_EACH_TINY(tiny, 32) {
    const std::vector<int> tokens = random_tokens(tiny.config, kTokens);
    const Checkpoint c = mobile(calm_random_checkpoint(tiny.config, 13), tokens);
    const Model model = *Model::bind(c);
    ThreadPool pool(1);
    FACET_FOR_EACH_ISA(kernels) {
      Session session = *Session::create(model, pool, {.max_batch = 16}, *kernels);
      std::map<std::string, std::vector<float>> last_input;
      std::vector<const Linear*> inputs;  // in the order their outputs will come
      std::map<std::string, Tensor> decoded;
      int checked = 0;
      session.set_linear_observer([&](const Linear& w, const float* x, int n) {
        inputs.push_back(&w);
        last_input[w.module].assign(x, x + std::int64_t{n} * w.cols);
      });
      session.set_site_observer([&](const std::string& site, const float* y, std::int64_t n) {
        const std::size_t suffix = site.rfind(".output");
        if (suffix == std::string::npos) return;
        const std::string module = site.substr(0, suffix);
        const auto at =
            std::find_if(inputs.begin(), inputs.end(), [&](const Linear* w) { return w->module == module; });
        ASSERT_NE(at, inputs.end());
        const Linear& w = **at;
        inputs.erase(at);
        if (!has_row_scales(w.dtype) || w.input_scale == 0) return;
        auto [weights, fresh] = decoded.try_emplace(w.name);
        if (fresh) weights->second = decode(c.tensors.at(w.name));
        const float* rows = weights->second.floats().data() + std::int64_t{std::max(0, w.expert)} * w.rows * w.cols;
        std::vector<float> x = last_input[module];
        fake_quantize_static_int8(x, w.input_scale, x);
        for (std::int64_t i = 0; i < n; ++i) {
          const float *xt = x.data() + i / w.rows * w.cols, *wr = rows + i % w.rows * w.cols;
          double sum = 0, size = 0;
          for (int j = 0; j < w.cols; ++j) sum += double(xt[j]) * wr[j], size += std::abs(double(xt[j]) * wr[j]);
          ASSERT_NEAR(y[i], sum, 1e-6 * size + 1e-12) << module << " " << i;
          ++checked;
        }
      });
      ASSERT_TRUE(session.evaluate(tokens, Session::Logits::kNone, {}).ok());
      EXPECT_GT(checked, 1000);
    }
  }
}

TEST(QuantizedSession, MobileEqualsTheFakeQuantizedReferenceWithinItsSelfNoise) {
  FACET_FOR_EACH_TINY(tiny) {
    const std::vector<int> tokens = random_tokens(tiny.config, kTokens);
    const Checkpoint c = mobile(calm_random_checkpoint(tiny.config, 14), tokens);
    const Model model = *Model::bind(c);
    const std::vector<double> expected = reference_logits(c, tokens);
    const std::vector<double> smooth =
        reference_logits(c, tokens, {.linear_scales = false, .cache_scales = false, .trace = {}});
    const double noise = self_noise(c, tokens);
    FACET_FOR_EACH_ISA(kernels) {
      auto logits = [&](SessionOptions o) { return engine_logits(model, tokens, o, *kernels); };
      EXPECT_LT(relative_rms(logits({.max_batch = 16}), expected), 2 * noise);
      EXPECT_LT(relative_rms(logits({.max_batch = 16, .float_activations = true}), expected), 2 * noise);
      // The bound separates: without the clamps the engine is far from it, and is the reference without clamps.
      const std::vector<float> unclamped = logits({.max_batch = 16, .ignore_static_scales = true});
      EXPECT_GT(relative_rms(unclamped, expected), 4 * noise);
      EXPECT_LT(relative_rms(unclamped, smooth), 2e-5);
    }
  }
}

TEST(QuantizedSession, Int8CacheAloneIsTheReferencesAndStaysClose) {
  FACET_FOR_EACH_TINY(tiny, 32) {
    const std::vector<int> tokens = random_tokens(tiny.config, 20);
    Checkpoint c = calm_random_checkpoint(tiny.config, 15);
    c.cache_scales = mobile(c, tokens).cache_scales;
    const Model model = *Model::bind(c);
    const std::vector<double> expected = reference_logits(c, tokens);
    const std::vector<double> smooth = reference_logits(c, tokens, {.cache_scales = false, .trace = {}});
    const double noise = self_noise(c, tokens);
    FACET_FOR_EACH_ISA(kernels) {
      const auto int8 = engine_logits(model, tokens, {.max_batch = 16}, *kernels);  // kAuto: the model has scales
      EXPECT_LT(relative_rms(int8, expected), 2 * noise + 2e-5);
      EXPECT_LT(relative_rms(int8, smooth), bound_of_8_bits(tiny.config));
      EXPECT_GT(relative_rms(int8, smooth), 1e-4);
      EXPECT_LT(relative_rms(engine_logits(model, tokens, {.kv = KvType::kF32}, *kernels), smooth), 2e-5);
    }
  }
}

// One side of a layer's cache may stay float.
TEST(QuantizedSession, AScaleOfZeroMeansFloat) {
  const GemmaConfig config = tiny_e(8);
  const std::vector<int> tokens = random_tokens(config, kTokens);
  Checkpoint c = calm_random_checkpoint(config, 16);
  c.cache_scales = mobile(c, tokens).cache_scales;
  for (auto& s : c.cache_scales) s.k = 0;
  const double error = relative_rms(engine_logits(*Model::bind(c), tokens, {}), reference_logits(c, tokens));
  EXPECT_LT(error, 2 * self_noise(c, tokens) + 2e-5);
}

}  // namespace
}  // namespace facet
