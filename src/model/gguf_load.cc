#include "model/gguf_load.h"

#include <fmt/format.h>

#include <cstring>
#include <set>

#include "base/printable.h"
#include "formats/gguf/gguf.h"
#include "model/gguf_keys.h"
#include "model/tensor_check.h"

namespace facet {
namespace {

class Loader {
 public:
  Loader(const GgufFile& file, Checkpoint& out) : file_(file), out_(out) {}

  Status load() {
    const std::vector<TensorSpec> specs = tensor_specs(out_.config);
    FACET_TRY(find_all(specs));
    for (const TensorSpec& spec : specs) FACET_TRY(load_tensor(spec));
    FACET_TRY(check_leftovers());
    for (const GgufEntry& entry : file_.metadata)
      if (const auto* text = std::get_if<std::string_view>(&entry.value); text && entry.key.starts_with(kFacetPrefix))
        out_.metadata[std::string(entry.key)] = *text;
    out_.owners.push_back(file_.owner);
    if (file_.mapping) out_.files.push_back(file_.mapping);
    return {};
  }

 private:
  Status bad(std::string_view name, const std::string& why) const {
    return corrupt(fmt::format("{}: tensor '{}' {}", file_.path, printable(name), why));
  }
  // Some converters store gate and up of the experts apart.
  static std::string half_name(const TensorSpec& spec, const char* half) {
    return fmt::format("blk.{}.ffn_{}_exps.weight", spec.layer, half);
  }
  bool is_split(const TensorSpec& spec) const {
    return spec.role == Role::kExpertsGateUp && !file_.find_tensor(spec.gguf_name) &&
           file_.find_tensor(half_name(spec, "gate")) && file_.find_tensor(half_name(spec, "up"));
  }

  Status find_all(const std::vector<TensorSpec>& specs) const {
    std::string first;
    int n_missing = 0;
    for (const TensorSpec& spec : specs)
      if (!file_.find_tensor(spec.gguf_name) && !is_split(spec) && n_missing++ == 0) first = spec.gguf_name;
    return n_missing == 0 ? Status() : not_found(missing_tensor(file_.path, first, n_missing));
  }

  // `shape` is what the config wants of the tensor `name`.
  Result<StoredTensor> fetch(const std::string& name, const Shape& shape) {
    const GgufTensor& t = *file_.find_tensor(name);
    used_.insert(name);
    if (t.shape != shape)
      return bad(name, fmt::format("is {}, the metadata want {} (converted for another size?)", to_string(t.shape),
                                   to_string(shape)));
    return file_.tensor(name);
  }

  Status load_tensor(const TensorSpec& spec) {
    if (is_split(spec)) return join_experts(spec);
    FACET_ASSIGN(StoredTensor stored, fetch(spec.gguf_name, spec.shape));
    if (!spec.is_matrix) {
      if (!is_float(stored.view.dtype))
        return bad(spec.gguf_name, fmt::format("is {}, expected floats", info(stored.view.dtype).name));
      if (!all_finite(stored.view)) return bad(spec.gguf_name, "holds a NaN or an infinity");
    }
    out_.tensors[spec.name] = stored.view;
    out_.owners.push_back(stored.owner);
    return {};
  }

  // {n, gate rows, cols} and {n, up rows, cols} -> {n, gate then up rows, cols}: a copy, unlike everything else.
  Status join_experts(const TensorSpec& spec) {
    const Shape half{spec.shape[0], spec.shape[1] / 2, spec.shape[2]};
    const std::string gate_name = half_name(spec, "gate"), up_name = half_name(spec, "up");
    FACET_ASSIGN(StoredTensor gate, fetch(gate_name, half));
    FACET_ASSIGN(StoredTensor up, fetch(up_name, half));
    if (gate.view.dtype != up.view.dtype)
      return bad(up_name,
                 fmt::format("is {}, but '{}' is {}", info(up.view.dtype).name, gate_name, info(gate.view.dtype).name));
    Tensor joined = Tensor::zeros(gate.view.dtype, spec.shape);
    const std::size_t n = gate.view.bytes.size() / static_cast<std::size_t>(half[0]);
    for (std::size_t e = 0; e < static_cast<std::size_t>(half[0]); ++e) {
      std::memcpy(joined.bytes.data() + 2 * e * n, gate.view.bytes.data() + e * n, n);
      std::memcpy(joined.bytes.data() + (2 * e + 1) * n, up.view.bytes.data() + e * n, n);
    }
    out_.set(spec.name, std::move(joined));
    return {};
  }

  Status check_leftovers() const {
    std::set<std::string, std::less<>> known = used_;
    known.insert(kRopeFreqs);
    for (int l = out_.config.first_shared_layer(); l < out_.config.n_layers(); ++l)  // dead weights, stored or not
      for (const char* tail : {"attn_k.weight", "attn_v.weight", "attn_k_norm.weight"})
        known.insert(fmt::format("blk.{}.{}", l, tail));
    for (const GgufTensor& t : file_.tensors)
      if (!known.contains(t.name)) return bad(t.name, "is not part of a Gemma 4 decoder of this config");
    return {};
  }

  const GgufFile& file_;
  Checkpoint& out_;
  std::set<std::string, std::less<>> used_;
};

}  // namespace

Result<Checkpoint> load_gguf(const std::string& path) {
  FACET_ASSIGN(GgufFile file, read_gguf(path));
  Checkpoint out;
  FACET_ASSIGN(out.config, parse_gguf_config(file));
  FACET_TRY(Loader(file, out).load());
  return out;
}

Result<Tokenizer> load_gguf_tokenizer(const std::string& path) {
  FACET_ASSIGN(GgufFile file, read_gguf(path));
  FACET_ASSIGN(std::string_view model, file.get_string("tokenizer.ggml.model"));
  FACET_ASSIGN(std::string_view pre, file.get_string("tokenizer.ggml.pre", ""));
  // Ollama's converter writes "llama" and says the rest in "pre".
  if (model != "gemma4" && !(model == "llama" && pre == "gemma4"))
    return unsupported(fmt::format("{}: tokenizer.ggml.model is '{}', expected gemma4", path, printable(model)));
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
