#include "model/hf_load.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <set>

#include "base/mapped_file.h"
#include "base/printable.h"
#include "formats/safetensors/safetensors.h"
#include "model/generation_config.h"
#include "model/hf_names.h"
#include "model/mobile_config.h"
#include "model/packed_config.h"
#include "model/scheme.h"
#include "model/tensor_check.h"
#include "quant/codec.h"

namespace facet {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxConfigBytes = std::size_t{16} << 20;

// One folder being turned into a checkpoint.  Remembers which stored names were used, so that leftovers can be named.
class Loader {
 public:
  Loader(std::string folder, const SafetensorsFile& file, const std::optional<MobileConfig>& mobile, bool packed,
         Checkpoint& out)
      : folder_(std::move(folder)), file_(file), mobile_(mobile), packed_(packed), out_(out) {}

  Status load() {
    for (const SafetensorsTensor& t : file_.tensors)
      if (auto name = canonical_name(t.name))
        if (auto [at, fresh] = stored_.emplace(*name, &t); !fresh)
          return bad(t, "means the same as '" + printable(at->second->name) + "'");
    settle_head();
    const std::vector<TensorSpec> specs = tensor_specs(out_.config);
    FACET_TRY(find_all(specs));
    for (const TensorSpec& spec : specs) FACET_TRY(load_tensor(spec));
    if (mobile_) FACET_TRY(load_cache_scales());
    for (const auto& [name, tensor] : stored_)
      if (!used_.contains(name) && !is_dead_tensor(out_.config, name))
        return bad(*tensor, "is not part of a Gemma 4 decoder of this config (renamed, or a newer format?)");
    for (const auto& [key, value] : file_.metadata)
      if (key.starts_with("facet.")) out_.metadata[key] = value;
    for (const auto& shard : file_.files) out_.owners.push_back(shard.owner);
    return {};
  }

 private:
  Status bad(const SafetensorsTensor& t, const std::string& why) const {
    return corrupt(fmt::format("{}: tensor '{}' {}", file_.files[t.file].path, printable(t.name), why));
  }
  const SafetensorsTensor* find(const std::string& name) {
    auto found = stored_.find(name);
    if (found == stored_.end()) return nullptr;
    used_.insert(name);
    return found->second;
  }
  static bool is_table(const TensorSpec& spec) { return spec.role == Role::kEmbedding || spec.role == Role::kPleTable; }
  // The stored tensor of a spec, under its float name or that of mobile or packed codes.
  const SafetensorsTensor* find(const TensorSpec& spec) {
    if (packed_ && is_linear(spec.role))
      if (const SafetensorsTensor* t = find(module_name(spec) + kPackedTail)) return t;
    if (mobile_) {
      std::string codes = module_name(spec) + (is_table(spec) ? ".embedding_quantized" : ".weight");
      if (const SafetensorsTensor* t = find(codes)) return t;
    }
    return find(spec.name);
  }

  Status find_all(const std::vector<TensorSpec>& specs) {
    std::string first;
    int n_missing = 0;
    for (const TensorSpec& spec : specs)
      if (!find(spec) && n_missing++ == 0) first = spec.name;
    return n_missing == 0 ? Status() : not_found(missing_tensor(folder_, first, n_missing));
  }

  // Leaves no page behind: two hundred megabytes of a released model are compared here, and half of them are not used.
  bool equal_bytes(std::span<const std::byte> a, std::span<const std::byte> b) const {
    const bool equal = a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0;
    out_.release(a);
    out_.release(b);
    return equal;
  }

  // A head that repeats the embedding is dropped: one table serves both.  Where the config says "tied", any stored head
  // is a leftover copy.
  void settle_head() {
    auto same = [&](const char* a, const char* b) {
      auto x = stored_.find(a), y = stored_.find(b);
      return x != stored_.end() && y != stored_.end() && x->second->type == y->second->type &&
             x->second->shape == y->second->shape && equal_bytes(x->second->bytes, y->second->bytes);
    };
    auto zero = [&](const char* name) {
      auto found = stored_.find(name);
      return found == stored_.end() || std::all_of(found->second->bytes.begin(), found->second->bytes.end(),
                                                   [](std::byte b) { return b == std::byte{0}; });
    };
    if (same("lm_head.weight", "embed_tokens.weight")) out_.config.tied_head = true;
    if (mobile_ && same("lm_head.weight", "embed_tokens.embedding_quantized") &&
        same("lm_head.weight_scale", "embed_tokens.embedding_scale") && zero("lm_head.input_activation_scale") &&
        zero("lm_head.output_activation_scale"))
      out_.config.tied_head = true;
    if (!out_.config.tied_head) return;
    for (const char* tail : {"weight", "weight_scale", "input_activation_scale", "output_activation_scale"})
      stored_.erase(std::string("lm_head.") + tail);
  }

