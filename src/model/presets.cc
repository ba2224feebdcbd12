#include <fmt/format.h>

#include "model/config.h"

namespace facet {
namespace {

// n repetitions of `sliding` sliding layers and one global layer.
std::vector<LayerKind> pattern(int sliding, int n) {
  std::vector<LayerKind> out;
  for (int i = 0; i < n; ++i) {
    out.insert(out.end(), static_cast<std::size_t>(sliding), LayerKind::kSliding);
    out.push_back(LayerKind::kGlobal);
  }
  return out;
}

GemmaConfig family() {
  GemmaConfig c;
  c.vocab_size = 262144;
  c.head_size = 256;
  c.global_head_size = 512;
  c.logit_softcap = 30.0f;
  c.max_positions = 262144;
  c.sliding_window = 1024;
  c.eos_tokens = {1, 106};
  return c;
}

}  // namespace

std::vector<std::string> preset_names() { return {"e2b", "e4b", "12b", "26b-a4b", "31b"}; }

Result<GemmaConfig> preset(std::string_view name) {
  GemmaConfig c = family();
  auto dims = [&](int hidden, int ffn, int heads, int kv, int global_kv) {
    c.hidden_size = hidden;
    c.ffn_size = ffn;
    c.n_heads = heads;
    c.n_kv_heads = kv;
    c.n_global_kv_heads = global_kv;
    c.k_eq_v = global_kv != kv;
  };
  if (name == "e2b" || name == "e4b") {
    bool small = name == "e2b";
    small ? dims(1536, 6144, 8, 1, 1) : dims(2560, 10240, 8, 2, 2);
    c.layers = small ? pattern(4, 7) : pattern(5, 7);
    c.n_kv_shared_layers = small ? 20 : 18;
    c.double_wide_mlp = small;
    c.ple_size = 256;
    c.sliding_window = 512;
    c.max_positions = 131072;
  } else if (name == "12b") {
    dims(3840, 15360, 16, 8, 1);
    c.layers = pattern(5, 8);
    c.suppressed_tokens = {258882, 258883};
  } else if (name == "26b-a4b") {
    dims(2816, 2112, 16, 8, 2);
    c.layers = pattern(5, 5);
    c.n_experts = 128;
    c.n_experts_used = 8;
    c.expert_ffn_size = 704;
  } else if (name == "31b") {
    dims(5376, 21504, 32, 16, 4);
    c.layers = pattern(5, 10);
  } else {
    return invalid_argument(fmt::format("unknown preset '{}' (e2b, e4b, 12b, 26b-a4b or 31b)", name));
  }
  return c;
}

namespace {
constexpr std::string_view kDrafterTail = "-drafter";
}

std::vector<std::string> drafter_preset_names() {
  std::vector<std::string> out;
  for (const std::string& name : preset_names()) out.push_back(name + std::string(kDrafterTail));
  return out;
}

Result<GemmaConfig> drafter_preset(std::string_view name) {
  if (!name.ends_with(kDrafterTail))
    return invalid_argument(fmt::format("unknown drafter preset '{}' (e2b-drafter and so on)", name));
  const std::string_view target_name = name.substr(0, name.size() - kDrafterTail.size());
  FACET_ASSIGN(const GemmaConfig target, preset(target_name));
  GemmaConfig c = family();
  const bool small = target.ple_size > 0;  // E2B and E4B
  c.target_hidden_size = target.hidden_size;
  c.hidden_size = small ? 256 : 1024;
  c.ffn_size = small ? 2048 : 8192;
  c.n_heads = small ? 4 : target_name == "31b" ? 32 : 16;
  c.n_kv_heads = target.n_kv_heads;
  c.n_global_kv_heads = target.n_global_kv_heads;
  c.k_eq_v = target.k_eq_v;
  c.layers = pattern(3, 1);
  c.n_kv_shared_layers = c.n_layers();
  c.sliding_window = target.sliding_window;
  c.max_positions = target.max_positions;
  c.logit_softcap = 0;
  if (small) {
    c.n_clusters = 2048;
    c.n_clusters_used = 32;
  }
  return c;
}

}  // namespace facet
