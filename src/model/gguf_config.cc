#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/checked.h"
#include "base/printable.h"
#include "formats/gguf/gguf.h"
#include "model/config.h"
#include "model/gguf_keys.h"
#include "model/tensor_check.h"

namespace facet {
namespace {

// Reads values of one file; the first problem is kept and later reads do nothing.
class Keys {
 public:
  Keys(const GgufFile& file, std::string_view architecture) : file_(file), architecture_(architecture) {}

  // "block_count" -> "gemma4.block_count".
  std::string name(const char* tail) const { return architecture_ + "." + tail; }

  void get(const std::string& key, int& value, std::optional<std::int64_t> fallback = {}) {
    if (auto found = read(file_.get_int(key, fallback))) value = to_int(key, *found);
  }
  void get(const std::string& key, double& value, std::optional<double> fallback = {}) {
    if (auto found = read(file_.get_float(key, fallback))) value = *found;
  }
  // "One for all layers, or one per layer."
  std::vector<int> get_per_layer(const std::string& key, int n_layers) {
    return ints(key, read(file_.get_ints_of(key, static_cast<std::size_t>(n_layers))));
  }
  std::vector<int> get_list(const std::string& key) {
    if (!file_.find(key)) return {};
    return ints(key, read(file_.get_ints(key)));
  }
  void fail(const std::string& why) {
    if (status_.ok()) status_ = corrupt(file_.path + ": " + why);
  }
  const Status& status() const { return status_; }

 private:
  template <typename T>
  std::optional<T> read(Result<T> found) {
    if (!status_.ok()) return {};
    if (found.ok()) return std::move(*found);
    status_ = found.status();
    return {};
  }
  int to_int(const std::string& key, std::int64_t v) {
    const std::optional<int> n = checked_narrow<int>(v);
    if (!n) fail(fmt::format("{} is {}, out of range", key, v));
    return n.value_or(0);
  }
  std::vector<int> ints(const std::string& key, const std::optional<std::vector<std::int64_t>>& values) {
    std::vector<int> out;
    if (values)
      for (std::int64_t v : *values) out.push_back(to_int(key, v));
    return out;
  }

