#include "model/gguf_load.h"

#include <fmt/format.h>

#include <cmath>
#include <set>

#include "formats/gguf/gguf.h"
#include "model/hf_names.h"
#include "quant/codec.h"

namespace facet {
namespace {

constexpr const char* kMetadataPrefix = "facet.";

// blk.N.attn_k.weight and the like of a layer that shares another's cache.
bool is_dead(const GemmaConfig& config, std::string_view name) {
  for (int l = config.first_shared_layer(); l < config.n_layers(); ++l)
    for (const char* tail : {"attn_k.weight", "attn_v.weight", "attn_k_norm.weight"})
      if (name == fmt::format("blk.{}.{}", l, tail)) return true;
  return false;
}

}  // namespace

Result<Checkpoint> load_gguf(const std::string& path) {
  FACET_ASSIGN(GgufFile file, read_gguf(path));
  Checkpoint out;
  FACET_ASSIGN(out.config, parse_gguf_config(file));
  std::set<std::string, std::less<>> used{"rope_freqs.weight"};
  for (const TensorSpec& spec : tensor_specs(out.config)) {
    const GgufTensor* t = file.find_tensor(spec.gguf_name);
    if (!t) return corrupt(fmt::format("{}: tensor '{}' is missing", path, spec.gguf_name));
    used.insert(spec.gguf_name);
    if (t->shape != spec.shape)
      return corrupt(fmt::format("{}: tensor '{}' is {}, the metadata want {} (converted for another size?)", path,
                                 spec.gguf_name, to_string(t->shape), to_string(spec.shape)));
    FACET_ASSIGN(StoredTensor stored, file.tensor(spec.gguf_name));
    if (!spec.is_matrix) {
      if (!is_float(stored.view.dtype))
        return corrupt(
            fmt::format("{}: tensor '{}' is {}, expected floats", path, spec.gguf_name, info(stored.view.dtype).name));
      std::vector<float> values(static_cast<std::size_t>(element_count(spec.shape)));
      decode_rows(stored.view, 0, stored.view.rows(), values);
      for (float v : values)
        if (!std::isfinite(v))
          return corrupt(fmt::format("{}: tensor '{}' holds a NaN or an infinity", path, spec.gguf_name));
    }
    out.tensors[spec.name] = stored.view;
    out.owners.push_back(stored.owner);
  }
  for (const GgufTensor& t : file.tensors)
    if (!used.contains(t.name) && !is_dead(out.config, t.name))
      return corrupt(fmt::format("{}: tensor '{}' is not part of a Gemma 4 decoder of this config", path, t.name));
  for (const GgufEntry& entry : file.metadata)
    if (entry.key.starts_with(kMetadataPrefix))
      if (const auto* text = std::get_if<std::string_view>(&entry.value)) out.metadata[std::string(entry.key)] = *text;
  out.owners.push_back(file.owner);
  return out;
}

Result<Tokenizer> load_gguf_tokenizer(const std::string& path) {
  FACET_ASSIGN(GgufFile file, read_gguf(path));
  FACET_ASSIGN(std::string_view model, file.get_string("tokenizer.ggml.model"));
  if (model != "gemma4")
    return unsupported(fmt::format("{}: tokenizer.ggml.model is '{}', expected gemma4", path, model));
  Vocabulary v;
  FACET_ASSIGN(auto tokens, file.get_strings("tokenizer.ggml.tokens"));
  v.pieces.assign(tokens.begin(), tokens.end());
  FACET_ASSIGN(auto merges, file.get_strings("tokenizer.ggml.merges"));
  v.merges.assign(merges.begin(), merges.end());
  v.kinds.assign(v.pieces.size(), TokenKind::kNormal);
  if (file.find("tokenizer.ggml.token_type")) {
    FACET_ASSIGN(std::vector<std::int64_t> types, file.get_ints("tokenizer.ggml.token_type"));
    if (types.size() != v.pieces.size())
      return corrupt(fmt::format("{}: {} token types for {} tokens", path, types.size(), v.pieces.size()));
    for (std::size_t i = 0; i < types.size(); ++i) {
      if (types[i] < 1 || types[i] > 6)
        return corrupt(fmt::format("{}: token {} has type {}, expected 1 to 6", path, i, types[i]));
      v.kinds[i] = static_cast<TokenKind>(types[i]);
    }
  }
  for (auto [key, id] : {std::pair{"bos_token_id", &v.bos},
                         {"eos_token_id", &v.eos},
                         {"unknown_token_id", &v.unknown},
                         {"padding_token_id", &v.pad},
                         {"mask_token_id", &v.mask}}) {
    FACET_ASSIGN(std::int64_t value, file.get_int(std::string("tokenizer.ggml.") + key, *id));
    if (value < 0 || value >= static_cast<std::int64_t>(v.pieces.size()))
      return corrupt(
          fmt::format("{}: tokenizer.ggml.{} is {}, outside the {} tokens", path, key, value, v.pieces.size()));
    *id = static_cast<int>(value);
  }
  auto tokenizer = Tokenizer::create(std::move(v));
  if (!tokenizer.ok()) return tokenizer.status().with_prefix(path);
  return tokenizer;
}

}  // namespace facet
