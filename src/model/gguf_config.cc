#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "formats/gguf/gguf.h"
#include "model/config.h"

namespace facet {
namespace {

// Reads keys of the gemma4 architecture; the first problem is kept and later reads do nothing.
class Keys {
 public:
  explicit Keys(const GgufFile& file) : file_(file) {}

  void get(const char* key, int& value, std::optional<std::int64_t> fallback = {}) {
    if (!status_.ok()) return;
    auto found = file_.get_int(name(key), fallback);
    if (!found.ok()) return fail(found.status());
    if (*found < INT32_MIN || *found > INT32_MAX)
      return fail(corrupt(fmt::format("{}: {} is {}, out of range", file_.path, name(key), *found)));
    value = static_cast<int>(*found);
  }
  void get(const char* key, double& value, std::optional<double> fallback = {}) {
    if (!status_.ok()) return;
    auto found = file_.get_float(name(key), fallback);
    if (!found.ok()) return fail(found.status());
    value = *found;
  }
  std::vector<std::int64_t> get_per_layer(const char* key, std::size_t n) {
    if (!status_.ok()) return {};
    auto found = file_.get_ints_of(name(key), n);
    if (!found.ok()) {
      fail(found.status());
      return {};
    }
    return *found;
  }
  void fail(Status status) {
    if (status_.ok()) status_ = std::move(status);
  }
  static std::string name(const char* key) { return std::string("gemma4.") + key; }
  const Status& status() const { return status_; }

