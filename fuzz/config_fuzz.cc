// Any bytes, read as config.json, of a model and of a drafter, and as generation_config.json: refused, or a config that
// holds together and is the same after it was written and read again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "model/config.h"
#include "model/generation_config.h"
#include "refusal.h"

namespace {

using facet::GemmaConfig;

void use(const GemmaConfig& config) {
  if (!config.validate().ok()) std::abort();
  for (int l = 0; l < config.n_layers(); ++l) {
    const int donor = config.kv_donor(l);
    if (donor < 0 || donor > l || !config.owns_kv(donor) || config.is_global(donor) != config.is_global(l))
      std::abort();
    if (config.head_size_of(l) < 2 || config.n_heads % config.n_kv_heads_of(l) != 0 || config.ffn_size_of(l) < 1)
      std::abort();
  }
}

void read_config(std::string_view text) {
  const facet::Result<GemmaConfig> config = facet::parse_hf_config(text);
  if (!config.ok()) return facet::expect_refusal(config.status());
  use(*config);
  const std::string written = facet::to_hf_config(*config);
  const facet::Result<GemmaConfig> again = facet::parse_hf_config(written);
  if (!again.ok() || facet::to_hf_config(*again) != written) std::abort();
}

void read_drafter_config(std::string_view text) {
  bool unified = false;
  const facet::Result<GemmaConfig> config = facet::parse_hf_drafter_config(text, &unified);
  if (!config.ok()) return facet::expect_refusal(config.status());
  if (!config->validate().ok() || !config->is_drafter()) std::abort();
  if (config->n_clusters > 0 && (config->cluster_size() < 1 || config->n_clusters_used > config->n_clusters))
    std::abort();
  const std::string written = facet::to_hf_drafter_config(*config, unified);
  const facet::Result<GemmaConfig> again = facet::parse_hf_drafter_config(written);
  if (!again.ok() || facet::to_hf_drafter_config(*again, unified) != written) std::abort();
}

void read_generation_config(std::string_view text) {
  GemmaConfig config = *facet::preset("e2b");
  const facet::Status status = facet::apply_generation_config(text, config);
  if (!status.ok()) return facet::expect_refusal(status);
  use(config);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  read_config(text);
  read_drafter_config(text);
  read_generation_config(text);
  return 0;
}
