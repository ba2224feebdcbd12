// config.h: everything that shapes a Gemma 4 text decoder, read from a Hugging Face config.json or from GGUF metadata.
// Facts and defaults: docs/model/gemma4.md.  Shape letters: docs/architecture.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "facet/status.h"

namespace facet {

struct GgufFile;  // formats/gguf

enum class LayerKind : std::uint8_t { kSliding, kGlobal };

// A plain value.  validate() says whether it describes a model that can exist; every reader calls it.
struct GemmaConfig {
  int vocab_size = 0;         // V
  int hidden_size = 0;        // D
  int ffn_size = 0;           // F, the dense MLP before doubling
  int n_heads = 0;            // H
  int n_kv_heads = 0;         // K on sliding layers
  int n_global_kv_heads = 0;  // K on global layers; equals n_kv_heads unless k_eq_v
  int head_size = 0;          // C on sliding layers
  int global_head_size = 0;   // C on global layers
  int sliding_window = 0;     // W: keys a sliding layer sees, the token itself included
  int max_positions = 0;
  std::vector<LayerKind> layers;  // L entries; the last is global
  int n_kv_shared_layers = 0;     // the last n layers attend to another layer's cache
  bool double_wide_mlp = false;   // sharing layers have 2F
  bool k_eq_v = false;            // global layers have no v projection
  int ple_size = 0;               // P: per-layer embedding width, 0 = none
  int n_experts = 0;              // 0 = dense only
  int n_experts_used = 0;
  int expert_ffn_size = 0;
  float rms_eps = 1e-6f;
  float logit_softcap = 0.0f;  // 0 = none
  double rope_theta = 1e4;     // sliding layers, all pairs rotate
  double rope_theta_global = 1e6;
  double rope_partial_global = 0.25;  // "proportional": this share of the pairs rotates, exponents over the full head
  double rope_factor_global = 1.0;    // divides the global frequencies
  bool tied_head = true;
  int pad_token = 0, bos_token = 2;
  std::vector<int> eos_tokens{1};
  std::vector<int> suppressed_tokens;  // never sampled (12B)

  // Drafters only, 0 in every other model (docs/model/drafters.md).  Their layers have queries and no keys or values:
  // n_kv_shared_layers is n_layers(), and n_kv_heads, head sizes, window and RoPE are those of the model drafted for.
  int target_hidden_size = 0;  // D of that model
  int n_clusters = 0;          // of the ordered head; 0 = a head over all tokens
  int n_clusters_used = 0;     // whose tokens get logits

  bool is_drafter() const { return target_hidden_size > 0; }
  int cluster_size() const { return n_clusters > 0 ? vocab_size / n_clusters : 0; }

  int n_layers() const { return static_cast<int>(layers.size()); }
  bool has_moe() const { return n_experts > 0; }
  bool is_global(int l) const { return layers[l] == LayerKind::kGlobal; }
  int first_shared_layer() const { return n_layers() - n_kv_shared_layers; }
  bool owns_kv(int l) const { return l < first_shared_layer(); }
  // The layer whose cache layer l reads: itself, or the last owning layer of the same kind; -1 in a drafter.
  int kv_donor(int l) const;
  int head_size_of(int l) const { return is_global(l) ? global_head_size : head_size; }
  int n_kv_heads_of(int l) const { return is_global(l) ? n_global_kv_heads : n_kv_heads; }
  int ffn_size_of(int l) const { return double_wide_mlp && !owns_kv(l) ? 2 * ffn_size : ffn_size; }
  bool has_v_proj(int l) const { return !(k_eq_v && is_global(l)); }
  // Rotation frequencies of the head_size/2 pairs of layer l (0 = the pair does not rotate).
  std::vector<double> rope_frequencies(int l) const;

  Status validate() const;
  bool operator==(const GemmaConfig&) const = default;
};

// text: the whole config.json.  Reads text_config when there is one.  Unknown keys are ignored, contradictory ones
// refused.
Result<GemmaConfig> parse_hf_config(std::string_view text);
// The inverse: a text-only config.json (Gemma4ForCausalLM keys at the top level), with quantization_config when not
// empty (a JSON object as text).
std::string to_hf_config(const GemmaConfig& config, std::string_view quantization_config = "");
// The same inside `around`, the config.json of a model with towers, which keeps everything else it says.  kCorrupt: it
// is no such config.
Result<std::string> to_hf_config_within(std::string_view around, const GemmaConfig& config,
                                        std::string_view quantization_config = "");
Result<GemmaConfig> parse_gguf_config(const GgufFile& file);
// The same for drafters, and only for them; the two above refuse drafters (kUnsupported).
Result<GemmaConfig> parse_hf_drafter_config(std::string_view text, bool* unified = nullptr);
// unified: of a 12B's drafter, whose classes in transformers have names of their own.
std::string to_hf_drafter_config(const GemmaConfig& config, bool unified);
Result<GemmaConfig> parse_gguf_drafter_config(const GgufFile& file);

// "e2b" "e4b" "12b" "26b-a4b" "31b".
Result<GemmaConfig> preset(std::string_view name);
std::vector<std::string> preset_names();
// The drafter of each: "e2b-drafter" and so on.
Result<GemmaConfig> drafter_preset(std::string_view name);
std::vector<std::string> drafter_preset_names();

}  // namespace facet