 private:
  const GgufFile& file_;
  Status status_;
};

// true = sliding; bools in files that follow the specification, integers in some others.
Result<std::vector<LayerKind>> read_pattern(const GgufFile& file, int n_layers) {
  std::string key = Keys::name("attention.sliding_window_pattern");
  std::vector<LayerKind> out;
  if (auto bools = file.get_bools(key); bools.ok()) {
    for (bool sliding : *bools) out.push_back(sliding ? LayerKind::kSliding : LayerKind::kGlobal);
  } else {
    FACET_ASSIGN(std::vector<std::int64_t> ints, file.get_ints(key));
    for (auto sliding : ints) out.push_back(sliding != 0 ? LayerKind::kSliding : LayerKind::kGlobal);
  }
  if (out.size() > static_cast<std::size_t>(n_layers))
    return corrupt(fmt::format("{}: {} has {} entries for {} layers", file.path, key, out.size(), n_layers));
  out.resize(static_cast<std::size_t>(n_layers), LayerKind::kGlobal);
  return out;
}

int shape_at(const GgufFile& file, const std::string& tensor, std::size_t dimension) {
  const GgufTensor* t = file.find_tensor(tensor);
  return t && t->shape.size() > dimension ? static_cast<int>(t->shape[dimension]) : 0;
}

}  // namespace

Result<GemmaConfig> parse_gguf_config(const GgufFile& file) {
  FACET_ASSIGN(std::string_view architecture, file.get_string("general.architecture"));
  if (architecture != "gemma4")
    return unsupported(fmt::format("{}: general.architecture is '{}', expected gemma4", file.path, architecture));
  GemmaConfig c;
  Keys keys(file);
  int n_layers = 0, global_value = 0, sliding_value = 0;
  keys.get("block_count", n_layers);
  if (!keys.status().ok()) return keys.status();
  if (n_layers < 1 || n_layers > 1024) return corrupt(fmt::format("{}: block_count is {}", file.path, n_layers));
  auto L = static_cast<std::size_t>(n_layers);
  FACET_ASSIGN(c.layers, read_pattern(file, n_layers));
  keys.get("context_length", c.max_positions);
  keys.get("embedding_length", c.hidden_size);
  keys.get("attention.head_count", c.n_heads);
  keys.get("attention.key_length", c.global_head_size);
  keys.get("attention.value_length", global_value, c.global_head_size);
  keys.get("attention.key_length_swa", c.head_size);
  keys.get("attention.value_length_swa", sliding_value, c.head_size);
  keys.get("attention.sliding_window", c.sliding_window);
  keys.get("attention.shared_kv_layers", c.n_kv_shared_layers, 0);
  keys.get("embedding_length_per_layer_input", c.ple_size, 0);
  double eps = 0, softcap = 0;
  keys.get("attention.layer_norm_rms_epsilon", eps);
  keys.get("final_logit_softcapping", softcap, 30.0);  // llama.cpp's default: a missing key is not "off"
  keys.get("rope.freq_base", c.rope_theta_global);
  keys.get("rope.freq_base_swa", c.rope_theta, 10000.0);
  keys.get("expert_count", c.n_experts, 0);
  keys.get("expert_used_count", c.n_experts_used, 0);
  keys.get("expert_feed_forward_length", c.expert_ffn_size, 0);
  std::vector<std::int64_t> kv = keys.get_per_layer("attention.head_count_kv", L);
  std::vector<std::int64_t> ffn = keys.get_per_layer("feed_forward_length", L);
  if (!keys.status().ok()) return keys.status();
  c.rms_eps = static_cast<float>(eps);
  c.logit_softcap = static_cast<float>(softcap);
  if (global_value != c.global_head_size || sliding_value != c.head_size)
    return corrupt(fmt::format("{}: key and value lengths differ; Gemma 4 has them equal", file.path));
  if (c.n_kv_shared_layers < 0 || c.n_kv_shared_layers >= n_layers)
    return corrupt(fmt::format("{}: shared_kv_layers is {} of {} layers", file.path, c.n_kv_shared_layers, n_layers));
  for (int l = 0; l < n_layers; ++l) {
    int& heads = c.is_global(l) ? c.n_global_kv_heads : c.n_kv_heads;
    if (heads != 0 && heads != kv[l])
      return corrupt(fmt::format("{}: head_count_kv of layer {} is {}, another layer of its kind has {}", file.path, l,
                                 kv[l], heads));
    heads = static_cast<int>(std::clamp<std::int64_t>(kv[l], 0, 1 << 16));
  }
  if (c.n_kv_heads == 0) c.n_kv_heads = c.n_global_kv_heads;  // all layers global
  c.ffn_size = static_cast<int>(std::clamp<std::int64_t>(ffn[0], 0, 1 << 22));
  c.double_wide_mlp = c.n_kv_shared_layers > 0 && ffn.back() == 2 * ffn[0];
  for (int l = 0; l < n_layers; ++l)
    if (ffn[l] != c.ffn_size_of(l))
      return corrupt(fmt::format("{}: feed_forward_length of layer {} is {}, expected {}", file.path, l, ffn[l],
                                 c.ffn_size_of(l)));
  // What only the tensors tell: whether values have a projection of their own, how much of a global head rotates, an
  // untied head.
  for (int l = 0; l < c.first_shared_layer(); ++l)
    if (c.is_global(l) && !file.find_tensor(fmt::format("blk.{}.attn_v.weight", l))) c.k_eq_v = true;
  if (const GgufTensor* freqs = file.find_tensor("rope_freqs.weight"); freqs && freqs->type == GgmlType::kF32) {
    FACET_ASSIGN(StoredTensor stored, file.tensor("rope_freqs.weight"));
    std::span<const float> divisors{reinterpret_cast<const float*>(stored.view.bytes.data()),
                                    stored.view.bytes.size() / sizeof(float)};
    if (divisors.size() != static_cast<std::size_t>(c.global_head_size) / 2)
      return corrupt(
          fmt::format("{}: rope_freqs has {} values, expected {}", file.path, divisors.size(), c.global_head_size / 2));
    auto rotated = std::count_if(divisors.begin(), divisors.end(), [](float d) { return d < 1e20f; });
    if (rotated > 0) {
      c.rope_partial_global = double(rotated) / double(divisors.size());
      c.rope_factor_global = divisors[0];
    }
  }
  c.tied_head = file.find_tensor("output.weight") == nullptr;
  c.vocab_size = shape_at(file, "token_embd.weight", 0);
  if (auto tokens = file.get_strings("tokenizer.ggml.tokens"); c.vocab_size == 0 && tokens.ok())
    c.vocab_size = static_cast<int>(std::min<std::size_t>(tokens->size(), 1 << 24));
  auto token = [&](const char* key, int fallback) -> Result<int> {
    FACET_ASSIGN(std::int64_t id, file.get_int(std::string("tokenizer.ggml.") + key, fallback));
    return static_cast<int>(std::clamp<std::int64_t>(id, -1, INT32_MAX));
  };
  FACET_ASSIGN(c.pad_token, token("padding_token_id", 0));
  FACET_ASSIGN(c.bos_token, token("bos_token_id", 2));
  FACET_ASSIGN(int eos, token("eos_token_id", 1));
  FACET_ASSIGN(int eot, token("eot_token_id", eos));
  c.eos_tokens = {eos};
  if (eot != eos) c.eos_tokens.push_back(eot);
  if (file.find("tokenizer.ggml.suppress_tokens")) {
    FACET_ASSIGN(std::vector<std::int64_t> ids, file.get_ints("tokenizer.ggml.suppress_tokens"));
    for (auto id : ids) c.suppressed_tokens.push_back(static_cast<int>(std::clamp<std::int64_t>(id, -1, INT32_MAX)));
  }
  Status valid = c.validate();
  if (!valid.ok()) return valid.with_prefix(file.path);
  return c;
}

}  // namespace facet
