// drafter_testing.h: a drafter as plain loops in f64, beside reference.h, for the tests of drafter.h.  Tests only.
// Law: docs/model/drafters.md.
#pragma once

#include <map>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "engine/engine_testing.h"
#include "model/drafter.h"

namespace facet::engine_test {

// Chains steps from a model's own keys, values and hidden states, as the model's Reference computes them.
class DrafterReference {
 public:
  using Vec = std::vector<double>;

  // tokens: what the model has evaluated.
  DrafterReference(const Checkpoint& drafter, const Checkpoint& target, std::span<const int> tokens)
      : c_(drafter.config), target_(target.config), ordering_(drafter.token_ordering), n_(int(tokens.size())) {
    for (const TensorSpec& spec : tensor_specs(c_)) weights_[spec.name] = decode(drafter.tensors.at(spec.name));
    embedding_ = decode(target.tensors.at("embed_tokens.weight"));
    ReferenceOptions options;
    options.trace = [&](const std::string& name, int, std::span<const double> values) {
      traced_[name].emplace_back(values.begin(), values.end());
    };
    Reference(target, options).logits(tokens);
    hidden = traced_.at("hidden").back();
  }

  Vec hidden, logits;  // of the last step

  // What a round's next step gives for `token`.
  void step(int token) {
    const int width = target_.hidden_size;
    Vec u;
    for (int i = 0; i < width; ++i)
      u.push_back(std::sqrt(double(width)) * double(embedding_.floats()[std::size_t(token) * width + i]));
    u.insert(u.end(), hidden.begin(), hidden.end());
    Vec x = multiply("pre_projection.weight", u);
    for (int l = 0; l < c_.n_layers(); ++l) layer(l, x);
    const Vec z = norm(x, "norm.weight");
    hidden = multiply("post_projection.weight", z);
    const Vec all = multiply("embed_tokens.weight", z);
    logits = all;
    if (c_.n_clusters == 0) return;
    const Vec scores = multiply("masked_embedding.centroids.weight", z);
    std::vector<int> order(scores.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return scores[a] > scores[b]; });
    logits.assign(all.size(), -INFINITY);
    for (int i = 0; i < c_.n_clusters_used; ++i)
      for (int j = 0; j < c_.cluster_size(); ++j) {
        const int id = ordering_[std::size_t(order[i]) * c_.cluster_size() + j];
        logits[id] = all[id];
      }
  }

 private:
  std::span<const float> weight(const std::string& name) const { return weights_.at(name).floats(); }
  Vec multiply(const std::string& name, const Vec& x) const {
    const std::span<const float> w = weight(name);
    Vec y(w.size() / x.size());
    for (std::size_t r = 0; r < y.size(); ++r) y[r] = std::inner_product(x.begin(), x.end(), &w[r * x.size()], 0.0);
    return y;
  }
  Vec norm(Vec x, const std::string& name) const {
    const double mean = std::inner_product(x.begin(), x.end(), x.begin(), 0.0) / double(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) x[i] *= weight(name)[i] / std::sqrt(mean + double(c_.rms_eps));
    return x;
  }

  void layer(int l, Vec& x) const {
    const std::string name = "layers." + std::to_string(l) + ".";
    const int size = c_.head_size_of(l), donor = drafter_donor(target_, c_.layers[l]);
    const auto& keys = traced_.at("layers." + std::to_string(donor) + ".k");
    const auto& values = traced_.at("layers." + std::to_string(donor) + ".v");
    const Vec q = multiply(name + "self_attn.q_proj.weight", norm(x, name + "input_layernorm.weight"));
    const std::vector<double> frequencies = c_.rope_frequencies(l);
    const int first = c_.is_global(l) ? 0 : std::max(0, n_ - c_.sliding_window + 1);
    Vec mixed;
    for (int h = 0; h < c_.n_heads; ++h) {
      Vec head = norm(Vec(q.begin() + h * size, q.begin() + (h + 1) * size), name + "self_attn.q_norm.weight");
      for (int i = 0; i < size / 2; ++i) {
        const double angle = n_ * frequencies[i], a = head[i], b = head[i + size / 2];
        head[i] = a * std::cos(angle) - b * std::sin(angle);
        head[i + size / 2] = b * std::cos(angle) + a * std::sin(angle);
      }
      const int at = h / (c_.n_heads / c_.n_kv_heads_of(l)) * size;
      Vec share, mix(size);
      for (int j = first; j < n_; ++j)
        share.push_back(std::exp(std::inner_product(head.begin(), head.end(), &keys[j][at], 0.0)));
      const double sum = std::accumulate(share.begin(), share.end(), 0.0);
      for (int j = first; j < n_; ++j)
        for (int i = 0; i < size; ++i) mix[i] += share[j - first] / sum * values[j][at + i];
      mixed.insert(mixed.end(), mix.begin(), mix.end());
    }
    add(x, norm(multiply(name + "self_attn.o_proj.weight", mixed), name + "post_attention_layernorm.weight"));
    const Vec m = norm(x, name + "pre_feedforward_layernorm.weight");
    Vec gate = multiply(name + "mlp.gate_proj.weight", m);
    const Vec up = multiply(name + "mlp.up_proj.weight", m);
    for (std::size_t i = 0; i < gate.size(); ++i) {
      const double g = gate[i];
      gate[i] = 0.5 * g * (1 + std::tanh(std::sqrt(2 / M_PI) * (g + 0.044715 * g * g * g))) * up[i];
    }
    add(x, norm(multiply(name + "mlp.down_proj.weight", gate), name + "post_feedforward_layernorm.weight"));
    for (double& v : x) v *= double(weight(name + "layer_scalar")[0]);
  }
  static void add(Vec& x, const Vec& y) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
  }

  GemmaConfig c_, target_;
  std::vector<int> ordering_;
  int n_;
  std::map<std::string, Tensor> weights_;
  Tensor embedding_;
  std::map<std::string, std::vector<Vec>> traced_;  // [position] of keys, values and hidden states
};

// Minus infinities in the same places, and the rest as relative_rms().
template <typename A, typename B>
double relative_rms_of_chosen(const A& a, const B& b) {
  std::vector<double> x, y;
  for (std::size_t i = 0; i < std::size(b); ++i) {
    EXPECT_EQ(std::isinf(a[i]), std::isinf(b[i])) << i;
    if (std::isinf(b[i])) continue;
    x.push_back(a[i]);
    y.push_back(b[i]);
  }
  return relative_rms(x, y);
}

}  // namespace facet::engine_test
