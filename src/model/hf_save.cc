#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/check.h"
#include "formats/safetensors/safetensors_writer.h"
#include "model/checkpoint.h"
#include "model/generation_config.h"
#include "model/mobile_config.h"
#include "quant/codec.h"

namespace facet {
namespace {

namespace fs = std::filesystem;

// What model.safetensors and quantization_config will say.
struct Contents {
  std::map<std::string, SafetensorsItem> items;
  std::map<std::string, const TensorSpec*> streamed;  // items without bytes
  std::deque<float> scalars;                          // a deque: items view them, so they must not move
  std::map<std::string, int> bits;                    // by full module name; empty for a float checkpoint

  void add(const std::string& name, SafetensorsType type, Shape shape, std::span<const std::byte> bytes,
           const TensorSpec* spec = nullptr) {
    items[name] = {name, type, std::move(shape), bytes};
    if (bytes.empty() && spec != nullptr) streamed[name] = spec;
  }
  void add_scalar(const std::string& name, float value) {
    scalars.push_back(value);
    add(name, SafetensorsType::kF32, {}, std::as_bytes(std::span(&scalars.back(), 1)));
  }
};

std::string full_module_name(const TensorSpec& spec) {
  return (spec.role == Role::kHead ? "" : "model.") + module_name(spec);
}

void add_rows(const std::string& module, bool is_table, const TensorSpec& spec, const TensorView& view, Contents& out) {
  Shape packed = view.shape, scales = view.shape;
  packed.back() = static_cast<std::int64_t>(*row_bytes(view.dtype, view.cols()));
  scales.back() = view.groups();
  out.add(module + (is_table ? ".embedding_quantized" : ".weight"),
          view.dtype == DType::kI8Row ? SafetensorsType::kI8 : SafetensorsType::kU8, packed, view.bytes, &spec);
  out.add(module + (is_table ? ".embedding_scale" : ".weight_scale"), SafetensorsType::kF32, scales,
          std::as_bytes(view.row_scales));
  out.bits[module] = bits_of(view.dtype);
}

Status add_tensor(const Checkpoint& c, const TensorSpec& spec, Contents& out) {
  const TensorView& view = c.tensors.at(spec.name);
  const std::string module = full_module_name(spec);
  const bool rows = has_row_scales(view.dtype);
  if (rows) {
    add_rows(module, spec.role == Role::kEmbedding || spec.role == Role::kPleTable, spec, view, out);
  } else {
    auto type = safetensors_type_of(view.dtype);
    if (!type)
      return unsupported(fmt::format("tensor '{}' is {}: block formats go to a .gguf file, not to a folder", spec.name,
                                     info(view.dtype).name));
    out.add(spec.role == Role::kHead ? spec.name : "model." + spec.name, *type, view.shape, view.bytes, &spec);
  }
  auto scales = c.activation_scales.find(module_name(spec));
  if (!is_linear(spec.role) || (!rows && scales == c.activation_scales.end())) return {};
  out.add_scalar(module + ".input_activation_scale", scales == c.activation_scales.end() ? 0 : scales->second.input);
  out.add_scalar(module + ".output_activation_scale", scales == c.activation_scales.end() ? 0 : scales->second.output);
  return {};
}

// The released mobile files repeat the embedding as a head of its own.
bool repeats_head(const Checkpoint& c) {
  auto untied = c.metadata.find(kMobileUntied);
  return c.config.tied_head && untied != c.metadata.end() && untied->second == "1" &&
         has_row_scales(c.tensors.at("embed_tokens.weight").dtype);
}

// specs: tensor_specs(c.config); the result points into it.
Result<Contents> contents_of(const Checkpoint& c, const std::vector<TensorSpec>& specs) {
  Contents out;
  for (const TensorSpec& spec : specs) FACET_TRY(add_tensor(c, spec, out));
  if (repeats_head(c)) {
    auto embedding = std::find_if(specs.begin(), specs.end(), [](const auto& s) { return s.role == Role::kEmbedding; });
    add_rows("lm_head", /*is_table=*/false, *embedding, c.tensors.at(embedding->name), out);
    out.add_scalar("lm_head.input_activation_scale", 0);
    out.add_scalar("lm_head.output_activation_scale", 0);
  }
  if (!out.bits.empty())  // a mobile checkpoint: its float matrices are named as not converted
    for (const TensorSpec& spec : specs)
      if (spec.is_matrix) out.bits.emplace(full_module_name(spec), 0);
  for (std::size_t l = 0; l < c.cache_scales.size(); ++l) {
    out.add_scalar(fmt::format("model.layers.{}.self_attn.k_cache_scale", l), c.cache_scales[l].k);
    out.add_scalar(fmt::format("model.layers.{}.self_attn.v_cache_scale", l), c.cache_scales[l].v);
  }
  return out;
}

std::string tokenizer_config(const Tokenizer& tokenizer) {
  const Vocabulary& v = tokenizer.vocabulary();
  nlohmann::ordered_json j = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                              {"bos_token", v.pieces[v.bos]},
                              {"eos_token", v.pieces[v.eos]},
                              {"unk_token", v.pieces[v.unknown]},
                              {"pad_token", v.pieces[v.pad]},
                              {"mask_token", v.pieces[v.mask]},
                              {"clean_up_tokenization_spaces", false}};
  return j.dump(2) + "\n";
}

Status write_tensors(SafetensorsWriter& out, const std::string& path, const Checkpoint& c, const Contents& contents,
                     const TensorStream& stream) {
  for (const auto& [key, value] : c.metadata) out.set_metadata(key, value);
  out.set_metadata("format", "pt");  // transformers refuses files without it
  for (const auto& [name, item] : contents.items) out.add_tensor(name, item.type, item.shape);
  FACET_TRY(out.open(path));
  for (const std::string& name : out.order()) {
    auto streamed = contents.streamed.find(name);
    if (streamed == contents.streamed.end())
      FACET_TRY(out.write(contents.items.at(name).bytes));
    else
      FACET_TRY(stream(*streamed->second, [&](std::span<const std::byte> piece) { return out.write(piece); }));
  }
  return {};
}

}  // namespace

