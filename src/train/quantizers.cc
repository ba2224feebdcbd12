#include "train/quantizers.h"

#include <fmt/format.h>

#include <cmath>
#include <span>

#include "base/check.h"
#include "base/half.h"
#include "quant/codec.h"
#include "quant/scale_search.h"
#include "train/fake_quant.h"
#include "train/parallel.h"

namespace facet::train {
namespace {

using torch::Tensor;

// V is normed without a weight, so its entries have unit mean square and six sigma is a fixed range (spec Q13).
constexpr float kValueScale = 6.0f / 127.0f;

std::span<const float> floats(const Tensor& t) { return {t.data_ptr<float>(), static_cast<std::size_t>(t.numel())}; }

// q/k/v read one input, gate/up another: the graph names the first of each.
std::string input_site(const std::string& module) {
  auto ends_with = [&](std::string_view tail) {
    return module.size() > tail.size() && std::string_view(module).substr(module.size() - tail.size()) == tail;
  };
  std::string name = module;
  if (ends_with("k_proj") || ends_with("v_proj")) name[name.size() - 6] = 'q';
  if (ends_with("mlp.up_proj")) name.replace(name.size() - 7, 7, "gate_proj");
  return name + ".input";
}

std::string key_site(int layer) { return fmt::format("layers.{}.key", layer); }

// Linears with static int8 activations: what the mobile scheme quantizes, but not the head (float by the format) nor
// experts.
bool has_activation_sites(Role role) {
  return is_linear(role) && role != Role::kHead && role != Role::kEmbedding && role != Role::kPleModelProj &&
         role != Role::kRouter && role != Role::kExpertsGateUp && role != Role::kExpertsDown;
}

Tensor to_tensor(const std::vector<float>& values, at::IntArrayRef shape) {
  return torch::tensor(values).reshape(shape);
}

// The log-scales of a [rows, cols] matrix cut into `groups` per row, by mean-square search.
Tensor search_log_scales(const Tensor& w, int groups, int bits) {
  std::int64_t cols = w.size(-1), rows = w.numel() / cols, size = cols / groups;
  std::vector<float> out(static_cast<std::size_t>(rows * groups));
  auto values = floats(w);
  parallel_for(0, rows * groups, 16, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = begin; i < end; ++i)
      out[i] = std::log(search_group_scale(values.subspan(static_cast<std::size_t>(i * size), size), bits));
  });
  return to_tensor(out, {rows, groups});
}

}  // namespace

Result<std::unique_ptr<QuantizerSet>> QuantizerSet::create(const Graph& graph, const QatOptions& options) {
  FACET_TRY(check_rules(options.scheme, graph.config()));
  auto set = std::unique_ptr<QuantizerSet>(new QuantizerSet(graph.config(), options));
  for (const TensorSpec& spec : tensor_specs(graph.config())) {
    FACET_ASSIGN(DType dtype, dtype_for(options.scheme, graph.config(), spec, DType::kF32));
    if (is_float(dtype)) {
      if (spec.is_matrix) set->weights_.emplace(spec.name, WeightQuantizer{Kind::kBF16, DType::kBF16, {}, {}, {}});
      continue;
    }
    Tensor w = graph.parameters().at(spec.name).detach().to(torch::kCPU).contiguous();
    if (!torch::isfinite(w).all().item<bool>()) return corrupt(spec.name + ": a weight is NaN or infinite");
    WeightQuantizer q{Kind::kQ4_0Live, dtype, {}, {}, {}};
    if (dtype == DType::kQ4_0) {
      if (w.size(-1) % 32 != 0)
        return invalid_argument(
            fmt::format("{}: rows of {} weights, Q4_0 needs a multiple of 32", spec.name, w.size(-1)));
      if (options.learned_q4_0_scales) {
        q.kind = Kind::kQ4_0Learned;
        std::vector<float> log_scale, sign;
        auto values = floats(w);
        for (std::size_t b = 0; b < values.size(); b += 32) {
          float s = search_q4_0_scale(values.subspan(b, 32));
          sign.push_back(s < 0 ? -1.0f : 1.0f);
          log_scale.push_back(
              std::log(std::max(std::abs(s), 0x1p-24f)));  // an all-zero block starts at the smallest half
        }
        q.log_scale = to_tensor(log_scale, {-1});
        q.sign = to_tensor(sign, {-1});
      }
    } else if (has_row_scales(dtype)) {
      q.kind = Kind::kRows;
      q.log_scale = search_log_scales(w, scale_groups(graph.config(), spec), bits_of(dtype));
      if (options.quantize_activations && has_activation_sites(spec.role)) {
        set->sites_[input_site(module_name(spec))];
        set->sites_[module_name(spec) + ".output"];
      }
    } else {
      return invalid_argument(fmt::format("{}: no fake quantizer for {}", spec.name, info(dtype).name));
    }
    if (q.log_scale.defined()) q.log_scale = q.log_scale.to(graph.options().device).set_requires_grad(true);
    if (q.sign.defined()) q.sign = q.sign.to(graph.options().device);
    set->weights_.emplace(spec.name, std::move(q));
  }
  if (options.scheme.kind == Scheme::Kind::kMobile && options.quantize_kv)
    for (int l = 0; l < graph.config().first_shared_layer(); ++l) set->sites_[key_site(l)];
  for (auto& [name, site] : set->sites_)
    site.log_scale = torch::zeros({}, torch::TensorOptions().device(graph.options().device)).set_requires_grad(true);
  if (options.anchor > 0)
    for (auto& [name, q] : set->weights_) q.origin = graph.parameters().at(name).detach().clone();
  set->build_groups();
  return set;
}

