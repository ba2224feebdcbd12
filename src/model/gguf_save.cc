#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "formats/gguf/gguf_writer.h"
#include "model/checkpoint.h"
#include "model/gguf_keys.h"
#include "model/gguf_save.h"
#include "quant/codec.h"

namespace facet {

std::uint32_t gguf_file_type(const Checkpoint& c) {
  switch (c.main_type()) {
    case DType::kF16:
      return 1;
    case DType::kQ4_0:
      return 2;
    case DType::kQ8_0:
      return 7;
    case DType::kQ4_K:
      return 14;
    case DType::kQ6_K:
      return 18;
    case DType::kBF16:
      return 32;
    default:
      return 0;
  }
}

namespace {

// What llama.cpp's loader needs and what its converter writes, with the types that it checks.
void add_metadata(GgufWriter& out, const Checkpoint& checkpoint) {
  const GemmaConfig& c = checkpoint.config;
  auto add = [&](const char* name, const GgufValue& value) { out.add(gguf_key(name), value); };
  auto u32 = [](int v) { return static_cast<std::uint32_t>(v); };
  out.add("general.architecture", std::string_view("gemma4"));
  out.add("general.type", std::string_view("model"));
  out.add("general.file_type", gguf_file_type(checkpoint));
  out.add("general.quantization_version", std::uint32_t{2});
  out.add("general.sampling.temp", 1.0f);
  out.add("general.sampling.top_k", std::int32_t{64});
  out.add("general.sampling.top_p", 0.95f);
  add("block_count", u32(c.n_layers()));
  add("context_length", u32(c.max_positions));
  add("embedding_length", u32(c.hidden_size));
  bool ffn_differs = false;
  std::vector<std::int32_t> ffn, kv;
  std::vector<bool> sliding;
  for (int l = 0; l < c.n_layers(); ++l) {
    ffn.push_back(c.ffn_size_of(l));
    kv.push_back(c.n_kv_heads_of(l));
    sliding.push_back(!c.is_global(l));
    ffn_differs = ffn_differs || ffn[l] != ffn[0];
  }
  add("feed_forward_length", ffn_differs ? GgufValue(ffn) : GgufValue(u32(c.ffn_size)));
  add("attention.head_count", u32(c.n_heads));
  add("attention.head_count_kv", c.n_kv_heads != c.n_global_kv_heads ? GgufValue(kv) : GgufValue(u32(c.n_kv_heads)));
  add("attention.key_length", u32(c.global_head_size));
  add("attention.value_length", u32(c.global_head_size));
  add("attention.key_length_swa", u32(c.head_size));
  add("attention.value_length_swa", u32(c.head_size));
  add("attention.layer_norm_rms_epsilon", c.rms_eps);
  add("attention.sliding_window", u32(c.sliding_window));
  add("attention.sliding_window_pattern", sliding);
  add("attention.shared_kv_layers", u32(c.n_kv_shared_layers));
  add("embedding_length_per_layer_input", u32(c.ple_size));  // required, 0 included
  add("rope.freq_base", static_cast<float>(c.rope_theta_global));
  add("rope.freq_base_swa", static_cast<float>(c.rope_theta));
  add("rope.dimension_count", u32(c.global_head_size));
  add("rope.dimension_count_swa", u32(c.head_size));
  add("final_logit_softcapping", c.logit_softcap);  // readers take 30 for a missing key
  if (c.has_moe()) {
    add("expert_count", u32(c.n_experts));
    add("expert_used_count", u32(c.n_experts_used));
    add("expert_feed_forward_length", u32(c.expert_ffn_size));
  }
  for (const auto& [name, value] : checkpoint.metadata)
    if (name.starts_with(kFacetPrefix)) out.add(name, std::string_view(value));
}

}  // namespace

void add_gguf_tokenizer(GgufWriter& out, const GemmaConfig& c, const Vocabulary& v) {
  auto add = [&](const char* name, const GgufValue& value) { out.add(std::string("tokenizer.ggml.") + name, value); };
  auto id = [](int token) { return static_cast<std::uint32_t>(token); };
  std::vector<std::int32_t> types;
  for (TokenKind kind : v.kinds) types.push_back(static_cast<std::int32_t>(kind));
  add("model", std::string_view("gemma4"));
  add("pre", std::string_view("gemma4"));
  add("tokens", std::vector<std::string_view>(v.pieces.begin(), v.pieces.end()));
  add("scores", std::vector<float>(v.pieces.size(), -1000.0f));  // unused; the value converters write
  add("token_type", types);
  add("merges", std::vector<std::string_view>(v.merges.begin(), v.merges.end()));
  add("bos_token_id", id(v.bos));
  add("eos_token_id", id(v.eos));
  for (int token : c.eos_tokens) {
    if (token == v.eos) continue;
    add("eot_token_id", id(token));
    break;
  }
  add("unknown_token_id", id(v.unknown));
  add("padding_token_id", id(v.pad));
  add("mask_token_id", id(v.mask));
  add("add_bos_token", true);
  add("add_space_prefix", false);
  if (!c.suppressed_tokens.empty())
    add("suppress_tokens", std::vector<std::int32_t>(c.suppressed_tokens.begin(), c.suppressed_tokens.end()));
  if (!c.eos_tokens.empty()) out.add(kEosList, std::vector<std::int32_t>(c.eos_tokens.begin(), c.eos_tokens.end()));
}

namespace {

// F32 [C/2] of global layers, the inverse of what the reader makes of it: the factor for pairs that rotate, "never" for
// the others.
Tensor rope_divisors(const GemmaConfig& c) {
  const int half = c.global_head_size / 2, rotated = static_cast<int>(c.rope_partial_global * c.global_head_size / 2);
  std::vector<float> values;
  for (int i = 0; i < half; ++i) values.push_back(i < rotated ? static_cast<float>(c.rope_factor_global) : 1e30f);
  return Tensor::from_floats({half}, values);
}

// Vectors and routers are F32 in every file: llama.cpp computes with them as such.
bool is_stored_f32(const TensorSpec& spec) { return !spec.is_matrix || spec.role == Role::kRouter; }

}  // namespace

Status add_gguf_tensors(GgufWriter& out, const std::string& path, const Checkpoint& checkpoint) {
  for (const TensorSpec& spec : tensor_specs(checkpoint.config)) {
    auto found = checkpoint.tensors.find(spec.name);
    FACET_CHECK(found != checkpoint.tensors.end(), "a checkpoint holds every tensor its config implies");
    const auto type = is_stored_f32(spec) ? GgmlType::kF32 : ggml_type_of(found->second.dtype);
    if (!type)
      return unsupported(fmt::format("{}: tensor '{}' is {}: the mobile scheme goes to a folder, not to a .gguf file",
                                     path, spec.name, info(found->second.dtype).name));
    out.add_tensor(spec.gguf_name, *type, spec.shape);
  }
  out.add_tensor(kRopeFreqs, GgmlType::kF32, {checkpoint.config.global_head_size / 2});
  return {};
}

Status write_gguf_tensors(GgufWriter& out, const Checkpoint& checkpoint, const TensorStream& stream) {
  for (const TensorSpec& spec : tensor_specs(checkpoint.config)) {
    const TensorView& view = checkpoint.tensors.at(spec.name);
    if (is_stored_f32(spec))
      FACET_TRY(out.write(decode(view).bytes));
    else if (view.bytes.empty())
      FACET_TRY(stream(spec, [&](std::span<const std::byte> piece) { return out.write(piece); }));
    else
      FACET_TRY(out.write(view.bytes));
  }
  return out.write(rope_divisors(checkpoint.config).bytes);
}

Status save_gguf(const std::string& path, const Checkpoint& checkpoint, const Tokenizer& tokenizer,
                 const TensorStream& stream, const Companions& beside) {
  const GemmaConfig& c = checkpoint.config;
  if (tokenizer.vocab_size() != c.vocab_size)
    return invalid_argument(fmt::format("{}: the tokenizer has {} tokens, the model {}: a GGUF needs them equal", path,
                                        tokenizer.vocab_size(), c.vocab_size));
  GgufWriter out;
  add_metadata(out, checkpoint);
  add_gguf_tokenizer(out, c, tokenizer.vocabulary());
  if (!beside.chat_template.empty()) out.add("tokenizer.chat_template", std::string_view(beside.chat_template));
  FACET_TRY(add_gguf_tensors(out, path, checkpoint));
  FACET_TRY(out.open(path));
  FACET_TRY(write_gguf_tensors(out, checkpoint, stream));
  return out.commit();
}

}  // namespace facet
