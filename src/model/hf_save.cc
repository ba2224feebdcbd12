#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/check.h"
#include "formats/safetensors/safetensors_writer.h"
#include "model/checkpoint.h"
#include "model/mobile_config.h"
#include "quant/codec.h"

namespace facet {
namespace {

namespace fs = std::filesystem;

std::span<const std::byte> bytes_of(const float& value) { return std::as_bytes(std::span(&value, 1)); }

// What model.safetensors will hold.  Scalars live in `scalars` (a deque-like map: addresses stay).
struct Contents {
  std::vector<SafetensorsItem> items;
  std::map<std::string, float> scalars;
  std::map<std::string, int> bits;  // by full module name; only filled for mobile checkpoints

  void scalar(const std::string& name, float value) {
    auto [at, fresh] = scalars.emplace(name, value);
    if (fresh) items.push_back({name, SafetensorsType::kF32, {}, bytes_of(at->second)});
  }
};

std::string stored_prefix(Role role) { return role == Role::kHead ? "" : "model."; }

void add_rows(const Checkpoint& c, const TensorSpec& spec, const TensorView& view, Contents& out) {
  std::string module = stored_prefix(spec.role) + module_name(spec);
  std::int64_t rows = view.rows(), packed = static_cast<std::int64_t>(view.bytes.size()) / rows;
  bool table = spec.role == Role::kEmbedding || spec.role == Role::kPleTable;
  out.items.push_back({module + (table ? ".embedding_quantized" : ".weight"),
                       view.dtype == DType::kI8Row ? SafetensorsType::kI8 : SafetensorsType::kU8,
                       {rows, packed},
                       view.bytes});
  out.items.push_back({module + (table ? ".embedding_scale" : ".weight_scale"),
                       SafetensorsType::kF32,
                       {rows, view.groups()},
                       std::as_bytes(view.row_scales)});
  out.bits[module] = bits_of(view.dtype);
  if (table) return;
  auto found = c.activation_scales.find(module_name(spec));
  ActivationScales scales = found == c.activation_scales.end() ? ActivationScales{} : found->second;
  out.scalar(module + ".input_activation_scale", scales.input);
  out.scalar(module + ".output_activation_scale", scales.output);
}

Result<Contents> contents_of(const Checkpoint& c) {
  Contents out;
  for (const TensorSpec& spec : tensor_specs(c.config)) {
    const TensorView& view = c.tensors.at(spec.name);
    if (has_row_scales(view.dtype)) {
      add_rows(c, spec, view, out);
      continue;
    }
    auto type = safetensors_type_of(view.dtype);
    if (!type)
      return unsupported(fmt::format("tensor '{}' is {}: block formats go to a .gguf file, not to a folder", spec.name,
                                     info(view.dtype).name));
    out.items.push_back({stored_prefix(spec.role) + spec.name, *type, view.shape, view.bytes});
  }
  if (!out.bits.empty())  // a mobile checkpoint: its float matrices are named as not converted
    for (const TensorSpec& spec : tensor_specs(c.config))
      if (spec.is_matrix) out.bits.emplace(stored_prefix(spec.role) + module_name(spec), 0);
  for (std::size_t l = 0; l < c.cache_scales.size(); ++l) {
    out.scalar(fmt::format("model.layers.{}.self_attn.k_cache_scale", l), c.cache_scales[l].k);
    out.scalar(fmt::format("model.layers.{}.self_attn.v_cache_scale", l), c.cache_scales[l].v);
  }
  return out;
}

std::string generation_config(const GemmaConfig& c) {
  nlohmann::ordered_json j = {{"bos_token_id", c.bos_token},
                              {"pad_token_id", c.pad_token},
                              {"eos_token_id", c.eos_tokens},
                              {"do_sample", true},
                              {"temperature", 1.0},
                              {"top_k", 64},
                              {"top_p", 0.95}};
  if (!c.suppressed_tokens.empty()) j["suppress_tokens"] = c.suppressed_tokens;
  return j.dump(2) + "\n";
}

std::string tokenizer_config(const Tokenizer& tokenizer) {
  const Vocabulary& v = tokenizer.vocabulary();
  nlohmann::ordered_json j = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                              {"bos_token", v.pieces[v.bos]},
                              {"eos_token", v.pieces[v.eos]},
                              {"unk_token", v.pieces[v.unknown]},
                              {"pad_token", v.pieces[v.pad]},
                              {"clean_up_tokenization_spaces", false}};
  return j.dump(2) + "\n";
}

}  // namespace

Status save_hf(const std::string& folder, const Checkpoint& checkpoint, const Tokenizer& tokenizer) {
  for (const TensorSpec& spec : tensor_specs(checkpoint.config))
    FACET_CHECK(checkpoint.tensors.contains(spec.name), "a checkpoint holds every tensor its config implies");
  FACET_ASSIGN(Contents contents, contents_of(checkpoint));
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return io_error(folder + ": cannot create the folder: " + error.message());
  auto path = [&](const char* name) { return (fs::path(folder) / name).string(); };
  std::map<std::string, std::string> metadata = checkpoint.metadata;
  metadata["format"] = "pt";  // transformers refuses files without it
  FACET_TRY(write_safetensors(path("model.safetensors"), contents.items, metadata));
  FACET_TRY(write_text_file(path("generation_config.json"), generation_config(checkpoint.config)));
  FACET_TRY(write_text_file(path("tokenizer.json"), tokenizer.to_json()));
  FACET_TRY(write_text_file(path("tokenizer_config.json"), tokenizer_config(tokenizer)));
  // Last: a folder without config.json is no model, so a half-written one is never taken for whole.
  return write_text_file(
      path("config.json"),
      to_hf_config(checkpoint.config, contents.bits.empty() ? "" : make_mobile_config(contents.bits)));
}

}  // namespace facet
