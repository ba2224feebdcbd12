#include "model/hf_names.h"

#include <charconv>
#include <utility>

namespace facet {
namespace {

constexpr std::pair<std::string_view, Tower> kTowers[] = {{"vision_tower.", Tower::kVision},
                                                          {"embed_vision.", Tower::kVision},
                                                          {"vision_embedder.", Tower::kVision},
                                                          {"audio_tower.", Tower::kAudio},
                                                          {"embed_audio.", Tower::kAudio}};

}  // namespace

std::optional<TowerName> tower_name(std::string_view name) {
  constexpr std::string_view kModel = "model.";
  if (name.starts_with(kModel)) name.remove_prefix(kModel.size());
  for (const auto& [prefix, tower] : kTowers)
    if (name.starts_with(prefix)) return TowerName{tower, std::string(name)};
  return std::nullopt;
}

std::optional<std::string> canonical_name(std::string_view name) {
  if (tower_name(name)) return std::nullopt;
  if (name.find("rotary_emb") != std::string_view::npos) return std::nullopt;
  for (std::string_view tail : {".input_min", ".input_max", ".output_min", ".output_max"})
    if (name.ends_with(tail)) return std::nullopt;
  auto strip = [&](std::string_view prefix) {
    if (!name.starts_with(prefix)) return false;
    name.remove_prefix(prefix.size());
    return true;
  };
  if (strip("model.language_model.") || strip("language_model.model.") || strip("language_model."))
    return std::string(name);
  strip("model.");
  return std::string(name);
}

bool is_dead_tensor(const GemmaConfig& config, std::string_view canonical) {
  constexpr std::string_view kLayers = "layers.", kAttention = ".self_attn.";
  if (!canonical.starts_with(kLayers)) return false;
  int layer = -1;
  auto [end, error] = std::from_chars(canonical.data() + kLayers.size(), canonical.data() + canonical.size(), layer);
  if (error != std::errc() || layer < 0 || layer >= config.n_layers() || config.owns_kv(layer)) return false;
  std::string_view rest = canonical.substr(static_cast<std::size_t>(end - canonical.data()));
  if (!rest.starts_with(kAttention)) return false;
  rest.remove_prefix(kAttention.size());
  return rest.starts_with("k_proj.") || rest.starts_with("v_proj.") || rest.starts_with("k_norm.");
}

}  // namespace facet
