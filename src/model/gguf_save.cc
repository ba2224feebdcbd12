#include <fmt/format.h>

#include "base/check.h"
#include "formats/gguf/gguf_writer.h"
#include "model/checkpoint.h"
#include "quant/codec.h"

namespace facet {
namespace {

// What llama.cpp's loader needs and what its converter writes; types as in docs/formats/gguf.md.
void add_metadata(GgufWriter& out, const GemmaConfig& c, const std::map<std::string, std::string>& metadata) {
  auto key = [](const char* name) { return std::string("gemma4.") + name; };
  auto u32 = [](int v) { return static_cast<std::uint32_t>(v); };
  out.add("general.architecture", std::string_view("gemma4"));
  out.add("general.type", std::string_view("model"));
  out.add("general.quantization_version", std::uint32_t{2});
  out.add(key("block_count"), u32(c.n_layers()));
  out.add(key("context_length"), u32(c.max_positions));
  out.add(key("embedding_length"), u32(c.hidden_size));
  bool ffn_differs = false, kv_differs = c.n_kv_heads != c.n_global_kv_heads;
  std::vector<std::int32_t> ffn, kv;
  std::vector<bool> sliding;
  for (int l = 0; l < c.n_layers(); ++l) {
    ffn.push_back(c.ffn_size_of(l));
    kv.push_back(c.n_kv_heads_of(l));
    sliding.push_back(!c.is_global(l));
    ffn_differs = ffn_differs || ffn[l] != ffn[0];
  }
  if (ffn_differs)
    out.add(key("feed_forward_length"), ffn);
  else
    out.add(key("feed_forward_length"), u32(c.ffn_size));
  out.add(key("attention.head_count"), u32(c.n_heads));
  if (kv_differs)
    out.add(key("attention.head_count_kv"), kv);
  else
    out.add(key("attention.head_count_kv"), u32(c.n_kv_heads));
  out.add(key("attention.key_length"), u32(c.global_head_size));
  out.add(key("attention.value_length"), u32(c.global_head_size));
  out.add(key("attention.key_length_swa"), u32(c.head_size));
  out.add(key("attention.value_length_swa"), u32(c.head_size));
  out.add(key("attention.layer_norm_rms_epsilon"), c.rms_eps);
  out.add(key("attention.sliding_window"), u32(c.sliding_window));
  out.add(key("attention.sliding_window_pattern"), sliding);
  out.add(key("attention.shared_kv_layers"), u32(c.n_kv_shared_layers));
  out.add(key("embedding_length_per_layer_input"), u32(c.ple_size));
  out.add(key("rope.freq_base"), static_cast<float>(c.rope_theta_global));
  out.add(key("rope.freq_base_swa"), static_cast<float>(c.rope_theta));
  out.add(key("rope.dimension_count"), u32(c.global_head_size));
  out.add(key("rope.dimension_count_swa"), u32(c.head_size));
  out.add(key("final_logit_softcapping"), c.logit_softcap);
  if (c.has_moe()) {
    out.add(key("expert_count"), u32(c.n_experts));
    out.add(key("expert_used_count"), u32(c.n_experts_used));
    out.add(key("expert_feed_forward_length"), u32(c.expert_ffn_size));
  }
  for (const auto& [name, value] : metadata)
    if (name.starts_with("facet.")) out.add(name, std::string_view(value));
}

void add_tokenizer(GgufWriter& out, const GemmaConfig& c, const Vocabulary& v) {
  out.add("tokenizer.ggml.model", std::string_view("gemma4"));
  out.add("tokenizer.ggml.pre", std::string_view("gemma4"));
  out.add("tokenizer.ggml.tokens", std::vector<std::string_view>(v.pieces.begin(), v.pieces.end()));
  out.add("tokenizer.ggml.scores", std::vector<float>(v.pieces.size(), -1000.0f));  // unused, as converters write it
  std::vector<std::int32_t> types;
  for (TokenKind kind : v.kinds) types.push_back(static_cast<std::int32_t>(kind));
  out.add("tokenizer.ggml.token_type", types);
  out.add("tokenizer.ggml.merges", std::vector<std::string_view>(v.merges.begin(), v.merges.end()));
  for (auto [key, id] : {std::pair{"bos_token_id", v.bos},
                         {"eos_token_id", c.eos_tokens.empty() ? v.eos : c.eos_tokens[0]},
                         {"unknown_token_id", v.unknown},
                         {"padding_token_id", v.pad},
                         {"mask_token_id", v.mask}})
    out.add(std::string("tokenizer.ggml.") + key, static_cast<std::uint32_t>(id));
  if (c.eos_tokens.size() > 1) out.add("tokenizer.ggml.eot_token_id", static_cast<std::uint32_t>(c.eos_tokens[1]));
  out.add("tokenizer.ggml.add_bos_token", true);
  out.add("tokenizer.ggml.add_space_prefix", false);
  if (!c.suppressed_tokens.empty())
    out.add("tokenizer.ggml.suppress_tokens",
            std::vector<std::int32_t>(c.suppressed_tokens.begin(), c.suppressed_tokens.end()));
}

// Proportional RoPE lives in a tensor of divisors: the factor for pairs that rotate, "never" for the others.
Tensor rope_divisors(const GemmaConfig& c) {
  int half = c.global_head_size / 2, rotated = static_cast<int>(c.rope_partial_global * c.global_head_size / 2);
  std::vector<float> values;
  for (int i = 0; i < half; ++i) values.push_back(i < rotated ? static_cast<float>(c.rope_factor_global) : 1e30f);
  return Tensor::from_floats({half}, values);
}

}  // namespace

Status save_gguf(const std::string& path, const Checkpoint& checkpoint, const Tokenizer& tokenizer) {
  const GemmaConfig& c = checkpoint.config;
  if (tokenizer.vocab_size() != c.vocab_size)
    return invalid_argument(fmt::format("{}: the tokenizer has {} tokens, the model {}: a GGUF needs them equal", path,
                                        tokenizer.vocab_size(), c.vocab_size));
  GgufWriter out;
  add_metadata(out, c, checkpoint.metadata);
  add_tokenizer(out, c, tokenizer.vocabulary());
  Tensor divisors = rope_divisors(c);
  std::vector<TensorSpec> specs = tensor_specs(c);
  for (const TensorSpec& spec : specs) {
    auto found = checkpoint.tensors.find(spec.name);
    FACET_CHECK(found != checkpoint.tensors.end(), "a checkpoint holds every tensor its config implies");
    bool keep = spec.is_matrix && spec.role != Role::kRouter;  // vectors and routers are stored as F32
    auto type = keep ? ggml_type_of(found->second.dtype) : GgmlType::kF32;
    if (!type)
      return unsupported(fmt::format("tensor '{}' is {}: the mobile scheme goes to a folder, not to a .gguf file",
                                     spec.name, info(found->second.dtype).name));
    out.add_tensor(spec.gguf_name, *type, spec.shape);
  }
  out.add_tensor("rope_freqs.weight", GgmlType::kF32, divisors.shape);
  FACET_TRY(out.open(path));
  for (const TensorSpec& spec : specs) {
    const TensorView& view = checkpoint.tensors.at(spec.name);
    if (!spec.is_matrix || spec.role == Role::kRouter)
      FACET_TRY(out.write(decode(view).bytes));
    else
      FACET_TRY(out.write(view.bytes));
  }
  FACET_TRY(out.write(divisors.bytes));
  return out.commit();
}

}  // namespace facet
