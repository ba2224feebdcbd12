#include "engine/reference.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "quant/codec.h"
#include "quant/static_int8.h"

namespace facet {
namespace {

using Vec = std::vector<double>;

double gelu_tanh(double z) { return 0.5 * z * (1 + std::tanh(std::sqrt(2 / M_PI) * (z + 0.044715 * z * z * z))); }

Vec operator+(Vec a, const Vec& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

Vec operator*(Vec a, double s) {
  for (double& v : a) v *= s;
  return a;
}

// gelu(gate) * up
Vec gated(const Vec& gate, const Vec& up) {
  Vec out(gate.size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = gelu_tanh(gate[i]) * up[i];
  return out;
}

Vec softmax(Vec x) {
  double max = *std::max_element(x.begin(), x.end()), sum = 0;
  for (double& v : x) sum += v = std::exp(v - max);
  return std::move(x) * (1 / sum);
}

// On the f32 grid that training and the format define (the scale is an f32; dividing f64 values would round elsewhere).
Vec static_int8(Vec x, float scale) {
  if (scale == 0) return x;
  std::vector<float> y(x.begin(), x.end());
  fake_quantize_static_int8(y, scale, y);
  return Vec(y.begin(), y.end());
}

}  // namespace

Reference::Reference(const Checkpoint& checkpoint, ReferenceOptions options)
    : config_(checkpoint.config), options_(std::move(options)) {
  if (options_.cache_scales) cache_scales_ = checkpoint.cache_scales;
  cache_scales_.resize(config_.n_layers());
  for (const TensorSpec& spec : tensor_specs(config_)) {
    Weight w{decode(checkpoint.tensors.at(spec.name)), {}};
    auto scales = checkpoint.activation_scales.find(module_name(spec));
    if (options_.linear_scales && scales != checkpoint.activation_scales.end()) w.scales = scales->second;
    weights_.emplace(std::pair(spec.role, spec.layer), std::move(w));
  }
}

std::vector<double> Reference::logits(std::span<const int> tokens) const {
  const GemmaConfig& c = config_;
  const int n = static_cast<int>(tokens.size()), heads = c.n_heads;
  Rows x;
  std::vector<Rows> ple;  // [position][layer], P values
  for (int t = 0; t < n; ++t) {
    FACET_CHECK(tokens[t] >= 0 && tokens[t] < c.vocab_size, "token outside the vocabulary");
    x.push_back(table_row(Role::kEmbedding, tokens[t]) * std::sqrt(double(c.hidden_size)));
    trace(-1, "embedding", t, x[t]);
    ple.push_back(per_layer_inputs(tokens[t], x[t], t));
  }

  std::vector<Rows> keys(c.n_layers()), values(c.n_layers());
  for (int l = 0; l < c.n_layers(); ++l) {
    const int size = c.head_size_of(l), kv_heads = c.n_kv_heads_of(l);
    Rows queries;
    for (int t = 0; t < n; ++t) {
      Vec a = norm(x[t], Role::kAttnNorm, l);
      Vec q = linear(Role::kQ, l, a), k, v;
      if (c.owns_kv(l)) {
        k = linear(Role::kK, l, a);
        v = c.has_v_proj(l) ? linear(Role::kV, l, a) : k;  // k_eq_v: the raw projection, before its norm and rotation
      }
      auto each_head = [&](Vec& x, int n_heads, auto&& f) {
        for (int h = 0; h < n_heads; ++h) {
          Vec head = f(Vec(x.begin() + h * size, x.begin() + (h + 1) * size));
          std::copy(head.begin(), head.end(), x.begin() + h * size);
        }
      };
      auto norm_and_rope = [&](Role role) {
        return [this, role, l, t](Vec head) {
          head = norm(std::move(head), role, l);
          rope(head.data(), l, t);
          return head;
        };
      };
      each_head(q, heads, norm_and_rope(Role::kQNorm));
      trace(l, "q", t, q);
      queries.push_back(std::move(q));
      if (!c.owns_kv(l)) continue;
      each_head(k, kv_heads, norm_and_rope(Role::kKNorm));
      each_head(v, kv_heads, [this](Vec head) { return rms(std::move(head)); });
      trace(l, "k", t, k);
      trace(l, "v", t, v);
      keys[l].push_back(static_int8(std::move(k), cache_scales_[l].k));
      values[l].push_back(static_int8(std::move(v), cache_scales_[l].v));
    }

    const Rows& donor_keys = keys[c.kv_donor(l)];
    const Rows& donor_values = values[c.kv_donor(l)];
    for (int t = 0; t < n; ++t) {
      const int first = c.is_global(l) ? 0 : std::max(0, t - c.sliding_window + 1);  // W keys, the token's own included
      Vec mixed(static_cast<std::size_t>(heads) * size);
      for (int h = 0; h < heads; ++h) {
        const int kv = h / (heads / kv_heads) * size;
        Vec scores;
        for (int j = first; j <= t; ++j)
          scores.push_back(
              std::inner_product(&queries[t][h * size], &queries[t][h * size] + size, &donor_keys[j][kv], 0.0));
        Vec share = softmax(std::move(scores));
        for (int j = first; j <= t; ++j)
          for (int i = 0; i < size; ++i) mixed[h * size + i] += share[j - first] * donor_values[j][kv + i];
      }
      trace(l, "mixed", t, mixed);
      Vec r = x[t] + norm(linear(Role::kO, l, mixed), Role::kPostAttnNorm, l);
      trace(l, "after_attention", t, r);

      Vec f = mlp(l, norm(r, Role::kFfnNorm, l));
      if (c.has_moe()) {
        f = norm(std::move(f), Role::kPostFfnNorm1, l);
        trace(l, "dense", t, f);
        f = std::move(f) + norm(experts(l, r, t), Role::kPostFfnNorm2, l);
      }
      Vec y = r + norm(std::move(f), Role::kPostFfnNorm, l);
      trace(l, "after_ffn", t, y);

      if (c.ple_size > 0) {
        Vec g = gated(linear(Role::kPleGate, l, y), ple[t][l]);
        trace(l, "ple_gated", t, g);
        y = y + norm(linear(Role::kPleProj, l, g), Role::kPostPleNorm, l);
      }
      x[t] = y * vector(Role::kLayerScalar, l)[0];
      trace(l, "out", t, x[t]);
    }
  }

  std::vector<double> logits;
  for (int t = 0; t < n; ++t) {
    Vec h = norm(x[t], Role::kOutputNorm, -1);
    trace(-1, "hidden", t, h);
    Vec z = has(Role::kHead) ? linear(Role::kHead, -1, h) : multiply(weight(Role::kEmbedding), 0, c.vocab_size, h);
    trace(-1, "raw_logits", t, z);
    for (double v : z) logits.push_back(c.logit_softcap > 0 ? c.logit_softcap * std::tanh(v / c.logit_softcap) : v);
  }
  return logits;
}

// The P values each layer gets for this token: a table's row plus a projection of the scaled embedding.
Reference::Rows Reference::per_layer_inputs(int token, const Vec& x0, int position) const {
  const int size = config_.ple_size;
  if (size == 0) return {};
  Vec table = table_row(Role::kPleTable, token) * std::sqrt(double(size));
  Vec context = linear(Role::kPleModelProj, -1, x0) * (1 / std::sqrt(double(config_.hidden_size)));
  Rows out;
  for (int l = 0; l < config_.n_layers(); ++l) {
    Vec c(context.begin() + l * size, context.begin() + (l + 1) * size);
    Vec t(table.begin() + l * size, table.begin() + (l + 1) * size);
    out.push_back((norm(std::move(c), Role::kPleProjNorm, -1) + t) * std::sqrt(0.5));
    trace(l, "ple", position, out.back());
  }
  return out;
}

Reference::Vec Reference::mlp(int l, const Vec& m) const {
  Vec a = gated(linear(Role::kGate, l, m), linear(Role::kUp, l, m));
  return linear(Role::kDown, l, a);
}

// The weighted sum of the chosen experts' outputs.  r: the raw stream after attention.
Reference::Vec Reference::experts(int l, const Vec& r, int position) const {
  const GemmaConfig& c = config_;
  Vec u = rms(r), router_scale = vector(Role::kRouterScale, l);
  for (int i = 0; i < c.hidden_size; ++i) u[i] *= router_scale[i] / std::sqrt(double(c.hidden_size));
  Vec p = softmax(linear(Role::kRouter, l, u));
  std::vector<int> order(c.n_experts);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return p[a] > p[b]; });
  order.resize(c.n_experts_used);
  double chosen = 0;
  for (int e : order) chosen += p[e];