void QuantizerSet::build_groups() {
  ParameterGroup weights{"weight_scales", {}, options_.scale_lr, options_.scale_clip, 1e-15, true};
  ParameterGroup activations{"activation_scales", {}, options_.activation_scale_lr, options_.scale_clip, 1e-15, false};
  for (auto& [name, q] : weights_)
    if (q.log_scale.defined()) weights.parameters.emplace_back(name + ".log_scale", q.log_scale);
  for (auto& [name, site] : sites_) activations.parameters.emplace_back(name + ".log_scale", site.log_scale);
  groups_ = {};
  if (!weights.parameters.empty()) groups_.push_back(std::move(weights));
  if (!activations.parameters.empty()) groups_.push_back(std::move(activations));
}

Tensor QuantizerSet::quantize(const WeightQuantizer& q, const Tensor& w) const {
  switch (q.kind) {
    case Kind::kQ4_0Live:
      return fake_quant_q4_0(w);
    case Kind::kQ4_0Learned:
      return fake_quant_q4_0_learned(w, q.log_scale, q.sign);
    case Kind::kRows:
      return fake_quant_rows(w, q.log_scale, bits_of(q.dtype));
    case Kind::kBF16:
      return fake_quant_bf16(w);
  }
  return w;
}

Tensor QuantizerSet::weight(const std::string& name, const Tensor& w) {
  auto found = weights_.find(name);
  return found == weights_.end() ? w : quantize(found->second, w);
}

Tensor QuantizerSet::gather(const std::string& name, const Tensor& table, const Tensor& ids) {
  auto found = weights_.find(name);
  if (found == weights_.end()) return torch::embedding(table, ids);
  const WeightQuantizer& q = found->second;
  // Rows quantize on their own, so only those that are looked up are: a per-layer table of a full-size model is
  // gigabytes.
  Tensor rows = torch::embedding(table, ids);
  if (q.kind == Kind::kRows)
    return fake_quant_rows(rows, torch::embedding(q.log_scale, ids).reshape({-1, q.log_scale.size(1)}),
                           bits_of(q.dtype));
  if (q.kind == Kind::kQ4_0Live) return fake_quant_q4_0(rows);
  if (q.kind == Kind::kBF16) return fake_quant_bf16(rows);
  std::int64_t blocks = table.size(1) / 32;
  return fake_quant_q4_0_learned(rows, torch::embedding(q.log_scale.reshape({-1, blocks}), ids).reshape({-1}),
                                 torch::embedding(q.sign.reshape({-1, blocks}), ids).reshape({-1}));
}

QuantizerSet::Site* QuantizerSet::find_site(const std::string& name) {
  auto found = sites_.find(name);
  return found == sites_.end() ? nullptr : &found->second;
}

Tensor QuantizerSet::at_site(const std::string& name, bool on, const Tensor& x) {
  if (!on) return x;
  Site* site = find_site(name);
  if (!site) return x;
  if (observing_ && !site->calibrated) site->histogram.add(floats(x.detach().to(torch::kCPU).contiguous()));
  return site->calibrated ? fake_quant_static_int8(x, site->log_scale) : x;
}

