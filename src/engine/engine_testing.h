// engine_testing.h: what the engine's tests share.  Tests only.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/rng.h"
#include "engine/model.h"
#include "engine/reference.h"
#include "engine/session.h"
#include "kernels/registry.h"
#include "model/checkpoint.h"
#include "model/tiny_configs.h"
#include "quant/codec.h"
#include "quant/row_int.h"
#include "quant/scale_search.h"

namespace facet::engine_test {

struct NamedConfig {
  std::string name;
  GemmaConfig config;
};

// Every feature at least once: sharing, per-layer embeddings and double-wide MLPs; experts; k_eq_v without experts; all
// of it. unit: rows are multiples of it; blocks need 32, and 8 is sixteen times quicker.
inline std::vector<NamedConfig> tiny_configs(int unit = 8) {
  return {{"e", tiny_e(unit)},
          {"moe", tiny_moe(unit)},
          {"k_eq_v_dense", tiny_k_eq_v_dense(unit)},
          {"everything", tiny_everything(unit)}};
}

// Loops that say where a failure happened: over every tiny config, and over every instruction set this machine has.
#define FACET_FOR_EACH_TINY(tiny, ...)                                     \
  for (const auto& tiny : ::facet::engine_test::tiny_configs(__VA_ARGS__)) \
    if (SCOPED_TRACE(tiny.name); true)
#define FACET_FOR_EACH_ISA(kernels)                        \
  for (const auto* kernels : ::facet::kernels::runnable()) \
    if (SCOPED_TRACE(kernels->name); true)

inline std::vector<int> random_tokens(const GemmaConfig& config, int n, std::uint64_t seed = 5) {
  Rng rng(seed);
  std::vector<int> tokens{config.bos_token};
  while (static_cast<int>(tokens.size()) < n) tokens.push_back(static_cast<int>(rng.below(config.vocab_size)));
  return tokens;
}

// sqrt(sum (a - b)^2 / sum b^2).  NaN where either side has one, so that no bound passes.
template <typename A, typename B>
double relative_rms(const A& a, const B& b) {
  EXPECT_EQ(std::size(a), std::size(b));
  double error = 0, size = 0;
  for (std::size_t i = 0; i < std::size(b); ++i) {
    error += (double(a[i]) - double(b[i])) * (double(a[i]) - double(b[i]));
    size += double(b[i]) * double(b[i]);
  }
  return std::sqrt(error / size);
}

inline std::vector<double> reference_logits(const Checkpoint& c, std::span<const int> tokens,
                                            ReferenceOptions options = {}) {
  return Reference(c, std::move(options)).logits(tokens);
}

// Logits of all tokens, evaluated in calls of the given lengths (the last one repeats).
inline std::vector<float> evaluate_in_calls(Session& session, std::span<const int> tokens,
                                            const std::vector<int>& lengths) {
  const std::size_t vocab = session.model().config().vocab_size;
  std::vector<float> logits(tokens.size() * vocab);
  std::size_t done = 0;
  for (std::size_t call = 0; done < tokens.size(); ++call) {
    const std::size_t n = std::min<std::size_t>(lengths[std::min(call, lengths.size() - 1)], tokens.size() - done);
    Status status = session.evaluate(tokens.subspan(done, n), Session::Logits::kAll,
                                     std::span(logits).subspan(done * vocab, n * vocab));
    EXPECT_TRUE(status.ok()) << status.message();
    done += n;
  }
  return logits;
}

inline std::vector<float> engine_logits(const Model& model, std::span<const int> tokens, SessionOptions options,
                                        const kernels::Table& kernels = **kernels::choose(), int threads = 1) {
  ThreadPool pool(threads);
  auto session = Session::create(model, pool, options, kernels);
  EXPECT_TRUE(session.ok()) << session.status().message();
  return evaluate_in_calls(*session, tokens, {static_cast<int>(tokens.size())});
}

// Every matrix in the given block or float type, where its rows allow it.
inline Checkpoint encoded(Checkpoint c, DType type) {
  for (const TensorSpec& spec : tensor_specs(c.config)) {
    if (!spec.is_matrix || !row_bytes(type, spec.shape.back())) continue;
    c.set(spec.name, *encode(type, spec.shape, decode(c.tensors.at(spec.name)).floats()));
  }
  return c;
}

// The mobile scheme, small: int4 mostly, int8 where the releases have it, int2 for the down projections of sharing
// layers, ranges as these tokens show them.
inline Checkpoint mobile(Checkpoint c, std::span<const int> tokens) {
  std::map<std::string, float> absmax;
  {
    Model model = *Model::bind(c);
    ThreadPool pool(1);
    Session session = *Session::create(model, pool, {});
    session.set_site_observer([&](const std::string& site, const float* x, std::int64_t n) {
      float& most = absmax[site];
      for (std::int64_t i = 0; i < n; ++i) most = std::max(most, std::abs(x[i]));
    });
    EXPECT_TRUE(session.evaluate(tokens, Session::Logits::kNone, {}).ok());
  }
  for (const TensorSpec& spec : tensor_specs(c.config)) {
    if (!spec.is_matrix || spec.role == Role::kRouter || spec.role == Role::kPleModelProj) continue;
    const bool is_ple = spec.role == Role::kPleGate || spec.role == Role::kPleProj;
    const bool is_low = spec.role == Role::kDown && !c.config.owns_kv(spec.layer);
    const int bits = is_ple ? 8 : is_low ? 2 : 4;
    const int groups = spec.role == Role::kPleTable ? c.config.n_layers() : 1;
    const Tensor values = decode(c.tensors.at(spec.name));
    const auto size = static_cast<std::size_t>(spec.shape.back() / groups);
    std::vector<float> scales;
    for (std::size_t i = 0; i < values.floats().size(); i += size)
      scales.push_back(absmax_group_scale(values.floats().subspan(i, size), bits));
    c.set(spec.name, *encode_rows(row_type_of_bits(bits), spec.shape, values.floats(), scales));
    if (!is_linear(spec.role) || spec.role == Role::kEmbedding || spec.role == Role::kHead) continue;
    const std::string module = module_name(spec);
    c.activation_scales[module] = {0.67f * absmax[module + ".input"] / 127, 0.67f * absmax[module + ".output"] / 127};
  }
  for (int l = 0; l < c.config.n_layers(); ++l)
    c.cache_scales.push_back({absmax["layers." + std::to_string(c.config.kv_donor(l)) + ".k"] / 127, 6.0f / 127});
  return c;
}

// How far a piecewise constant model moves when its float vectors move by one part in a million: what any two correct
// implementations of it may differ by (spec "self-noise").  The largest of several trials.
inline double self_noise(const Checkpoint& c, std::span<const int> tokens, const ReferenceOptions& options = {}) {
  const std::vector<double> exact = reference_logits(c, tokens, options);
  double most = 0;
  for (int trial = 0; trial < 4; ++trial) {
    Checkpoint moved = c;
    Rng rng(77, trial);
    for (const TensorSpec& spec : tensor_specs(c.config)) {
      if (spec.is_matrix) continue;
      Tensor values = decode(c.tensors.at(spec.name));
      for (float& v : values.floats()) v *= 1 + 1e-6f * rng.normal();
      moved.set(spec.name, std::move(values));
    }
    most = std::max(most, relative_rms(reference_logits(moved, tokens, options), exact));
  }
  return most;
}

}  // namespace facet::engine_test
