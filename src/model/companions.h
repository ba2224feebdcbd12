// companions.h: what lies beside a text decoder: Facet does not run it, and takes it along when it writes the model
// anew.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/safetensors/safetensors.h"

namespace facet {

enum class Tower { kVision, kAudio };
std::string_view name_of(Tower tower);  // "vision" "audio"

//   FACET_ASSIGN(const Companions beside, load_companions("gemma-4-e2b-it"));
//   FACET_TRY(save_checkpoint("out", checkpoint, tokenizer, {}, beside));
struct Companions {
  std::string chat_template;                 // "" where there is none
  std::map<std::string, std::string> files;  // of a folder: what processors and tokenizers read, whole, by name
  std::string config;                        // of a folder with towers: its config.json
  // By name without the "model." in front: "vision_tower.patch_embedder.input_proj.weight".
  struct Tensor {
    Tower tower;
    SafetensorsType type;
    Shape shape;
    std::span<const std::byte> bytes;
  };
  std::map<std::string, Tensor> towers;
  std::vector<std::shared_ptr<const void>> owners;  // of their bytes

  // Whether linears of the towers are stored as codes (mobile), whose meaning is in `config`.
  bool has_codes() const;
  struct Size {
    int n_tensors = 0;
    std::uint64_t bytes = 0;
  };
  Size size_of(Tower tower) const;
  // "439 vision tensors (339.2 MB) and 751 audio tensors (612.0 MB)"; "" where there are none.
  std::string describe_towers() const;
};

// Of a model folder or .gguf file.  Errors as load_checkpoint(); texts of more than 100 MiB are kCorrupt.
Result<Companions> load_companions(const std::string& path);

}  // namespace facet