Tensor QuantizerSet::linear_input(const std::string& module, const Tensor& x) {
  return at_site(input_site(module), activations_on_, x);
}
Tensor QuantizerSet::linear_output(const std::string& module, const Tensor& y) {
  return at_site(module + ".output", activations_on_, y);
}
Tensor QuantizerSet::cached_key(int layer, const Tensor& k) { return at_site(key_site(layer), kv_on_, k); }
Tensor QuantizerSet::cached_value(int /*layer*/, const Tensor& v) {
  bool on = kv_on_ && options_.quantize_kv;
  return on ? fake_quant_static_int8(v, torch::full({}, std::log(kValueScale), v.options().requires_grad(false))) : v;
}

void QuantizerSet::begin_step(const StepInfo& info) {
  double progress = info.progress();
  bool mobile = options_.scheme.kind == Scheme::Kind::kMobile;
  activations_on_ = mobile && options_.quantize_activations && progress >= options_.act_start;
  kv_on_ = mobile && options_.quantize_kv && progress >= options_.kv_start;
  bool frozen = progress >= options_.freeze_at;
  for (ParameterGroup& group : groups_)
    group.active = !frozen && (group.name == "weight_scales" ? progress >= options_.scale_start : activations_on_);
}

bool QuantizerSet::wants(const std::string& site) const {
  return site.size() > 4 && site.substr(site.size() - 4) == ".key" ? kv_on_ : activations_on_;
}

bool QuantizerSet::needs_calibration() const {
  for (const auto& [name, site] : sites_)
    if (!site.calibrated && wants(name)) return true;
  return false;
}

Status QuantizerSet::finish_calibration() {
  torch::NoGradGuard no_grad;
  for (auto& [name, site] : sites_) {
    if (site.calibrated || !wants(name)) continue;
    float range = site.histogram.percentile(options_.act_percentile / 100.0);
    if (!(range > 0) || !std::isfinite(range))
      return internal_error(fmt::format("{}: calibration saw {} values and no usable range (is the layer dead?)", name,
                                        site.histogram.total()));
    site.log_scale.fill_(std::log(range / 127.0f));
    site.calibrated = true;
    site.histogram = {};
  }
  return {};
}

int QuantizerSet::stage() const { return int(activations_on_) + int(kv_on_); }

void QuantizerSet::end_step(const StepInfo& info, std::map<std::string, Tensor>& parameters) {
  torch::NoGradGuard no_grad;
  for (const auto& [name, q] : weights_)
    if (q.origin.defined()) parameters.at(name).lerp_(q.origin, info.lr * options_.anchor);
  if (options_.dampening <= 0) return;
  // Decoupled dampening (spec 12.2): w -= lr * lambda * progress * (v - q), v = w / s: the distance to the grid in
  // steps. The gradient-free mirror of weight decay; a weight of a saturated or live-scaled extremum has v == q and
  // stays.
  double pull = info.lr * options_.dampening * info.progress();
  for (const auto& [name, q] : weights_) {
    if (q.kind == Kind::kBF16) continue;  // no grid to speak of
    Tensor& w = parameters.at(name);
    Tensor flat = w.detach().reshape({-1, 32});
    Tensor scale;
    if (q.kind == Kind::kRows) {
      flat = w.detach().reshape({q.log_scale.numel(), -1});
      scale = torch::exp(q.log_scale.detach()).reshape({-1, 1});
    } else if (q.kind == Kind::kQ4_0Learned) {
      scale = torch::exp(q.log_scale.detach()).reshape({-1, 1});
    } else {
      scale = flat.abs().amax(1, /*keepdim=*/true).clamp_min(1e-12) / 8.0;
    }
    Tensor off = (flat - quantize(q, w).detach().reshape(flat.sizes())) / scale;
    off.masked_fill_(off.abs() > 0.5 + 1e-3,
                     0.0);  // saturated: outside the grid, masked from the pull as from gradients
    w.sub_((off * pull).reshape(w.sizes()));
  }
}

std::map<std::string, double> QuantizerSet::metrics() const {
  return {{"stage", stage()}, {"scales_frozen", groups_.empty() || groups_[0].active ? 0.0 : 1.0}};
}