  const GgufFile& file_;
  std::string architecture_;
  Status status_;
};

// true = sliding; bools in files that follow the specification, integers in some others.
Status read_layers(const GgufFile& file, const Keys& keys, int n_layers, std::vector<LayerKind>& out) {
  const std::string key = keys.name("attention.sliding_window_pattern");
  std::vector<bool> sliding;
  if (auto bools = file.get_bools(key); bools.ok()) {
    sliding = std::move(*bools);
  } else if (auto ints = file.get_ints(key); ints.ok()) {
    for (std::int64_t i : *ints) sliding.push_back(i != 0);
  } else {
    return bools.status();
  }
  if (sliding.size() != static_cast<std::size_t>(n_layers))
    return corrupt(fmt::format("{}: {} has {} entries for {} layers", file.path, key, sliding.size(), n_layers));
  for (bool s : sliding) out.push_back(s ? LayerKind::kSliding : LayerKind::kGlobal);
  return {};
}

// Proportional RoPE lives in a tensor of divisors: one factor for the pairs that rotate, "never" (1e30) for the others.
// Files without it mean the family's: the first quarter.
Status read_rope_divisors(const GgufFile& file, GemmaConfig& c) {
  const GgufTensor* t = file.find_tensor(kRopeFreqs);
  if (!t) return {};
  auto bad = [&](const std::string& why) {
    return corrupt(fmt::format("{}: tensor '{}' {}", file.path, kRopeFreqs, why));
  };
  const Shape half{c.global_head_size / 2};
  if (t->type != GgmlType::kF32 || t->shape != half)
    return bad(fmt::format("is {} {}, expected F32 {}", ggml_type_name(t->type), to_string(t->shape), to_string(half)));
  FACET_ASSIGN(StoredTensor stored, file.tensor(kRopeFreqs));
  const std::span<const float> divisors = floats_of(stored.view);
  auto rotates = [](float d) { return d < 1e20f; };
  const auto n = std::find_if_not(divisors.begin(), divisors.end(), rotates) - divisors.begin();
  for (std::ptrdiff_t i = 0; i < std::ssize(divisors); ++i)
    if (!(divisors[i] > 0) || rotates(divisors[i]) != (i < n) || (i < n && divisors[i] != divisors[0]))
      return bad(
          fmt::format("has {} at {}: expected one factor for the first pairs and 1e30 for the rest; other kinds "
                      "of RoPE are not Gemma 4's",
                      divisors[i], i));
  if (n == 0) return {};
  c.rope_factor_global = divisors[0];
  c.rope_partial_global = double(n) / double(divisors.size());
  // rope_frequencies() rounds share * pairs down, as the reference does; the division above must not lose the last one.
  while (c.rope_partial_global * c.global_head_size / 2 < double(n))
    c.rope_partial_global = std::nextafter(c.rope_partial_global, 2.0);
  return {};
}

// Ids that end an answer: our own list, or the two of the format and, as llama.cpp does, two it knows by name.
Status read_end_tokens(const GgufFile& file, Keys& keys, GemmaConfig& c) {
  c.eos_tokens = keys.get_list(kEosList);
  if (!c.eos_tokens.empty()) return keys.status();
  auto add = [&](int id) {
    if (std::find(c.eos_tokens.begin(), c.eos_tokens.end(), id) == c.eos_tokens.end()) c.eos_tokens.push_back(id);
  };
  int id = 1;
  keys.get("tokenizer.ggml.eos_token_id", id, 1);
  add(id);
  keys.get("tokenizer.ggml.eot_token_id", id, id);
  add(id);
  FACET_TRY(keys.status());
  if (auto tokens = file.get_strings("tokenizer.ggml.tokens"); tokens.ok())
    for (std::string_view name : {"<turn|>", "<|tool_response>"})
      if (auto at = std::find(tokens->begin(), tokens->end(), name); at != tokens->end())
        add(static_cast<int>(at - tokens->begin()));
  return {};
}

Status read_vocab_size(const GgufFile& file, GemmaConfig& c) {
  const GgufTensor* embedding = file.find_tensor("token_embd.weight");
  if (!embedding) return not_found(missing_tensor(file.path, "token_embd.weight", 1));
  if (embedding->shape.size() == 2)
    c.vocab_size = static_cast<int>(std::min<std::int64_t>(embedding->shape[0], std::numeric_limits<int>::max()));
  if (auto tokens = file.get_strings("tokenizer.ggml.tokens");
      tokens.ok() && tokens->size() != static_cast<std::size_t>(c.vocab_size))
    return corrupt(fmt::format("{}: tensor 'token_embd.weight' is {}, but the file lists {} tokens", file.path,
                               to_string(embedding->shape), tokens->size()));
  return {};
}

Status read_heads(Keys& keys, GemmaConfig& c) {
  const std::vector<int> kv = keys.get_per_layer(keys.name("attention.head_count_kv"), c.n_layers());
  FACET_TRY(keys.status());
  for (int l = 0; l < c.n_layers(); ++l) {
    int& heads = c.is_global(l) ? c.n_global_kv_heads : c.n_kv_heads;
    if (kv[l] < 1 || (heads != 0 && heads != kv[l]))
      keys.fail(fmt::format("{} is {} at layer {}, expected {}", keys.name("attention.head_count_kv"), kv[l], l,
                            heads ? std::to_string(heads) + " as in other layers of its kind" : "at least 1"));
    heads = kv[l];
  }
  if (c.n_kv_heads == 0) c.n_kv_heads = c.n_global_kv_heads;  // no sliding layer at all
  return keys.status();
}

Status read_ffn(Keys& keys, GemmaConfig& c) {
  const std::vector<int> ffn = keys.get_per_layer(keys.name("feed_forward_length"), c.n_layers());
  FACET_TRY(keys.status());
  c.ffn_size = ffn[0];
  c.double_wide_mlp = c.n_kv_shared_layers > 0 && std::int64_t{ffn.back()} == 2 * std::int64_t{ffn[0]};
  if (ffn[0] < 1 || ffn[0] > 1 << 22)  // before doubling
    keys.fail(fmt::format("{} is {}, expected 1 to {}", keys.name("feed_forward_length"), ffn[0], 1 << 22));
  FACET_TRY(keys.status());
  for (int l = 0; l < c.n_layers(); ++l)
    if (ffn[l] != c.ffn_size_of(l))
      keys.fail(fmt::format("{} is {} at layer {}, expected {} (or twice the first on all layers that share a cache)",
                            keys.name("feed_forward_length"), ffn[l], l, c.ffn_size_of(l)));
  return keys.status();
}

// What tensors tell of a drafter: the width of the model it drafts for, and its clusters.
Status read_drafter(const GgufFile& file, Keys& keys, GemmaConfig& c) {
  keys.get(keys.name("embedding_length_out"), c.target_hidden_size, c.hidden_size);
  FACET_TRY(keys.status());
  if (c.target_hidden_size < 1)
    return corrupt(fmt::format("{}: {} is {}", file.path, keys.name("embedding_length_out"), c.target_hidden_size));
  const GgufTensor *centroids = file.find_tensor(kCentroids), *ordering = file.find_tensor(kOrdering);
  if ((centroids == nullptr) != (ordering == nullptr))
    return not_found(missing_tensor(file.path, centroids == nullptr ? kCentroids : kOrdering, 1));
  if (centroids == nullptr) return {};  // left out by other converters: every token gets a logit
  if (centroids->shape.size() != 2 || centroids->shape[0] > c.vocab_size)
    return corrupt(fmt::format("{}: tensor '{}' is {}, expected a row for each cluster of {} tokens", file.path,
                               kCentroids, to_string(centroids->shape), c.vocab_size));
  c.n_clusters = static_cast<int>(centroids->shape[0]);
  keys.get(kClustersUsed, c.n_clusters_used, std::min(c.n_clusters, 32));
  return keys.status();
}

Status read_all(const GgufFile& file, bool drafter, GemmaConfig& c) {
  Keys keys(file, drafter ? kDrafterArchitecture : kArchitecture);
  int n_layers = 0, global_value = 0, sliding_value = 0;
  double eps = 0, softcap = 0;
  auto get = [&](const char* name, auto& value, auto... fallback) { keys.get(keys.name(name), value, fallback...); };
  get("block_count", n_layers);
  if (keys.status().ok() && (n_layers < 1 || n_layers > 1024))
    keys.fail(fmt::format("{} is {}, expected 1 to 1024", keys.name("block_count"), n_layers));
  FACET_TRY(keys.status());
  FACET_TRY(read_layers(file, keys, n_layers, c.layers));
  get("context_length", c.max_positions);
  get("embedding_length", c.hidden_size);
  get("attention.head_count", c.n_heads);
  get("attention.key_length", c.global_head_size);
  get("attention.value_length", global_value, c.global_head_size);
  get("attention.key_length_swa", c.head_size);
  get("attention.value_length_swa", sliding_value, c.head_size);
  get("attention.sliding_window", c.sliding_window);
  get("attention.shared_kv_layers", c.n_kv_shared_layers, 0);
  get("embedding_length_per_layer_input", c.ple_size, 0);
  get("attention.layer_norm_rms_epsilon", eps);
  if (!drafter) get("final_logit_softcapping", softcap, 30.0);  // llama.cpp's default: a missing key is not "off"
  get("rope.freq_base", c.rope_theta_global, 1e6);
  get("rope.freq_base_swa", c.rope_theta, 1e4);
  get("expert_count", c.n_experts, 0);
  if (c.n_experts > 0) {
    get("expert_used_count", c.n_experts_used);
    get("expert_feed_forward_length", c.expert_ffn_size);
  }
  keys.get("tokenizer.ggml.padding_token_id", c.pad_token, 0);
  keys.get("tokenizer.ggml.bos_token_id", c.bos_token, 2);
  c.suppressed_tokens = keys.get_list("tokenizer.ggml.suppress_tokens");
  FACET_TRY(keys.status());
  c.rms_eps = static_cast<float>(eps);
  c.logit_softcap = static_cast<float>(softcap);
  if (global_value != c.global_head_size || sliding_value != c.head_size)
    keys.fail(fmt::format("key and value lengths differ ({} and {}, {} and {}); Gemma 4 has them equal",
                          c.global_head_size, global_value, c.head_size, sliding_value));
  if (c.n_kv_shared_layers < 0 || c.n_kv_shared_layers > n_layers - (drafter ? 0 : 1))
    keys.fail(
        fmt::format("{} is {} of {} layers", keys.name("attention.shared_kv_layers"), c.n_kv_shared_layers, n_layers));
  FACET_TRY(keys.status());
  // What only the tensors tell: whether keys serve as values on global layers, and whether the head is tied.
  for (int l = 0; l < c.first_shared_layer(); ++l)
    if (c.is_global(l) && !file.find_tensor(fmt::format("blk.{}.attn_v.weight", l))) c.k_eq_v = true;
  c.tied_head = file.find_tensor("output.weight") == nullptr;
  FACET_TRY(read_vocab_size(file, c));
  FACET_TRY(read_end_tokens(file, keys, c));
  FACET_TRY(read_heads(keys, c));
  FACET_TRY(read_ffn(keys, c));
  if (drafter) {
    if (c.n_kv_shared_layers == 0) c.n_kv_shared_layers = n_layers;
    c.k_eq_v =
        c.n_kv_heads != c.n_global_kv_heads;  // it has no values of its own; such models' drafters have both counts
    FACET_TRY(read_drafter(file, keys, c));
  }
  return read_rope_divisors(file, c);
}

Result<GemmaConfig> read_config(const GgufFile& file, bool drafter) {
  if (auto n = file.get_int("split.count", 1); !n.ok() || *n > 1)
    return unsupported(file.path + ": is one part of several; join them first (llama-gguf-split --merge)");
  GemmaConfig c;
  FACET_TRY(read_all(file, drafter, c));
  FACET_TRY(c.validate().with_prefix(file.path));
  return c;
}

}  // namespace

Result<GemmaConfig> parse_gguf_config(const GgufFile& file) {
  FACET_ASSIGN(std::string_view architecture, file.get_string("general.architecture"));
  if (architecture != kArchitecture)
    return unsupported(fmt::format("{}: general.architecture is '{}', expected {}{}", file.path,
                                   printable(architecture), kArchitecture,
                                   architecture == kDrafterArchitecture ? " (this is a drafter)" : ""));
  return read_config(file, /*drafter=*/false);
}

Result<GemmaConfig> parse_gguf_drafter_config(const GgufFile& file) {
  FACET_ASSIGN(std::string_view architecture, file.get_string("general.architecture"));
  if (architecture != kDrafterArchitecture)
    return unsupported(fmt::format("{}: general.architecture is '{}', expected {}: not a drafter{}", file.path,
                                   printable(architecture), kDrafterArchitecture,
                                   architecture == kArchitecture ? " but an ordinary model" : ""));
  return read_config(file, /*drafter=*/true);
}

}  // namespace facet
