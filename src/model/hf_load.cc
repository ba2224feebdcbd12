#include "model/hf_load.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <set>

#include "base/mapped_file.h"
#include "formats/safetensors/safetensors.h"
#include "model/hf_names.h"
#include "model/mobile_config.h"
#include "quant/codec.h"

namespace facet {
namespace {

namespace fs = std::filesystem;

// One folder being turned into a checkpoint: which stored names were used, so that leftovers can be named.
class Loader {
 public:
  Loader(std::string folder, const SafetensorsFile& file, const MobileConfig& mobile, Checkpoint& out)
      : folder_(std::move(folder)), file_(file), mobile_(mobile), out_(out) {
    for (const SafetensorsTensor& t : file.tensors)
      if (auto name = canonical_name(t.name)) stored_[*name] = &t;
  }

  Status load() {
    settle_head();
    for (const TensorSpec& spec : tensor_specs(out_.config)) FACET_TRY(load_tensor(spec));
    if (mobile_.present) FACET_TRY(load_cache_scales());
    for (const auto& [name, tensor] : stored_)
      if (!used_.contains(name) && !is_dead_tensor(out_.config, name))
        return bad(tensor->name, "is not part of a Gemma 4 decoder of this config (renamed, or a newer format?)");
    out_.metadata.insert(file_.metadata.begin(), file_.metadata.end());
    for (const auto& shard : file_.files) out_.owners.push_back(shard.owner);
    return {};
  }

 private:
  Status bad(std::string_view name, const std::string& why) const {
    return corrupt(fmt::format("{}: tensor '{}' {}", folder_, name, why));
  }
  const SafetensorsTensor* find(const std::string& name) {
    auto found = stored_.find(name);
    if (found == stored_.end()) return nullptr;
    used_.insert(name);
    return found->second;
  }

  // A head that repeats the embedding is dropped: one table serves both.  A config that says "tied" makes any stored
  // head a leftover copy.
  void settle_head() {
    auto same = [&](const std::string& a, const std::string& b) {
      auto x = stored_.find(a), y = stored_.find(b);
      return x != stored_.end() && y != stored_.end() && x->second->bytes.size() == y->second->bytes.size() &&
             std::memcmp(x->second->bytes.data(), y->second->bytes.data(), x->second->bytes.size()) == 0;
    };
    bool copy =
        same("lm_head.weight", "embed_tokens.weight") || (same("lm_head.weight", "embed_tokens.embedding_quantized") &&
                                                          same("lm_head.weight_scale", "embed_tokens.embedding_scale"));
    if (copy) out_.config.tied_head = true;
    if (!out_.config.tied_head) return;
    for (const char* name : {"lm_head.weight", "lm_head.weight_scale", "lm_head.input_activation_scale",
                             "lm_head.output_activation_scale"})
      stored_.erase(name);
  }

  Status load_tensor(const TensorSpec& spec) {
    std::string module = module_name(spec);
    bool table = spec.role == Role::kEmbedding || spec.role == Role::kPleTable;
    std::string codes_name = table ? module + ".embedding_quantized" : spec.name;
    const SafetensorsTensor* t = find(codes_name);
    if (!t && table) t = find(spec.name);
    if (!t) return corrupt(fmt::format("{}: tensor '{}' is missing", folder_, spec.name));
    if (mobile_.present && (t->type == SafetensorsType::kU8 || t->type == SafetensorsType::kI8))
      return load_rows(spec, module, *t, table ? module + ".embedding_scale" : module + ".weight_scale");
    if (!dtype_of(t->type)) return bad(t->name, fmt::format("is {}, expected F32, F16 or BF16", name_of(t->type)));
    FACET_TRY(check_shape(t->name, t->shape, spec.shape));
    FACET_ASSIGN(StoredTensor stored, file_.tensor(t->name));
    stored.view.shape = spec.shape;
    if (!spec.is_matrix) FACET_TRY(check_finite(t->name, stored.view));
    out_.tensors[spec.name] = stored.view;
    out_.owners.push_back(stored.owner);
    return {};
  }

  Status check_shape(std::string_view name, const Shape& found, const Shape& wanted) const {
    if (found == wanted || (wanted == Shape{1} && found.empty())) return {};
    return bad(name, fmt::format("is {}, the config wants {} (converted for another size?)", to_string(found),
                                 to_string(wanted)));
  }
  Status check_finite(std::string_view name, const TensorView& view) const {
    std::vector<float> values(static_cast<std::size_t>(element_count(view.shape)));
    decode_rows(view, 0, view.rows(), values);
    for (float v : values)
      if (!std::isfinite(v)) return bad(name, "holds a NaN or an infinity");
    return {};
  }

