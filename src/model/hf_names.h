// hf_names.h: what the names in a Hugging Face folder mean.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "model/companions.h"
#include "model/config.h"

namespace facet {

// "model.language_model.layers.0..." and "model.layers.0..." -> "layers.0..."; "lm_head..." stays.  nullopt: not a
// decoder tensor (vision, audio, rotary buffers, clip bounds), to be passed over.
std::optional<std::string> canonical_name(std::string_view name);

// A tensor of a vision or audio tower, or of what embeds its output; nullopt: another.
struct TowerName {
  Tower tower;
  std::string name;  // without "model." in front
};
std::optional<TowerName> tower_name(std::string_view name);

// k_proj, v_proj, k_norm (weights and scales) of a layer that shares another's cache: dead weights that may be stored
// or not.
bool is_dead_tensor(const GemmaConfig& config, std::string_view canonical);

}  // namespace facet
