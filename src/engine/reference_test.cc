// The reference against the law, formula by formula, where a mistake would hide from a comparison of logits.
#include "engine/reference.h"

#include <gtest/gtest.h>

#include <numeric>

#include "engine/engine_testing.h"

namespace facet {
namespace {

using namespace facet::engine_test;
using Vec = std::vector<double>;

// Everything one run shows: trace["layers.2.k"][position].
using Trace = std::map<std::string, std::map<int, Vec>>;

struct Traced {
  std::vector<double> logits;
  Trace trace;
};

Traced run(const Checkpoint& c, const std::vector<int>& tokens) {
  Traced out;
  ReferenceOptions options;
  options.trace = [&](const std::string& name, int position, std::span<const double> values) {
    out.trace[name][position] = Vec(values.begin(), values.end());
  };
  out.logits = Reference(c, options).logits(tokens);
  return out;
}

Vec times(const Checkpoint& c, const std::string& name, const Vec& x) {
  const Tensor w = decode(c.tensors.at(name));
  Vec y;
  for (std::size_t r = 0; r < w.floats().size() / x.size(); ++r)
    y.push_back(std::inner_product(x.begin(), x.end(), w.floats().begin() + r * x.size(), 0.0));
  return y;
}

double rms_of(const Vec& x) { return std::sqrt(std::inner_product(x.begin(), x.end(), x.begin(), 0.0) / x.size()); }

// A copy with one tensor multiplied: small activations make eps count, and with it every constant before a norm.
Checkpoint scaled(Checkpoint c, const std::string& name, float factor) {
  Tensor t = decode(c.tensors.at(name));
  for (float& v : t.floats()) v *= factor;
  c.set(name, std::move(t));
  return c;
}

TEST(Reference, TheSoftcapIsAppliedLast) {
  Checkpoint c = calm_random_checkpoint(tiny_e(), 1);
  const std::vector<int> tokens = random_tokens(c.config, 5);
  c.config.logit_softcap = 0.5f;  // far down the curve, where a missing cap shows
  const Traced capped = run(c, tokens);
  for (int t = 0; t < 5; ++t)
    for (int v = 0; v < c.config.vocab_size; ++v)
      ASSERT_NEAR(capped.logits[t * c.config.vocab_size + v],
                  0.5 * std::tanh(capped.trace.at("raw_logits").at(t)[v] / 0.5), 1e-12);
  c.config.logit_softcap = 0;
  const Traced raw = run(c, tokens);
  EXPECT_EQ(raw.logits[3], raw.trace.at("raw_logits").at(0)[3]);
}

TEST(Reference, PerLayerInputsKeepEveryConstant) {
  const std::string projection = "per_layer_model_projection.weight";
  const Checkpoint c = scaled(calm_random_checkpoint(tiny_e(), 2), projection, 1e-3f);
  const std::vector<int> tokens = random_tokens(c.config, 6);
  const Traced r = run(c, tokens);
  const int d = c.config.hidden_size, p = c.config.ple_size;
  const Tensor embedding = decode(c.tensors.at("embed_tokens.weight"));
  const Tensor table = decode(c.tensors.at("embed_tokens_per_layer.weight"));
  const Tensor norm = decode(c.tensors.at("per_layer_projection_norm.weight"));
  for (int t = 0; t < 6; ++t) {
    const Vec& x0 = r.trace.at("embedding").at(t);
    for (int i = 0; i < d; ++i) ASSERT_NEAR(x0[i], embedding.floats()[tokens[t] * d + i] * std::sqrt(double(d)), 1e-12);
    Vec context = times(c, projection, x0);  // from the scaled embedding
    for (int l = 0; l < c.config.n_layers(); ++l) {
      Vec slice(context.begin() + l * p, context.begin() + (l + 1) * p);
      for (double& v : slice) v /= std::sqrt(double(d));
      const double mean_square = rms_of(slice) * rms_of(slice);
      ASSERT_LT(mean_square, 1e-4);  // else eps hides what is tested here
      for (int i = 0; i < p; ++i) {
        const double token_part =
            table.floats()[(std::int64_t{tokens[t]} * c.config.n_layers() + l) * p + i] * std::sqrt(double(p));
        const double context_part = slice[i] / std::sqrt(mean_square + 1e-6) * norm.floats()[i];
        ASSERT_NEAR(r.trace.at("layers." + std::to_string(l) + ".ple").at(t)[i],
                    (context_part + token_part) / std::sqrt(2.0), 1e-9);
      }
    }
  }
}

TEST(Reference, GeluIsTheTanhForm) {
  const Checkpoint c = calm_random_checkpoint(tiny_e(), 3);
  const Traced r = run(c, random_tokens(c.config, 4));
  double largest_difference = 0;
  for (int t = 0; t < 4; ++t) {
    const Vec gate = times(c, "layers.1.per_layer_input_gate.weight", r.trace.at("layers.1.after_ffn").at(t));
    for (std::size_t i = 0; i < gate.size(); ++i) {
      const double z = gate[i], ple = r.trace.at("layers.1.ple").at(t)[i];
      const double tanh_form = 0.5 * z * (1 + std::tanh(0.7978845608028654 * (z + 0.044715 * z * z * z)));
      const double erf_form = 0.5 * z * (1 + std::erf(z / std::sqrt(2.0)));
      ASSERT_NEAR(r.trace.at("layers.1.ple_gated").at(t)[i], tanh_form * ple, 1e-10);
      largest_difference = std::max(largest_difference, std::abs((tanh_form - erf_form) * ple));
    }
  }
  EXPECT_GT(largest_difference, 1e-6);
}

TEST(Reference, RoutingWeightsAreRenormalisedBeforeTheExpertsScales) {
  const Checkpoint c = calm_random_checkpoint(tiny_moe(), 4);
  const Traced r = run(c, random_tokens(c.config, 10));
  for (int l = 0; l < c.config.n_layers(); ++l) {
    const std::string layer = "layers." + std::to_string(l);
    for (int t = 0; t < 10; ++t) {
      const Vec& x = r.trace.at(layer + ".after_attention").at(t);
      const Tensor scale = decode(c.tensors.at(layer + ".router.scale"));
      Vec u;
      for (std::size_t i = 0; i < x.size(); ++i)
        u.push_back(x[i] / std::sqrt(rms_of(x) * rms_of(x) + 1e-6) * scale.floats()[i] / std::sqrt(double(x.size())));
      const Vec logits = times(c, layer + ".router.proj.weight", u);
      std::vector<int> order(logits.size());
      std::iota(order.begin(), order.end(), 0);
      std::sort(order.begin(), order.end(), [&](int a, int b) { return logits[a] > logits[b]; });
      double sum = 0;
      for (int i = 0; i < c.config.n_experts_used; ++i) sum += std::exp(logits[order[i]]);
      for (int i = 0; i < c.config.n_experts; ++i)
        ASSERT_NEAR(r.trace.at(layer + ".routing").at(t)[order[i]],
                    i < c.config.n_experts_used ? std::exp(logits[order[i]]) / sum : 0.0, 1e-9);
    }
  }
}

TEST(Reference, ValuesHaveUnitRmsAndComeFromTheRawProjection) {
  for (const NamedConfig& tiny : tiny_configs()) {
    const Checkpoint c = calm_random_checkpoint(tiny.config, 5);
    const Traced r = run(c, random_tokens(tiny.config, 3));
    for (int l = 0; l < tiny.config.n_layers(); ++l) {
      if (!tiny.config.owns_kv(l)) continue;
      const std::string layer = "layers." + std::to_string(l);
      const int size = tiny.config.head_size_of(l);
      const Vec& x =
          l == 0 ? r.trace.at("embedding").at(2) : r.trace.at("layers." + std::to_string(l - 1) + ".out").at(2);
      const Tensor weight = decode(c.tensors.at(layer + ".input_layernorm.weight"));
      Vec a;
      for (std::size_t i = 0; i < x.size(); ++i)
        a.push_back(x[i] / std::sqrt(rms_of(x) * rms_of(x) + 1e-6) * weight.floats()[i]);
      const char* source = tiny.config.has_v_proj(l) ? ".self_attn.v_proj.weight" : ".self_attn.k_proj.weight";
      const Vec raw = times(c, layer + source, a);
      const Vec& v = r.trace.at(layer + ".v").at(2);
      for (int h = 0; h < tiny.config.n_kv_heads_of(l); ++h) {
        const Vec head(raw.begin() + h * size, raw.begin() + (h + 1) * size);
        for (int i = 0; i < size; ++i)
          ASSERT_NEAR(v[h * size + i], head[i] / std::sqrt(rms_of(head) * rms_of(head) + 1e-6), 1e-9) << tiny.name << l;
      }
    }
  }
}

TEST(Reference, GlobalRopeTurnsAQuarterOfThePairsOverTheWholeHead) {
  GemmaConfig config = tiny_k_eq_v_dense();
  config.layers = {LayerKind::kGlobal};
  const Checkpoint c = calm_random_checkpoint(config, 6);
  const Traced r = run(c, std::vector<int>(7, 5));  // one token everywhere: only the rotation differs
  const int size = config.global_head_size, half = size / 2, turning = size / 8;
  const Vec& at_zero = r.trace.at("layers.0.q").at(0);
  for (int t = 1; t < 7; ++t) {
    const Vec& q = r.trace.at("layers.0.q").at(t);
    for (int h = 0; h < config.n_heads; ++h) {
      for (int i = 0; i < half; ++i) {
        const double a = at_zero[h * size + i], b = at_zero[h * size + i + half];
        const double angle = i < turning ? t * std::pow(1e6, -2.0 * i / size) : 0.0;
        ASSERT_NEAR(q[h * size + i], a * std::cos(angle) - b * std::sin(angle), 1e-9);
        ASSERT_NEAR(q[h * size + i + half], b * std::cos(angle) + a * std::sin(angle), 1e-9);
      }
    }
  }
}

TEST(Reference, AWindowHoldsWKeysTheTokenItselfIncluded) {
  const Checkpoint c = calm_random_checkpoint(tiny_e(), 7);
  const int w = c.config.sliding_window;
  ASSERT_FALSE(c.config.is_global(0));
  std::vector<int> tokens = random_tokens(c.config, 2 * w);
  const Vec before = run(c, tokens).trace.at("layers.0.mixed").at(2 * w - 1);
  tokens[w - 1] ^= 1;  // at distance W
  EXPECT_EQ(run(c, tokens).trace.at("layers.0.mixed").at(2 * w - 1), before);
  tokens[w] ^= 1;  // at distance W - 1
  EXPECT_NE(run(c, tokens).trace.at("layers.0.mixed").at(2 * w - 1), before);
}

// The engine where eps counts, and what it multiplies inside a layer.
TEST(Reference, TheEngineAgreesWhereNormsHideMistakes) {
  struct Case {
    GemmaConfig config;
    std::string tensor, observed, traced;
  };
  for (const Case& test : {Case{tiny_e(), "per_layer_model_projection.weight", "per_layer_projection", "ple_gated"},
                           Case{tiny_e(), "layers.0.per_layer_projection.weight", "per_layer_projection", "ple_gated"},
                           Case{tiny_moe(), "layers.0.experts.down_proj", "self_attn.o_proj", "mixed"},
                           Case{tiny_everything(), "layers.2.self_attn.k_proj.weight", "self_attn.o_proj", "mixed"}}) {
    SCOPED_TRACE(test.tensor);
    const Checkpoint c = scaled(calm_random_checkpoint(test.config, 8), test.tensor, 1e-3f);
    const std::vector<int> tokens = random_tokens(c.config, 12);
    const Traced expected = run(c, tokens);
    const Model model = *Model::bind(c);
    for (const kernels::Table* kernels : kernels::runnable()) {
      ThreadPool pool(1);
      Session session = *Session::create(model, pool, {}, *kernels);
      int seen = 0;
      session.set_linear_observer([&](const Linear& w, const float* x, int n) {
        for (int l = 0; l < c.config.n_layers(); ++l) {
          const std::string layer = "layers." + std::to_string(l) + ".";
          if (w.module != layer + test.observed) continue;
          for (int t = 0; t < n; ++t) {
            EXPECT_LT(relative_rms(std::span(x + t * w.cols, w.cols), expected.trace.at(layer + test.traced).at(t)),
                      2e-5);
            ++seen;
          }
        }
      });
      EXPECT_LT(relative_rms(evaluate_in_calls(session, tokens, {12}), expected.logits), 2e-5) << kernels->name;
      EXPECT_EQ(seen, 12 * c.config.n_layers());
    }
  }
}

}  // namespace
}  // namespace facet
