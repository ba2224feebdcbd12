#include "ptq/activation_scales.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "engine/session.h"
#include "ptq/histogram.h"

namespace facet {
namespace {

using Sites = std::map<std::string, MagnitudeHistogram>;

std::string key_site(int layer) { return "layers." + std::to_string(layer) + ".k"; }

// The activation sites of a checkpoint whose weights are in their final encoding.
Sites sites_of(const Checkpoint& checkpoint) {
  Sites sites;
  for (const TensorSpec& spec : tensor_specs(checkpoint.config)) {
    const bool head = spec.role == Role::kHead || spec.role == Role::kEmbedding;
    if (!is_linear(spec.role) || head || !has_row_scales(checkpoint.tensors.at(spec.name).dtype)) continue;
    sites[module_name(spec) + ".input"];
    sites[module_name(spec) + ".output"];
  }
  for (int l = 0; l < checkpoint.config.first_shared_layer(); ++l) sites[key_site(l)];
  return sites;
}

Status observe(const Checkpoint& checkpoint, const PtqOptions& options, ThreadPool& pool, Sites& sites) {
  const Result<Model> model = Model::bind(checkpoint);
  if (!model.ok()) return model.status();
  std::size_t longest = 1;
  for (const auto& sequence : options.calibration) longest = std::max(longest, sequence.size());
  const int context = static_cast<int>(longest);
  Result<Session> session =
      Session::create(*model, pool, {.context = context, .max_batch = context, .max_rollback = 0});
  if (!session.ok()) return session.status();
  session->set_site_observer([&](const std::string& site, const float* x, std::int64_t n) {
    if (auto found = sites.find(site); found != sites.end()) found->second.add({x, static_cast<std::size_t>(n)});
  });
  int done = 0;
  for (const auto& sequence : options.calibration) {
    if (options.stop != nullptr && *options.stop) return {Code::kCancelled, "stopped"};
    if (options.progress) options.progress("activations", done++, static_cast<int>(options.calibration.size()));
    session->reset();
    FACET_TRY(session->evaluate(sequence, Session::Logits::kNone, {}));
  }
  return {};
}

}  // namespace

Status calibrate_activations(Checkpoint& checkpoint, const PtqOptions& options, ThreadPool& pool) {
  checkpoint.activation_scales.clear();
  checkpoint.cache_scales.clear();
  if (options.activations == ActivationRange::kNone) return {};
  Sites sites = sites_of(checkpoint);
  FACET_TRY(observe(checkpoint, options, pool, sites));

  std::map<std::string, float> scales;
  for (const auto& [site, histogram] : sites) {
    if (!std::isfinite(histogram.largest()))
      return corrupt("activations at '" + site + "' are not finite; is this a trained model?");
    const float range = options.activations == ActivationRange::kAbsmax ? histogram.largest()
                                                                        : histogram.percentile(options.percentile);
    scales[site] = range / 127.0f;  // 0 where nothing but zeros was seen: float there
  }
  for (const TensorSpec& spec : tensor_specs(checkpoint.config))
    if (const std::string module = module_name(spec); scales.count(module + ".input") > 0)
      checkpoint.activation_scales[module] = {scales.at(module + ".input"), scales.at(module + ".output")};
  checkpoint.cache_scales.resize(checkpoint.config.n_layers());
  for (int l = 0; l < checkpoint.config.n_layers(); ++l)
    checkpoint.cache_scales[l] = {scales.at(key_site(checkpoint.config.kv_donor(l))), 6.0f / 127.0f};
  return {};
}

}  // namespace facet