Status save_hf(const std::string& folder, const Checkpoint& checkpoint, const Tokenizer& tokenizer,
               const TensorStream& stream) {
  const std::vector<TensorSpec> specs = tensor_specs(checkpoint.config);
  for (const TensorSpec& spec : specs)
    FACET_CHECK(checkpoint.tensors.contains(spec.name), "a checkpoint holds every tensor its config implies");
  if (tokenizer.vocab_size() > checkpoint.config.vocab_size)
    return invalid_argument(fmt::format("{}: the tokenizer has {} tokens, the model only {}; is it the right one?",
                                        folder, tokenizer.vocab_size(), checkpoint.config.vocab_size));
  FACET_ASSIGN(Contents contents, contents_of(checkpoint, specs));
  std::error_code error;
  if (fs::exists(fs::path(folder) / "model.safetensors.index.json", error))
    return invalid_argument(folder + ": holds a model in several files, which readers would still find; name another");
  fs::create_directories(folder, error);
  if (error) return io_error(folder + ": cannot create the folder: " + error.message());

  GemmaConfig stored = checkpoint.config;
  if (repeats_head(checkpoint)) stored.tied_head = false;
  const std::pair<const char*, std::string> texts[] = {
      {"generation_config.json", to_generation_config(stored)},
      {"tokenizer.json", tokenizer.to_json()},
      {"tokenizer_config.json", tokenizer_config(tokenizer)},
      {"config.json", to_hf_config(stored, contents.bits.empty() ? "" : to_quantization_config(contents.bits))}};
  // Everything is written before anything gets its final name, and config.json gets it last: a folder without one is no
  // model, so a save that stops half-way is never taken for whole, and leaves an older one as it was for as long as it
  // can.
  auto path = [&](const char* name) { return (fs::path(folder) / name).string(); };
  SafetensorsWriter tensors;
  FACET_TRY(write_tensors(tensors, path("model.safetensors"), checkpoint, contents, stream));
  AtomicFile files[std::size(texts)];
  for (std::size_t i = 0; i < std::size(texts); ++i) {
    FACET_TRY(files[i].open(path(texts[i].first)));
    FACET_TRY(files[i].write(texts[i].second));
  }
  FACET_TRY(tensors.commit());
  for (AtomicFile& file : files) FACET_TRY(file.commit());
  return {};
}

}  // namespace facet