  Status load_tensor(const TensorSpec& spec) {
    const SafetensorsTensor& t = *find(spec);
    if (t.name.ends_with(kPackedTail)) return load_packed(spec, t);
    if (mobile_ && is_linear(spec.role)) FACET_TRY(load_activation_scales(module_name(spec)));
    if (t.type == SafetensorsType::kU8 || t.type == SafetensorsType::kI8) {
      if (!mobile_) return bad(t, fmt::format("is {}, but config.json has no quantization_config", name_of(t.type)));
      return load_rows(spec, t);
    }
    if (!dtype_of(t.type)) return bad(t, fmt::format("is {}, expected F32, F16 or BF16", name_of(t.type)));
    const bool scalar = t.shape.empty() && spec.shape == Shape{1};
    if (t.shape != spec.shape && !scalar)
      return bad(t, fmt::format("is {}, the config wants {} (converted for another size?)", to_string(t.shape),
                                to_string(spec.shape)));
    FACET_ASSIGN(StoredTensor stored, file_.tensor(t.name));
    stored.view.shape = spec.shape;
    if (!spec.is_matrix && !all_finite(stored.view)) return bad(t, "holds a NaN or an infinity");
    out_.tensors[spec.name] = stored.view;
    out_.owners.push_back(stored.owner);
    return {};
  }

  // Mobile codes: the packed width decides the bits, the config's patterns must agree.
  Status load_rows(const TensorSpec& spec, const SafetensorsTensor& t) {
    if (!spec.is_matrix) return bad(t, fmt::format("is {}, expected F32, F16 or BF16", name_of(t.type)));
    const std::int64_t cols = spec.shape.back();
    Shape packed = spec.shape;
    int bits = 0;
    for (int b : {2, 4, 8}) {
      packed.back() = (cols * b + 7) / 8;
      if ((b == 8) == (t.type == SafetensorsType::kI8) && t.shape == packed) bits = b;
    }
    if (bits == 0)
      return bad(t, fmt::format("is {} {}, which packs {} (2 or 4 bits as U8, 8 bits as I8) at no width",
                                name_of(t.type), to_string(t.shape), to_string(spec.shape)));
    const std::optional<int> stated = mobile_->bits_of(t.name.substr(0, t.name.rfind('.')));
    if (!stated && bits != 8) return bad(t, "matches no pattern of the quantization_config: its bits would be a guess");
    if (stated && *stated != bits)
      return bad(t, fmt::format("is packed at {} bits, the quantization_config says {}", bits, *stated));
    const std::string scale_name = module_name(spec) + (is_table(spec) ? ".embedding_scale" : ".weight_scale");
    const SafetensorsTensor* s = find(scale_name);
    if (!s) return not_found(missing_tensor(folder_, scale_name, 1));
    Shape scale_shape = spec.shape;
    scale_shape.back() = scale_groups(out_.config, spec);
    if (s->type != SafetensorsType::kF32 || s->shape != scale_shape)
      return bad(
          *s, fmt::format("is {} {}, expected F32 {}", name_of(s->type), to_string(s->shape), to_string(scale_shape)));
    FACET_ASSIGN(StoredTensor scales, file_.tensor(s->name));
    const std::span<const float> values = floats_of(scales.view);
    for (std::size_t i = 0; i < values.size(); ++i)
      if (!(values[i] > 0) || !std::isfinite(values[i]))
        return bad(*s, fmt::format("has {} at {}, expected a positive scale", values[i], i));
    out_.tensors[spec.name] = {row_type_of_bits(bits), spec.shape, t.bytes, values};
    out_.owners.push_back(scales.owner);
    return {};
  }

