#include <fmt/format.h>

#include <filesystem>

#include "base/atomic_file.h"
#include "base/check.h"
#include "formats/safetensors/safetensors_writer.h"
#include "model/drafter.h"
#include "model/generation_config.h"
#include "model/gguf_keys.h"
#include "model/gguf_save.h"
#include "quant/codec.h"

namespace facet {
namespace {

namespace fs = std::filesystem;

// "model." stands before the names of the decoder, and of nothing else.
std::string hf_name(const TensorSpec& spec) {
  switch (spec.role) {
    case Role::kHead:
    case Role::kPreProjection:
    case Role::kPostProjection:
    case Role::kCentroids:
      return spec.name;
    default:
      return "model." + spec.name;
  }
}

template <typename Int>
std::vector<Int> ordering_as(const Checkpoint& drafter) {
  return {drafter.token_ordering.begin(), drafter.token_ordering.end()};
}

Status save_folder(const std::string& folder, const Checkpoint& drafter, const Tokenizer& tokenizer,
                   const TensorStream& stream) {
  const std::vector<TensorSpec> specs = tensor_specs(drafter.config);
  std::map<std::string, const TensorSpec*> by_name;
  constexpr const char* kOrderingName = "masked_embedding.token_ordering";
  SafetensorsWriter tensors;
  for (const auto& [key, value] : drafter.metadata) tensors.set_metadata(key, value);
  tensors.set_metadata("format", "pt");  // transformers refuses files without it
  for (const TensorSpec& spec : specs) {
    const TensorView& view = drafter.tensors.at(spec.name);
    const auto type = safetensors_type_of(view.dtype);
    if (!type)
      return unsupported(fmt::format("tensor '{}' is {}: block formats go to a .gguf file, not to a folder", spec.name,
                                     info(view.dtype).name));
    tensors.add_tensor(hf_name(spec), *type, spec.shape);
    by_name[hf_name(spec)] = &spec;
  }
  const std::vector<std::int64_t> ordering = ordering_as<std::int64_t>(drafter);
  if (!ordering.empty()) tensors.add_tensor(kOrderingName, SafetensorsType::kI64, {std::ssize(ordering)});
  std::error_code error;
  if (fs::exists(fs::path(folder) / "model.safetensors.index.json", error))
    return invalid_argument(folder + ": holds a model in several files, which readers would still find; name another");
  fs::create_directories(folder, error);
  if (error) return io_error(folder + ": cannot create the folder: " + error.message());

  auto path = [&](const char* name) { return (fs::path(folder) / name).string(); };
  FACET_TRY(tensors.open(path("model.safetensors")));
  for (const std::string& name : tensors.order()) {
    if (name == kOrderingName) {
      FACET_TRY(tensors.write(std::as_bytes(std::span(ordering))));
      continue;
    }
    const TensorSpec& spec = *by_name.at(name);
    if (const TensorView& view = drafter.tensors.at(spec.name); !view.bytes.empty())
      FACET_TRY(tensors.write(view.bytes));
    else
      FACET_TRY(stream(spec, [&](std::span<const std::byte> piece) { return tensors.write(piece); }));
  }
  const auto kind = drafter.metadata.find("facet.drafter_class");
  const bool unified = kind != drafter.metadata.end() && kind->second == "unified";
  // config.json gets its name last: a folder without one is no model.
  const std::pair<const char*, std::string> texts[] = {{"generation_config.json", to_generation_config(drafter.config)},
                                                       {"tokenizer.json", tokenizer.to_json()},
                                                       {"config.json", to_hf_drafter_config(drafter.config, unified)}};
  AtomicFile files[std::size(texts)];
  for (std::size_t i = 0; i < std::size(texts); ++i) {
    FACET_TRY(files[i].open(path(texts[i].first)));
    FACET_TRY(files[i].write(texts[i].second));
  }
  FACET_TRY(tensors.commit());
  for (AtomicFile& file : files) FACET_TRY(file.commit());
  return {};
}

// What llama.cpp's converter writes for gemma4-assistant.
void add_metadata(GgufWriter& out, const Checkpoint& drafter) {
  const GemmaConfig& c = drafter.config;
  auto add = [&](const char* name, const GgufValue& value) {
    out.add(std::string(kDrafterArchitecture) + "." + name, value);
  };
  auto u32 = [](int v) { return static_cast<std::uint32_t>(v); };
  std::vector<std::int32_t> kv;
  std::vector<bool> sliding;
  for (int l = 0; l < c.n_layers(); ++l) {
    kv.push_back(c.n_kv_heads_of(l));
    sliding.push_back(!c.is_global(l));
  }
  out.add("general.architecture", kDrafterArchitecture);
  out.add("general.type", std::string_view("model"));
  out.add("general.file_type", gguf_file_type(drafter));
  out.add("general.quantization_version", std::uint32_t{2});
  add("block_count", u32(c.n_layers()));
  add("nextn_predict_layers", u32(c.n_layers()));
  add("context_length", u32(c.max_positions));
  add("embedding_length", u32(c.hidden_size));
  add("embedding_length_out", u32(c.target_hidden_size));
  add("feed_forward_length", u32(c.ffn_size));
  add("attention.head_count", u32(c.n_heads));
  add("attention.head_count_kv", kv);
  add("attention.key_length", u32(c.global_head_size));
  add("attention.value_length", u32(c.global_head_size));
  add("attention.key_length_swa", u32(c.head_size));
  add("attention.value_length_swa", u32(c.head_size));
  add("attention.layer_norm_rms_epsilon", c.rms_eps);
  add("attention.sliding_window", u32(c.sliding_window));
  add("attention.sliding_window_pattern", sliding);
  add("attention.shared_kv_layers", u32(c.n_layers()));
  add("embedding_length_per_layer_input", std::uint32_t{0});
  add("rope.freq_base", static_cast<float>(c.rope_theta_global));
  add("rope.freq_base_swa", static_cast<float>(c.rope_theta));
  add("rope.dimension_count", u32(c.global_head_size));
  add("rope.dimension_count_swa", u32(c.head_size));
  if (c.n_clusters > 0) out.add(kClustersUsed, u32(c.n_clusters_used));
  for (const auto& [name, value] : drafter.metadata)
    if (name.starts_with(kFacetPrefix)) out.add(name, std::string_view(value));
}

Status save_file(const std::string& path, const Checkpoint& drafter, const Tokenizer& tokenizer,
                 const TensorStream& stream) {
  const GemmaConfig& c = drafter.config;
  if (tokenizer.vocab_size() != c.vocab_size)
    return invalid_argument(fmt::format("{}: the tokenizer has {} tokens, the drafter {}: a GGUF needs them equal",
                                        path, tokenizer.vocab_size(), c.vocab_size));
  GgufWriter out;
  add_metadata(out, drafter);
  add_gguf_tokenizer(out, c, tokenizer.vocabulary());
  const std::vector<std::int32_t> ordering = ordering_as<std::int32_t>(drafter);
  FACET_TRY(add_gguf_tensors(out, path, drafter));
  if (!ordering.empty()) out.add_tensor(kOrdering, static_cast<GgmlType>(kGgmlI32), {std::ssize(ordering)});
  FACET_TRY(out.open(path));
  FACET_TRY(write_gguf_tensors(out, drafter, stream));
  if (!ordering.empty()) FACET_TRY(out.write(std::as_bytes(std::span(ordering))));
  return out.commit();
}

}  // namespace

Status save_drafter(const std::string& path, const Checkpoint& drafter, const Tokenizer& tokenizer,
                    const TensorStream& stream) {
  FACET_CHECK(drafter.config.is_drafter(), "a drafter");
  FACET_CHECK(drafter.token_ordering.size() ==
                  static_cast<std::size_t>(drafter.config.n_clusters > 0 ? drafter.config.vocab_size : 0),
              "an ordering of the vocabulary belongs to clusters");
  if (tokenizer.vocab_size() > drafter.config.vocab_size)
    return invalid_argument(fmt::format("{}: the tokenizer has {} tokens, the drafter only {}; is it the right one?",
                                        path, tokenizer.vocab_size(), drafter.config.vocab_size));
  return path.ends_with(".gguf") ? save_file(path, drafter, tokenizer, stream)
                                 : save_folder(path, drafter, tokenizer, stream);
}

}  // namespace facet
