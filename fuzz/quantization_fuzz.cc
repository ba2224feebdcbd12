// Any bytes, read as a config.json with a quantization_config: refused, or rules that can be asked about any module.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "model/mobile_config.h"
#include "model/packed_config.h"
#include "refusal.h"

namespace {

void read_mobile(std::string_view text) {
  const auto mobile = facet::MobileConfig::find(text);
  if (!mobile.ok()) return facet::expect_refusal(mobile.status());
  if (!mobile->has_value()) return;
  for (const char* module :
       {"", "lm_head", "model.language_model.embed_tokens", "model.language_model.layers.14.mlp.up_proj",
        "model.layers.7.per_layer_input_gate", "model.language_model.layers.1023.experts.gate_up_proj"}) {
    const std::optional<int> bits = (*mobile)->bits_of(module);
    if (bits && *bits != 0 && *bits != 2 && *bits != 4 && *bits != 8) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const facet::Result<bool> packed = facet::is_packed(text);
  if (!packed.ok())
    facet::expect_refusal(packed.status());
  else if (!*packed)
    read_mobile(text);
  return 0;
}