void QuantizerSet::save_state(StateMap& state) const {
  for (const auto& [name, q] : weights_) {
    if (q.origin.defined()) state["quantizer." + name + ".origin"] = q.origin.to(torch::kCPU).clone();
    if (q.log_scale.defined()) {
      state["quantizer." + name + ".log_scale"] = q.log_scale.detach().to(torch::kCPU).clone();
      if (q.sign.defined()) state["quantizer." + name + ".sign"] = q.sign.to(torch::kCPU).clone();
    }
  }
  for (const auto& [name, site] : sites_) {
    state["site." + name + ".log_scale"] = site.log_scale.detach().to(torch::kCPU).clone();
    state["site." + name + ".calibrated"] = torch::tensor(std::int64_t{site.calibrated});
  }
}

Status QuantizerSet::load_state(const StateMap& state) {
  torch::NoGradGuard no_grad;
  auto load = [&](const std::string& key, Tensor& into) -> Status {
    auto found = state.find(key);
    if (found == state.end()) return corrupt("resume state: '" + key + "' is missing (another scheme or model?)");
    if (found->second.sizes() != into.sizes()) return corrupt("resume state: '" + key + "' has another shape");
    into.copy_(found->second);
    return {};
  };
  for (auto& [name, q] : weights_) {
    if (q.origin.defined()) FACET_TRY(load("quantizer." + name + ".origin", q.origin));
    if (q.log_scale.defined()) {
      FACET_TRY(load("quantizer." + name + ".log_scale", q.log_scale));
      if (q.sign.defined()) FACET_TRY(load("quantizer." + name + ".sign", q.sign));
    }
  }
  for (auto& [name, site] : sites_) {
    FACET_TRY(load("site." + name + ".log_scale", site.log_scale));
    Tensor calibrated = torch::zeros({}, torch::kInt64);
    FACET_TRY(load("site." + name + ".calibrated", calibrated));
    site.calibrated = calibrated.item<std::int64_t>() != 0;
  }
  return {};
}

float QuantizerSet::site_scale(const std::string& name) const {
  auto found = sites_.find(name);
  return found == sites_.end() || !found->second.calibrated ? 0.0f : scale_of(found->second.log_scale.item<float>());
}

Result<Checkpoint> QuantizerSet::export_checkpoint(const Graph& graph) const {
  Checkpoint out = graph.to_checkpoint();
  for (const TensorSpec& spec : tensor_specs(config_)) {
    auto found = weights_.find(spec.name);
    if (found == weights_.end()) continue;
    const WeightQuantizer& q = found->second;
    Tensor w = graph.parameters().at(spec.name).detach().to(torch::kCPU).contiguous();
    std::vector<float> scales;
    if (q.log_scale.defined()) {
      Tensor log_scale = q.log_scale.detach().to(torch::kCPU).contiguous();
      for (float s : floats(log_scale)) scales.push_back(scale_of(s));
    }
    Result<facet::Tensor> encoded = [&]() -> Result<facet::Tensor> {
      switch (q.kind) {
        case Kind::kQ4_0Live:
        case Kind::kBF16:
          return encode(q.dtype, spec.shape, floats(w));
        case Kind::kQ4_0Learned: {
          Tensor sign = q.sign.to(torch::kCPU).contiguous();
          for (std::size_t i = 0; i < scales.size(); ++i) scales[i] = to_float(to_half(floats(sign)[i] * scales[i]));
          return encode_q4_0_with_scales(spec.shape, floats(w), scales);
        }
        case Kind::kRows:
          return encode_rows(q.dtype, spec.shape, floats(w), scales);
      }
      return internal_error("unreachable");
    }();
    if (!encoded.ok()) return encoded.status().with_prefix(spec.name);
    out.set(spec.name, std::move(*encoded));
    if (has_activation_sites(spec.role)) {
      ActivationScales s{site_scale(input_site(module_name(spec))), site_scale(module_name(spec) + ".output")};
      if (s.input > 0 || s.output > 0) out.activation_scales[module_name(spec)] = s;
    }
  }
  bool any_key = false;
  for (int l = 0; l < config_.first_shared_layer(); ++l) any_key = any_key || site_scale(key_site(l)) > 0;
  if (any_key)
    for (int l = 0; l < config_.n_layers(); ++l)
      out.cache_scales.push_back({site_scale(key_site(config_.kv_donor(l))), scale_of(std::log(kValueScale))});
  out.metadata["facet.scheme"] = std::string(name_of(options_.scheme.kind));
  out.metadata["facet.method"] = "qat";
  return out;
}

}  // namespace facet::train