  Vec z = norm(r, Role::kFfnNorm2, l), expert_scale = vector(Role::kExpertScale, l), sum(c.hidden_size);
  Vec shares(c.n_experts);
  for (int e : order) {
    const int f = c.expert_ffn_size;
    Vec both = multiply(weight(Role::kExpertsGateUp, l), std::int64_t{e} * 2 * f, 2 * f, z);
    Vec a = gated(Vec(both.begin(), both.begin() + f), Vec(both.begin() + f, both.end()));
    shares[e] = p[e] / chosen;
    sum = sum + multiply(weight(Role::kExpertsDown, l), std::int64_t{e} * c.hidden_size, c.hidden_size, a) *
                    (shares[e] * expert_scale[e]);
  }
  trace(l, "routing", position, shares);
  trace(l, "experts", position, sum);
  return sum;
}

Reference::Vec Reference::table_row(Role role, int index) const {
  const Tensor& t = weight(role).values;
  const float* data = t.floats().data() + index * t.shape.back();
  return Vec(data, data + t.shape.back());
}

Reference::Vec Reference::vector(Role role, int l) const {
  auto values = weight(role, l).values.floats();
  return Vec(values.begin(), values.end());
}

// Rows [first_row, first_row + n_rows) of W, times x.
Reference::Vec Reference::multiply(const Weight& w, std::int64_t first_row, std::int64_t n_rows, const Vec& x) const {
  const std::int64_t cols = w.values.shape.back();
  FACET_CHECK(cols == std::int64_t(x.size()), "one input per column");
  Vec in = static_int8(x, w.scales.input), y;
  for (std::int64_t r = first_row; r < first_row + n_rows; ++r) {
    const float* row = w.values.floats().data() + r * cols;
    y.push_back(std::inner_product(in.begin(), in.end(), row, 0.0));
  }
  return static_int8(std::move(y), w.scales.output);
}

Reference::Vec Reference::linear(Role role, int l, const Vec& x) const {
  const Weight& w = weight(role, l);
  return multiply(w, 0, w.values.shape.front(), x);
}

Reference::Vec Reference::rms(Vec x) const {
  double mean_square = std::inner_product(x.begin(), x.end(), x.begin(), 0.0) / double(x.size());
  return std::move(x) * (1 / std::sqrt(mean_square + double(config_.rms_eps)));
}

Reference::Vec Reference::norm(Vec x, Role role, int l) const {
  x = rms(std::move(x));
  const Tensor& w = weight(role, l).values;
  for (std::size_t i = 0; i < x.size(); ++i) x[i] *= w.floats()[i];
  return x;
}

// Element i turns with element i + size/2.
void Reference::rope(double* head, int l, int position) const {
  const std::vector<double> frequencies = config_.rope_frequencies(l);
  const int half = config_.head_size_of(l) / 2;
  for (int i = 0; i < half; ++i) {
    const double angle = position * frequencies[i], a = head[i], b = head[i + half];
    head[i] = a * std::cos(angle) - b * std::sin(angle);
    head[i + half] = b * std::cos(angle) + a * std::sin(angle);
  }
}

void Reference::trace(int l, const char* name, int position, const Vec& values) const {
  if (options_.trace) options_.trace(l < 0 ? name : "layers." + std::to_string(l) + "." + name, position, values);
}

}  // namespace facet
