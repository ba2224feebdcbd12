#include <fmt/format.h>

#include <cstring>
#include <filesystem>
#include <set>

#include "base/mapped_file.h"
#include "base/printable.h"
#include "formats/gguf/gguf.h"
#include "formats/safetensors/safetensors.h"
#include "model/drafter.h"
#include "model/generation_config.h"
#include "model/gguf_keys.h"
#include "model/hf_names.h"
#include "model/tensor_check.h"

namespace facet {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxConfigBytes = std::size_t{16} << 20;
constexpr const char* kHfOrdering = "masked_embedding.token_ordering";

// ids: V integers of `width` bytes.  Every token must be in exactly one cluster: a repeated one would be proposed twice
// and another never, and one outside the vocabulary would be read beyond the table.
Status read_ordering(const std::string& what, std::span<const std::byte> ids, std::size_t width, Checkpoint& out) {
  const auto vocab = static_cast<std::size_t>(out.config.vocab_size);
  std::vector<bool> seen(vocab);
  out.token_ordering.resize(vocab);
  for (std::size_t i = 0; i < vocab; ++i) {
    std::int64_t id = 0;
    if (width == sizeof(std::int32_t)) {
      std::int32_t narrow = 0;
      std::memcpy(&narrow, ids.data() + i * width, width);
      id = narrow;
    } else {
      std::memcpy(&id, ids.data() + i * width, width);
    }
    if (id < 0 || id >= out.config.vocab_size || seen[static_cast<std::size_t>(id)])
      return corrupt(fmt::format("{} is no permutation of the {} tokens: {} at {}", what, vocab, id, i));
    seen[static_cast<std::size_t>(id)] = true;
    out.token_ordering[i] = static_cast<int>(id);
  }
  return {};
}

// Checks one stored tensor against its spec and puts it into place.  where: "file: tensor 'name'".
Status place(const std::string& where, const TensorSpec& spec, const Shape& shape, StoredTensor stored,
             Checkpoint& out) {
  const bool scalar = shape.empty() && spec.shape == Shape{1};
  if (shape != spec.shape && !scalar)
    return corrupt(fmt::format("{} is {}, the config wants {} (converted for another size?)", where, to_string(shape),
                               to_string(spec.shape)));
  stored.view.shape = spec.shape;
  if (!spec.is_matrix && !is_float(stored.view.dtype))
    return corrupt(fmt::format("{} is {}, expected floats", where, info(stored.view.dtype).name));
  if (!spec.is_matrix && !all_finite(stored.view)) return corrupt(where + " holds a NaN or an infinity");
  out.tensors[spec.name] = stored.view;
  out.owners.push_back(stored.owner);
  return {};
}

Result<Checkpoint> load_hf_drafter(const std::string& folder) {
  const fs::path root(folder);
  FACET_ASSIGN(std::string text, read_text_file((root / "config.json").string(), kMaxConfigBytes));
  Checkpoint out;
  bool unified = false;
  auto config = parse_hf_drafter_config(text, &unified);
  if (!config.ok()) return config.status().with_prefix(folder);
  out.config = std::move(*config);
  if (unified) out.metadata["facet.drafter_class"] = "unified";
  const std::string generation = (root / "generation_config.json").string();
  if (std::error_code error; fs::exists(generation, error)) {
    FACET_ASSIGN(text, read_text_file(generation, kMaxConfigBytes));
    FACET_TRY(apply_generation_config(text, out.config).with_prefix(folder));
  }
  FACET_ASSIGN(const SafetensorsFile file, read_safetensors_folder(folder));
  auto where = [&](const SafetensorsTensor& t) {
    return fmt::format("{}: tensor '{}'", file.files[t.file].path, printable(t.name));
  };
  std::map<std::string, const SafetensorsTensor*> stored;
  for (const SafetensorsTensor& t : file.tensors)
    if (auto name = canonical_name(t.name))
      if (auto [at, fresh] = stored.emplace(*name, &t); !fresh)
        return corrupt(where(t) + " means the same as '" + printable(at->second->name) + "'");
  if (out.config.tied_head) stored.erase("lm_head.weight");  // a leftover copy

  const std::vector<TensorSpec> specs = tensor_specs(out.config);
  std::string first;
  int n_missing = 0;
  auto need = [&](const std::string& name) {
    if (!stored.contains(name) && n_missing++ == 0) first = name;
  };
  for (const TensorSpec& spec : specs) need(spec.name);
  if (out.config.n_clusters > 0) need(kHfOrdering);
  if (n_missing > 0) return not_found(missing_tensor(folder, first, n_missing));

  for (const TensorSpec& spec : specs) {
    const SafetensorsTensor& t = *stored.at(spec.name);
    if (!dtype_of(t.type))
      return corrupt(fmt::format("{} is {}, expected F32, F16 or BF16", where(t), name_of(t.type)));
    FACET_ASSIGN(StoredTensor tensor, file.tensor(t.name));
    FACET_TRY(place(where(t), spec, t.shape, std::move(tensor), out));
    stored.erase(spec.name);
  }
  if (out.config.n_clusters > 0) {
    const SafetensorsTensor& t = *stored.at(kHfOrdering);
    if (t.type != SafetensorsType::kI64 || t.shape != Shape{out.config.vocab_size})
      return corrupt(fmt::format("{} is {} {}, expected I64 {}", where(t), name_of(t.type), to_string(t.shape),
                                 out.config.vocab_size));
    FACET_TRY(read_ordering(where(t), t.bytes, sizeof(std::int64_t), out));
    stored.erase(kHfOrdering);
  }
  if (!stored.empty())
    return corrupt(where(*stored.begin()->second) +
                   " is not part of a drafter of this config (renamed, or a newer format?)");
  for (const auto& [key, value] : file.metadata)
    if (key.starts_with(kFacetPrefix)) out.metadata[key] = value;
  for (const SafetensorsFile::Shard& shard : file.files) {
    out.owners.push_back(shard.owner);
    if (shard.mapping) out.files.push_back(shard.mapping);
  }
  return out;
}

Result<Checkpoint> load_gguf_drafter(const std::string& path) {
  FACET_ASSIGN(const GgufFile file, read_gguf(path));
  Checkpoint out;
  FACET_ASSIGN(out.config, parse_gguf_drafter_config(file));
  auto where = [&](std::string_view name) { return fmt::format("{}: tensor '{}'", path, printable(name)); };
  const std::vector<TensorSpec> specs = tensor_specs(out.config);
  std::string first;
  int n_missing = 0;
  for (const TensorSpec& spec : specs)
    if (!file.find_tensor(spec.gguf_name) && n_missing++ == 0) first = spec.gguf_name;
  if (n_missing > 0) return not_found(missing_tensor(path, first, n_missing));
  std::set<std::string, std::less<>> known{kRopeFreqs};
  for (const TensorSpec& spec : specs) {
    known.insert(spec.gguf_name);
    FACET_ASSIGN(StoredTensor tensor, file.tensor(spec.gguf_name));
    FACET_TRY(place(where(spec.gguf_name), spec, file.find_tensor(spec.gguf_name)->shape, std::move(tensor), out));
  }
  if (out.config.n_clusters > 0) {
    known.insert(kOrdering);
    const GgufTensor& t = *file.find_tensor(kOrdering);
    const auto type = static_cast<std::uint32_t>(t.type);
    if ((type != kGgmlI32 && type != kGgmlI64) || t.shape != Shape{out.config.vocab_size})
      return corrupt(fmt::format("{} is {} {}, expected I32 {}", where(kOrdering), ggml_type_name(t.type),
                                 to_string(t.shape), out.config.vocab_size));
    FACET_TRY(
        read_ordering(where(kOrdering), t.bytes, type == kGgmlI32 ? sizeof(std::int32_t) : sizeof(std::int64_t), out));
  }
  for (const GgufTensor& t : file.tensors)
    if (!known.contains(t.name)) return corrupt(where(t.name) + " is not part of a drafter of this config");
  for (const GgufEntry& entry : file.metadata)
    if (const auto* value = std::get_if<std::string_view>(&entry.value); value && entry.key.starts_with(kFacetPrefix))
      out.metadata[std::string(entry.key)] = *value;
  out.owners.push_back(file.owner);
  if (file.mapping) out.files.push_back(file.mapping);
  return out;
}

}  // namespace

Result<Checkpoint> load_drafter(const std::string& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return load_hf_drafter(path);
  if (fs::exists(path, error)) return load_gguf_drafter(path);
  return not_found(path + ": no such drafter (expected a folder with config.json, or a .gguf file)");
}

}  // namespace facet
