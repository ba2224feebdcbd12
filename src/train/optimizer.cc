#include "train/optimizer.h"

#include <cmath>
#include <utility>

#include "train/ops.h"

namespace facet::train {
namespace {

double clip_scale(double norm, double clip) { return clip > 0 && norm > clip ? clip / norm : 1.0; }

torch::Tensor& gradient_of(torch::Tensor& value) {
  torch::Tensor& grad = value.mutable_grad();
  if (!grad.defined()) grad = torch::zeros_like(value);
  if (!grad.is_contiguous()) grad = grad.contiguous();
  return grad;
}

}  // namespace

Optimizer::Optimizer(AdamOptions options, std::vector<TrainedTensor> tensors)
    : options_(options), tensors_(std::move(tensors)) {}

void Optimizer::update(const std::string& name, torch::Tensor& value, double lr, double eps, double weight_decay,
                       double grad_scale) {
  Moments& moments = moments_[name];
  if (!moments.first.defined()) {
    moments.first = torch::zeros_like(value);
    moments.second = torch::zeros_like(value);
  }
  ops::adamw_step(value, value.grad(), moments.first, moments.second,
                  {.lr = lr,
                   .beta1 = options_.beta1,
                   .beta2 = options_.beta2,
                   .eps = eps,
                   .weight_decay = weight_decay,
                   .grad_scale = grad_scale,
                   .steps = ++moments.steps});
}

OptimizerReport Optimizer::step(double lr, double lr_fraction, std::vector<ParameterGroup>& groups) {
  torch::NoGradGuard no_grad;
  OptimizerReport report;
  std::vector<torch::Tensor> gradients;
  for (TrainedTensor& tensor : tensors_) gradients.push_back(gradient_of(tensor.value));
  report.grad_norm = ops::global_norm(gradients);
  report.finite = std::isfinite(report.grad_norm);
  for (ParameterGroup& group : groups) {
    if (!group.active) continue;
    gradients.clear();
    for (auto& [name, value] : group.parameters) gradients.push_back(gradient_of(value));
    double norm = ops::global_norm(gradients);
    report.group_norms[group.name] = norm;
    report.finite = report.finite && std::isfinite(norm);
  }
  if (!report.finite) return report;

  double scale = clip_scale(report.grad_norm, options_.clip);
  for (TrainedTensor& tensor : tensors_)
    update(tensor.name, tensor.value, lr * tensor.multiplier, options_.eps, tensor.decays ? options_.weight_decay : 0.0,
           scale);
  for (ParameterGroup& group : groups) {
    if (!group.active) continue;
    double group_scale = clip_scale(report.group_norms[group.name], group.clip);
    for (auto& [name, value] : group.parameters)
      update(name, value, group.lr * lr_fraction, group.eps, 0.0, group_scale);
  }
  return report;
}

std::vector<torch::Tensor> Optimizer::gradients(std::vector<ParameterGroup>& groups) {
  std::vector<torch::Tensor> all;
  for (TrainedTensor& tensor : tensors_) all.push_back(gradient_of(tensor.value));
  for (ParameterGroup& group : groups)
    if (group.active)
      for (auto& [name, value] : group.parameters) all.push_back(gradient_of(value));
  return all;
}

void Optimizer::clear_gradients(std::vector<ParameterGroup>& groups) {
  for (TrainedTensor& tensor : tensors_)
    if (tensor.value.grad().defined()) tensor.value.mutable_grad().zero_();
  for (ParameterGroup& group : groups)
    for (auto& [name, value] : group.parameters)
      if (value.grad().defined()) value.mutable_grad().zero_();
}

void Optimizer::save_state(StateMap& state) const {
  for (const auto& [name, moments] : moments_) {
    state["first/" + name] = moments.first;
    state["second/" + name] = moments.second;
    state["steps/" + name] = torch::tensor(moments.steps, torch::kInt64);
  }
}

Status Optimizer::load_state(const StateMap& state, const std::vector<ParameterGroup>& groups) {
  std::map<std::string, torch::Tensor> values;
  for (const TrainedTensor& tensor : tensors_) values[tensor.name] = tensor.value;
  for (const ParameterGroup& group : groups)
    for (const auto& [name, value] : group.parameters) values[name] = value;
  std::map<std::string, Moments> loaded;
  for (const auto& [key, steps] : state) {
    if (!key.starts_with("steps/")) continue;
    std::string name = key.substr(6);
    auto value = values.find(name);
    if (value == values.end()) return corrupt("optimizer state: '" + name + "' is no parameter of this run");
    if (steps.numel() != 1 || steps.scalar_type() != torch::kInt64)
      return corrupt("optimizer state: '" + key + "' is not one int64");
    Moments moments;
    moments.steps = steps.item<std::int64_t>();
    for (auto [prefix, target] : {std::pair{"first/", &moments.first}, {"second/", &moments.second}}) {
      auto found = state.find(prefix + name);
      if (found == state.end()) return corrupt("optimizer state: '" + (prefix + name) + "' is missing");
      if (found->second.sizes() != value->second.sizes() || found->second.scalar_type() != torch::kFloat32)
        return corrupt("optimizer state: '" + (prefix + name) + "' has another shape than its parameter");
      *target = found->second.to(value->second.device()).clone();
    }
    loaded[name] = std::move(moments);
  }
  moments_ = std::move(loaded);
  return {};
}

}  // namespace facet::train