  // compressed-tensors: eight codes to an I32, which as bytes are those of kI4Row; groups of columns by the scales.
  Status load_packed(const TensorSpec& spec, const SafetensorsTensor& t) {
    const std::int64_t rows = spec.shape.front(), cols = spec.shape.back();
    if (spec.shape.size() != 2 || t.type != SafetensorsType::kI32 || t.shape != Shape{rows, (cols + 7) / 8})
      return bad(t, fmt::format("is {} {}, expected I32 {} for {}", name_of(t.type), to_string(t.shape),
                                to_string({rows, (cols + 7) / 8}), to_string(spec.shape)));
    const std::string scale_name = module_name(spec) + ".weight_scale",
                      shape_name = module_name(spec) + ".weight_shape";
    const SafetensorsTensor *s = find(scale_name), *shape = find(shape_name);
    if (!s) return not_found(missing_tensor(folder_, scale_name, 1));
    if (!shape) return not_found(missing_tensor(folder_, shape_name, 1));
    std::int64_t stated[2] = {};
    if (shape->type != SafetensorsType::kI64 || shape->bytes.size() != sizeof stated)
      return bad(*shape, fmt::format("is {} {}, expected I64 2", name_of(shape->type), to_string(shape->shape)));
    std::memcpy(stated, shape->bytes.data(), sizeof stated);
    if (stated[0] != rows || stated[1] != cols)
      return bad(*shape, fmt::format("says {}x{}, the config wants {}", stated[0], stated[1], to_string(spec.shape)));
    const std::int64_t groups = s->shape.size() == 2 ? s->shape[1] : 0;
    if (!dtype_of(s->type) || s->shape != Shape{rows, groups} || groups <= 0 || cols % groups != 0 ||
        cols / groups % 32 != 0)
      return bad(*s, fmt::format("is {} {}, expected floats for {} rows and groups of 32 columns or a multiple",
                                 name_of(s->type), to_string(s->shape), rows));
    FACET_ASSIGN(StoredTensor stored, file_.tensor(s->name));
    auto scales = std::make_shared<std::vector<float>>(static_cast<std::size_t>(rows * groups));
    decode_rows(stored.view, 0, rows, *scales);
    for (std::size_t i = 0; i < scales->size(); ++i)
      if (!std::isfinite((*scales)[i])) return bad(*s, fmt::format("has {} at {}", (*scales)[i], i));
    out_.release(s->bytes);
    out_.tensors[spec.name] = {DType::kI4Row, spec.shape, t.bytes, *scales};
    out_.owners.push_back(std::move(scales));
    return {};
  }

  Status load_activation_scales(const std::string& module) {
    ActivationScales a;
    FACET_TRY(load_scale(module + ".input_activation_scale", a.input));
    FACET_TRY(load_scale(module + ".output_activation_scale", a.output));
    if (a.input > 0 || a.output > 0) out_.activation_scales[module] = a;
    return {};
  }

  // One F32, scalar or of one element; absent or 0: not calibrated.
  Status load_scale(const std::string& name, float& value) {
    const SafetensorsTensor* t = find(name);
    if (!t) return {};
    if (t->type != SafetensorsType::kF32 || t->bytes.size() != sizeof(float))
      return bad(*t, fmt::format("is {} {}, expected one F32", name_of(t->type), to_string(t->shape)));
    std::memcpy(&value, t->bytes.data(), sizeof value);
    if (!(value >= 0) || !std::isfinite(value)) return bad(*t, fmt::format("is {}, expected a scale or 0", value));
    return {};
  }

  Status load_cache_scales() {
    const GemmaConfig& c = out_.config;
    std::vector<CacheScales> scales(static_cast<std::size_t>(c.n_layers()));
    bool any = false;
    for (int l = 0; l < c.n_layers(); ++l) {
      FACET_TRY(load_scale(fmt::format("layers.{}.self_attn.k_cache_scale", l), scales[l].k));
      FACET_TRY(load_scale(fmt::format("layers.{}.self_attn.v_cache_scale", l), scales[l].v));
      if (!c.owns_kv(l)) scales[l] = scales[c.kv_donor(l)];  // it reads that cache, whatever the file repeats here
      any = any || scales[l].k > 0 || scales[l].v > 0;
    }
    if (any) out_.cache_scales = std::move(scales);
    return {};
  }

  std::string folder_;
  const SafetensorsFile& file_;
  static constexpr const char* kPackedTail = ".weight_packed";
  const std::optional<MobileConfig>& mobile_;
  const bool packed_;
  Checkpoint& out_;
  std::map<std::string, const SafetensorsTensor*> stored_;  // by canonical name
  std::set<std::string> used_;
};

}  // namespace

Result<Checkpoint> load_hf(const std::string& folder) {
  const fs::path root(folder);
  FACET_ASSIGN(std::string text, read_text_file((root / "config.json").string(), kMaxConfigBytes));
  Checkpoint out;
  auto config = parse_hf_config(text);
  if (!config.ok()) return config.status().with_prefix(folder);
  out.config = std::move(*config);
  const Result<bool> packed = is_packed(text);
  if (!packed.ok()) return packed.status().with_prefix(folder);
  Result<std::optional<MobileConfig>> mobile = std::optional<MobileConfig>();
  if (!*packed) mobile = MobileConfig::find(text);
  if (!mobile.ok()) return mobile.status().with_prefix(folder);
  const std::string generation = (root / "generation_config.json").string();
  if (std::error_code error; fs::exists(generation, error)) {
    FACET_ASSIGN(text, read_text_file(generation, kMaxConfigBytes));
    FACET_TRY(apply_generation_config(text, out.config).with_prefix(folder));
  }
  FACET_ASSIGN(SafetensorsFile file, read_safetensors_folder(folder));
  for (const SafetensorsFile::Shard& shard : file.files)
    if (shard.mapping) out.files.push_back(shard.mapping);
  FACET_TRY(Loader(folder, file, *mobile, *packed, out).load());
  return out;
}

}  // namespace facet
