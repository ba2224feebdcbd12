#include "train/graph.h"

#include <cmath>
#include <cstring>

#include "base/check.h"
#include "base/half.h"
#include "base/rng.h"
#include "quant/codec.h"

namespace facet::train {
namespace {

// Starting points.  Norms undo the scale of what they read, so only ratios matter: embeddings enter the stream with
// unit mean square, and matrices keep the variance of their inputs.  Scores are q . k without a 1/sqrt(C): with both
// norms at 1 their deviation would be sqrt(C) and attention would start saturated, so the q/k norms share that factor.
float initial_deviation(const TensorSpec& spec, const GemmaConfig& config) {
  float fan_in = static_cast<float>(spec.shape.back());
  if (spec.role == Role::kPleTable) return 1.0f / std::sqrt(static_cast<float>(config.ple_size));
  return 1.0f / std::sqrt(fan_in);
}
float initial_value(const TensorSpec& spec) {
  if (spec.role == Role::kQNorm || spec.role == Role::kKNorm)
    return std::pow(static_cast<float>(spec.shape[0]), -0.25f);
  return 1.0f;
}

torch::Tensor to_leaf(const std::vector<std::int64_t>& shape, std::span<const float> values, torch::Device device) {
  torch::Tensor t = torch::empty(shape, torch::kFloat32);
  std::memcpy(t.data_ptr<float>(), values.data(), values.size_bytes());
  return t.to(device).set_requires_grad(true);
}

}  // namespace

Result<Graph> Graph::from_checkpoint(const Checkpoint& checkpoint, GraphOptions options) {
  FACET_TRY(checkpoint.config.validate());
  Graph graph(checkpoint.config, options);
  for (const TensorSpec& spec : tensor_specs(checkpoint.config)) {
    auto found = checkpoint.tensors.find(spec.name);
    if (found == checkpoint.tensors.end())
      return not_found("tensor '" + spec.name + "' is missing from the checkpoint; was it saved whole?");
    if (found->second.shape != spec.shape)
      return corrupt("tensor '" + spec.name + "' is " + to_string(found->second.shape) + ", the config wants " +
                     to_string(spec.shape) + "; converted for another size?");
    facet::Tensor values = decode(found->second);
    for (std::size_t i = 0; i < values.floats().size(); ++i)
      if (!std::isfinite(values.floats()[i]))
        return corrupt("tensor '" + spec.name + "' holds " + std::to_string(values.floats()[i]) + " at element " +
                       std::to_string(i) + "; training needs finite weights");
    graph.parameters_[spec.name] = to_leaf(spec.shape, values.floats(), options.device);
  }
  if (const auto& order = checkpoint.token_ordering; !order.empty())
    graph.token_ordering_ =
        torch::tensor(std::vector<std::int64_t>(order.begin(), order.end()), torch::kInt64).to(options.device);
  return graph;
}

Graph Graph::initialize(const GemmaConfig& config, std::uint64_t seed, GraphOptions options) {
  FACET_CHECK(config.validate().ok(), "initialize needs a valid config");
  Graph graph(config, options);
  std::uint64_t stream = 0;
  for (const TensorSpec& spec : tensor_specs(config)) {
    std::vector<float> values(static_cast<std::size_t>(element_count(spec.shape)), initial_value(spec));
    if (spec.is_matrix) {
      Rng rng(seed, stream);
      float deviation = initial_deviation(spec, config);
      for (float& v : values) v = deviation * rng.normal();
    }
    ++stream;
    graph.parameters_[spec.name] = to_leaf(spec.shape, values, options.device);
  }
  return graph;
}

Checkpoint Graph::to_checkpoint(DType dtype) const {
  FACET_CHECK(dtype == DType::kF32 || dtype == DType::kBF16, "a float checkpoint is f32 or bf16");
  Checkpoint out;
  out.config = config_;
  for (const TensorSpec& spec : tensor_specs(config_)) {
    torch::Tensor t = parameters_.at(spec.name).detach().to(torch::kCPU, torch::kFloat32).contiguous();
    std::span<const float> values(t.data_ptr<float>(), static_cast<std::size_t>(t.numel()));
    facet::Tensor stored = facet::Tensor::zeros(dtype, spec.shape);
    if (dtype == DType::kF32) {
      std::memcpy(stored.bytes.data(), values.data(), values.size_bytes());
    } else {
      for (std::size_t i = 0; i < values.size(); ++i) {
        BFloat16 b = to_bfloat16(values[i]);
        std::memcpy(stored.bytes.data() + i * sizeof b, &b, sizeof b);
      }
    }
    out.set(spec.name, std::move(stored));
  }
  if (token_ordering_.defined()) {
    const torch::Tensor order = token_ordering_.to(torch::kCPU).contiguous();
    out.token_ordering.assign(order.data_ptr<std::int64_t>(), order.data_ptr<std::int64_t>() + order.numel());
  }
  return out;
}

}  // namespace facet::train