  // Mobile codes: the packed width decides the bits, the config's patterns must agree.
  Status load_rows(const TensorSpec& spec, const std::string& module, const SafetensorsTensor& t,
                   const std::string& scale_name) {
    std::int64_t cols = spec.shape.back();
    if (t.shape.size() != 2 || t.shape[0] != element_count(spec.shape) / cols)
      return bad(t.name, fmt::format("is {}, the config wants {} packed", to_string(t.shape), to_string(spec.shape)));
    int bits = 0;
    for (int b : {2, 4, 8})
      if ((b == 8) == (t.type == SafetensorsType::kI8) && t.shape[1] == (cols * b + 7) / 8) bits = b;
    if (bits == 0)
      return bad(t.name,
                 fmt::format("has rows of {} bytes, which hold {} codes at none of 2, 4 and 8 bits", t.shape[1], cols));
    FACET_ASSIGN(int stated, bits_of_module(mobile_, std::string(t.name.substr(0, t.name.rfind('.')))));
    if (stated < 0 && bits != 8)
      return bad(t.name, "matches no pattern of the quantization_config: its bits would be a guess");
    if (stated >= 0 && stated != bits)
      return bad(t.name, fmt::format("is packed at {} bits, the quantization_config says {}", bits, stated));
    const SafetensorsTensor* s = find(scale_name);
    if (!s) return corrupt(fmt::format("{}: tensor '{}' is missing", folder_, scale_name));
    int groups = scale_groups_of(spec);
    if (s->type != SafetensorsType::kF32 || s->shape != Shape{t.shape[0], groups})
      return bad(s->name, fmt::format("is {} {}, expected F32 {}x{}", name_of(s->type), to_string(s->shape), t.shape[0],
                                      groups));
    FACET_ASSIGN(StoredTensor scales, file_.tensor(s->name));
    std::span<const float> values{reinterpret_cast<const float*>(scales.view.bytes.data()),
                                  scales.view.bytes.size() / sizeof(float)};
    for (std::size_t i = 0; i < values.size(); ++i)
      if (!(values[i] > 0) || !std::isfinite(values[i]))
        return bad(s->name, fmt::format("has the scale {} at {}, expected a positive number", values[i], i));
    out_.tensors[spec.name] = {row_type_of_bits(bits), spec.shape, t.bytes, values};
    out_.owners.push_back(scales.owner);
    if (spec.role == Role::kEmbedding || spec.role == Role::kPleTable) return {};
    ActivationScales a;
    FACET_TRY(load_scalar(module + ".input_activation_scale", a.input));
    FACET_TRY(load_scalar(module + ".output_activation_scale", a.output));
    if (a.input > 0 || a.output > 0) out_.activation_scales[module] = a;
    return {};
  }

  int scale_groups_of(const TensorSpec& spec) const {
    return spec.role == Role::kPleTable ? out_.config.n_layers() : 1;
  }

  Status load_scalar(const std::string& name, float& value) {
    const SafetensorsTensor* t = find(name);
    if (!t) return {};  // not calibrated
    if (t->type != SafetensorsType::kF32 || t->bytes.size() != sizeof(float)) return bad(t->name, "must be one F32");
    std::memcpy(&value, t->bytes.data(), sizeof value);
    if (!(value >= 0) || !std::isfinite(value))
      return bad(t->name, fmt::format("is {}, expected a scale of at least 0", value));
    return {};
  }

  Status load_cache_scales() {
    std::vector<CacheScales> scales(static_cast<std::size_t>(out_.config.n_layers()));
    bool any = false;
    for (int l = 0; l < out_.config.n_layers(); ++l) {
      FACET_TRY(load_scalar(fmt::format("layers.{}.self_attn.k_cache_scale", l), scales[l].k));
      FACET_TRY(load_scalar(fmt::format("layers.{}.self_attn.v_cache_scale", l), scales[l].v));
      any = any || scales[l].k > 0 || scales[l].v > 0;
    }
    if (any) out_.cache_scales = std::move(scales);
    return {};
  }

  std::string folder_;
  const SafetensorsFile& file_;
  const MobileConfig& mobile_;
  Checkpoint& out_;
  std::map<std::string, const SafetensorsTensor*> stored_;  // by canonical name
  std::set<std::string> used_;
};

}  // namespace

Result<Checkpoint> load_hf(const std::string& folder) {
  FACET_ASSIGN(std::string text, read_text_file((fs::path(folder) / "config.json").string(), std::size_t{16} << 20));
  Checkpoint out;
  auto config = parse_hf_config(text);
  if (!config.ok()) return config.status().with_prefix(folder);
  out.config = std::move(*config);
  auto mobile = find_mobile_config(text);
  if (!mobile.ok()) return mobile.status().with_prefix(folder);
  FACET_ASSIGN(SafetensorsFile file, read_safetensors_folder(folder));
  FACET_TRY(Loader(folder, file, *mobile, out).load());
  return out;
}

}  // namespace facet
