#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "base/atomic_file.h"
#include "base/check.h"
#include "formats/safetensors/safetensors_writer.h"
#include "model/checkpoint.h"
#include "model/generation_config.h"
#include "model/mobile_config.h"
#include "model/packed_config.h"
#include "quant/codec.h"

namespace facet {
namespace {

namespace fs = std::filesystem;

// What model.safetensors and quantization_config will say.
struct Contents {
  std::map<std::string, SafetensorsItem> items;
  std::map<std::string, const TensorSpec*> streamed;  // items without bytes
  std::deque<float> scalars;                          // a deque: items view them, so they must not move
  std::map<std::string, int> bits;                    // of mobile modules, by full name
  std::deque<std::vector<std::byte>> made;            // what items view that no tensor holds
  int packed_group = 0;                               // group_of_packed()
  std::vector<std::string> not_packed;                // linears, by full name
  std::set<std::string> kept;                         // what a mobile folder does not convert besides: begins of names
  std::string prefix = "model.";                      // of the decoder's names

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

std::string full_module_name(const TensorSpec& spec, const Contents& out) {
  return (spec.role == Role::kHead ? "" : out.prefix) + module_name(spec);
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

// Columns to a scale of packed linears, 0 where there are none.  A linear of so few columns that it has one group is
// told from a mobile row by the others.
int group_of_packed(const Checkpoint& c, const std::vector<TensorSpec>& specs) {
  for (const TensorSpec& spec : specs) {
    const TensorView& view = c.tensors.at(spec.name);
    if (is_linear(spec.role) && view.dtype == DType::kI4Row && view.groups() > 1)
      return static_cast<int>(view.cols() / view.groups());
  }
  return 0;
}

// Scales in the narrowest type that holds them all: that of the released files where it does.
std::pair<SafetensorsType, std::vector<std::byte>> narrowed(std::span<const float> scales) {
  for (auto [dtype, type] : {std::pair{DType::kBF16, SafetensorsType::kBF16}, {DType::kF16, SafetensorsType::kF16}}) {
    Result<Tensor> narrow = encode(dtype, {static_cast<std::int64_t>(scales.size())}, scales);
    if (narrow.ok() && std::ranges::equal(decode(narrow->view()).floats(), scales))
      return {type, std::move(narrow->bytes)};
  }
  const auto bytes = std::as_bytes(scales);
  return {SafetensorsType::kF32, {bytes.begin(), bytes.end()}};
}

Status add_packed(const std::string& module, const TensorSpec& spec, const TensorView& view, Contents& out) {
  const std::int64_t rows = view.rows(), cols = view.cols(), group = cols / view.groups();
  if (spec.shape.size() != 2 || cols % 8 != 0)
    return unsupported(fmt::format("tensor '{}' is {}: compressed-tensors packs matrices of whole words", spec.name,
                                   to_string(spec.shape)));
  if (out.packed_group != group)
    return unsupported(fmt::format("tensor '{}' has groups of {} columns, others of {}: one group size to a folder",
                                   spec.name, group, out.packed_group));
  out.add(module + ".weight_packed", SafetensorsType::kI32, {rows, cols / 8}, view.bytes, &spec);
  auto [type, scales] = narrowed(view.row_scales);
  out.made.push_back(std::move(scales));
  out.add(module + ".weight_scale", type, {rows, view.groups()}, out.made.back());
  const std::int64_t shape[] = {rows, cols};
  const auto bytes = std::as_bytes(std::span(shape));
  out.made.emplace_back(bytes.begin(), bytes.end());
  out.add(module + ".weight_shape", SafetensorsType::kI64, {2}, out.made.back());
  return {};
}

Status add_tensor(const Checkpoint& c, const TensorSpec& spec, Contents& out) {
  const TensorView& view = c.tensors.at(spec.name);
  const std::string module = full_module_name(spec, out);
  if (out.packed_group != 0 && is_linear(spec.role) && view.dtype == DType::kI4Row)
    return add_packed(module, spec, view, out);
  if (is_linear(spec.role)) out.not_packed.push_back(module);
  const bool rows = has_row_scales(view.dtype);
  if (rows) {
    add_rows(module, spec.role == Role::kEmbedding || spec.role == Role::kPleTable, spec, view, out);
  } else {
    auto type = safetensors_type_of(view.dtype);
    if (!type)
      return unsupported(fmt::format("tensor '{}' is {}: block formats go to a .gguf file, not to a folder", spec.name,
                                     info(view.dtype).name));
    out.add(spec.role == Role::kHead ? spec.name : out.prefix + spec.name, *type, view.shape, view.bytes, &spec);
  }
  auto scales = c.activation_scales.find(module_name(spec));
  if (!is_linear(spec.role) || (!rows && scales == c.activation_scales.end())) return {};
  out.add_scalar(module + ".input_activation_scale", scales == c.activation_scales.end() ? 0 : scales->second.input);
  out.add_scalar(module + ".output_activation_scale", scales == c.activation_scales.end() ? 0 : scales->second.output);
  return {};
}

// A tied head of codes is stored as a head of its own, as the released files have it: transformers cannot tie a packed
// table.  Readers of ours share the storage again.
bool repeats_head(const Checkpoint& c) {
  return c.config.tied_head && has_row_scales(c.tensors.at("embed_tokens.weight").dtype);
}

bool is_mobile(const Checkpoint& c) {
  return std::ranges::any_of(c.tensors, [](const auto& t) {
    return t.second.dtype == DType::kI2Row || t.second.dtype == DType::kI8Row ||
           (t.second.dtype == DType::kI4Row && t.second.groups() == 1);
  });
}

// The towers as they are.  Their linears are coded or float as the source's quantization_config says; of a tower of
// floats, its name says it for all.
Status add_towers(const Companions& beside, Contents& out) {
  std::optional<MobileConfig> mobile;
  if (beside.has_codes()) {
    FACET_ASSIGN(mobile, MobileConfig::find(beside.config));
  }
  std::set<std::string> coded;  // towers
  for (const auto& [name, t] : beside.towers) {
    const std::string full = "model." + name;
    out.add(full, t.type, t.shape, t.bytes);
    constexpr std::string_view kScale = ".weight_scale";
    if (!name.ends_with(kScale)) continue;
    const std::string module = full.substr(0, full.size() - kScale.size());
    const std::optional<int> bits = mobile ? mobile->bits_of(module) : std::nullopt;
    if (!bits || *bits == 0)
      return corrupt("'" + module + "' has codes, but no pattern of the quantization_config says how many bits");
    out.bits[module] = *bits;
    coded.insert(name.substr(0, name.find('.')));
  }
  for (const auto& [name, t] : beside.towers) {
    const std::string tower = name.substr(0, name.find('.')), module = "model." + name.substr(0, name.rfind('.'));
    if (!coded.contains(tower))
      out.kept.insert("model." + tower);
    else if (name.ends_with(".weight") && t.shape.size() == 2 && !out.bits.contains(module))  // maybe a linear
      out.kept.insert(module);
  }
  return {};
}

// specs: tensor_specs(c.config); the result points into it.
Result<Contents> contents_of(const Checkpoint& c, const std::vector<TensorSpec>& specs, const Companions& beside) {
  Contents out;
  if (!beside.towers.empty()) {
    out.prefix = "model.language_model.";
    FACET_TRY(add_towers(beside, out));
  }
  out.packed_group = group_of_packed(c, specs);
  for (const TensorSpec& spec : specs) FACET_TRY(add_tensor(c, spec, out));
  if (out.packed_group != 0 && !out.bits.empty())
    return unsupported(fmt::format("module '{}' has one scale per row, others have groups: no folder holds both",
                                   out.bits.begin()->first));
  if (repeats_head(c)) {
    auto embedding = std::find_if(specs.begin(), specs.end(), [](const auto& s) { return s.role == Role::kEmbedding; });
    add_rows("lm_head", /*is_table=*/false, *embedding, c.tensors.at(embedding->name), out);
    out.add_scalar("lm_head.input_activation_scale", 0);
    out.add_scalar("lm_head.output_activation_scale", 0);
  }
  if (!out.bits.empty()) {  // a mobile checkpoint: its float matrices are named as not converted
    for (const TensorSpec& spec : specs)
      if (spec.is_matrix) out.bits.emplace(full_module_name(spec, out), 0);
    out.bits.emplace("lm_head", 0);  // a linear to readers, tied or not
  }
  for (std::size_t l = 0; l < c.cache_scales.size(); ++l) {
    out.add_scalar(fmt::format("{}layers.{}.self_attn.k_cache_scale", out.prefix, l), c.cache_scales[l].k);
    out.add_scalar(fmt::format("{}layers.{}.self_attn.v_cache_scale", out.prefix, l), c.cache_scales[l].v);
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

std::string quantization_config(const Contents& contents) {
  if (contents.packed_group == 0)
    return contents.bits.empty() ? "" : to_quantization_config(contents.bits, contents.kept);
  std::vector<std::string> ignored = contents.not_packed;
  if (std::ranges::find(ignored, "lm_head") == ignored.end()) ignored.push_back("lm_head");  // a linear, tied or not
  for (const std::string& tower : contents.kept) ignored.push_back("re:" + tower + "\\..*");
  return to_packed_config(contents.packed_group, ignored);
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

bool keeps_towers(const Checkpoint& checkpoint, const Companions& beside) {
  return !beside.has_codes() || is_mobile(checkpoint);
}

Status save_hf(const std::string& folder, const Checkpoint& checkpoint, const Tokenizer& tokenizer,
               const TensorStream& stream, const Companions& source) {
  Companions beside = source;
  if (!keeps_towers(checkpoint, beside)) beside.towers.clear();
  const std::vector<TensorSpec> specs = tensor_specs(checkpoint.config);
  for (const TensorSpec& spec : specs)
    FACET_CHECK(checkpoint.tensors.contains(spec.name), "a checkpoint holds every tensor its config implies");
  if (tokenizer.vocab_size() > checkpoint.config.vocab_size)
    return invalid_argument(fmt::format("{}: the tokenizer has {} tokens, the model only {}; is it the right one?",
                                        folder, tokenizer.vocab_size(), checkpoint.config.vocab_size));
  FACET_ASSIGN(Contents contents, contents_of(checkpoint, specs, beside));
  std::error_code error;
  if (fs::exists(fs::path(folder) / "model.safetensors.index.json", error))
    return invalid_argument(folder + ": holds a model in several files, which readers would still find; name another");
  fs::create_directories(folder, error);
  if (error) return io_error(folder + ": cannot create the folder: " + error.message());

  GemmaConfig stored = checkpoint.config;
  if (repeats_head(checkpoint)) stored.tied_head = false;
  std::map<std::string, std::string> texts = beside.files;
  texts.emplace("generation_config.json", to_generation_config(stored));
  texts.emplace("tokenizer.json", tokenizer.to_json());
  texts.emplace("tokenizer_config.json", tokenizer_config(tokenizer));
  if (!beside.chat_template.empty()) texts.emplace("chat_template.jinja", beside.chat_template);
  const std::string quantization = quantization_config(contents);
  std::string config = to_hf_config(stored, quantization);
  if (!beside.towers.empty()) {
    FACET_ASSIGN(config, to_hf_config_within(beside.config, stored, quantization));
  }
  // Everything is written before anything gets its final name, and config.json gets it last: a folder without one is no
  // model, so a save that stops half-way is never taken for whole, and leaves an older one as it was for as long as it
  // can.
  auto path = [&](const char* name) { return (fs::path(folder) / name).string(); };
  SafetensorsWriter tensors;
  FACET_TRY(write_tensors(tensors, path("model.safetensors"), checkpoint, contents, stream));
  std::deque<AtomicFile> files;
  auto write = [&](const std::string& name, const std::string& text) -> Status {
    FACET_TRY(files.emplace_back().open(path(name.c_str())));
    return files.back().write(text);
  };
  for (const auto& [name, text] : texts) FACET_TRY(write(name, text));
  FACET_TRY(write("config.json", config));
  FACET_TRY(tensors.commit());
  for (AtomicFile& file : files) FACET_TRY(file.commit());
  return {};
}

}  // namespace facet
