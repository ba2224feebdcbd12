#include "engine/model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/half.h"
#include "quant/codec.h"
#include "quant/q4_0.h"
#include "quant/row_int.h"

namespace facet {
namespace {

// What kernels assume of the address of a tensor's first byte.
std::size_t alignment(DType type) {
  switch (type) {
    case DType::kF32:
      return alignof(float);
    case DType::kF16:
    case DType::kBF16:
    case DType::kQ8_0:
    case DType::kQ4_0:
    case DType::kQ4_K:
    case DType::kQ6_K:
      return alignof(std::uint16_t);
    default:  // codes, and blocks that only decode_rows() reads
      return 1;
  }
}

Status check_scale(const std::string& module, const char* which, float scale) {
  if (std::isfinite(scale) && scale >= 0) return {};
  return corrupt("module '" + module + "': " + which + " scale is " + std::to_string(scale) +
                 ", expected a positive number, or 0 for none; export the model again");
}

}  // namespace

// Walks the tensors the config implies, checks each and puts it where it belongs.
class Model::Binder {
 public:
  explicit Binder(Model& model) : m_(model), c_(model.checkpoint_.config) {}

  Status bind() {
    FACET_TRY(c_.validate());
    FACET_TRY(bind_cache_scales());
    m_.layers_.resize(c_.n_layers());
    for (const TensorSpec& spec : tensor_specs(c_)) {
      auto found = m_.checkpoint_.tensors.find(spec.name);
      if (found == m_.checkpoint_.tensors.end())
        return not_found("tensor '" + spec.name + "' is missing; is this the whole model?");
      FACET_TRY(check(spec, found->second));
      FACET_TRY(place(spec, is_grouped(spec, found->second) ? as_blocks(found->second) : found->second));
    }
    if (c_.tied_head && c_.n_clusters == 0) m_.head_ = embedding_as_head_;
    m_.checkpoint_.release(std::as_bytes(m_.ple_table_.row_scales));  // all were checked, few will be used
    for (int l = 0; l < c_.n_layers(); ++l)
      if (!m_.checkpoint_.cache_scales.empty()) m_.layers_[l].cache_scales = m_.checkpoint_.cache_scales[l];
    return {};
  }

 private:
  Status bind_cache_scales() {
    const auto& scales = m_.checkpoint_.cache_scales;
    if (!scales.empty() && scales.size() != static_cast<std::size_t>(c_.n_layers()))
      return corrupt("cache scales for " + std::to_string(scales.size()) + " layers, the config has " +
                     std::to_string(c_.n_layers()));
    for (std::size_t l = 0; l < scales.size(); ++l) {
      const std::string module = "layers." + std::to_string(l) + ".self_attn";
      FACET_TRY(check_scale(module, "key cache", scales[l].k));
      FACET_TRY(check_scale(module, "value cache", scales[l].v));
    }
    return {};
  }

  Status check(const TensorSpec& spec, const TensorView& t) {
    const std::string where = "tensor '" + spec.name + "'";
    if (t.shape != spec.shape)
      return corrupt(where + " is " + to_string(t.shape) + ", config wants " + to_string(spec.shape) +
                     "; converted for another size?");
    if (!spec.is_matrix && !is_float(t.dtype))
      return unsupported(where + " is " + std::string(info(t.dtype).name) + ", expected f32, f16 or bf16");
    auto row = row_bytes(t.dtype, t.cols());
    if (!row) {
      return unsupported(where + " has rows of " + std::to_string(t.cols()) + ", " + std::string(info(t.dtype).name) +
                         " needs a multiple of " + std::to_string(info(t.dtype).block));
    }
    if (t.bytes.size() != *row * static_cast<std::uint64_t>(t.rows()))
      return corrupt(where + " has " + std::to_string(t.bytes.size()) + " bytes, expected " +
                     std::to_string(*row * static_cast<std::uint64_t>(t.rows())));
    return has_row_scales(t.dtype) ? check_row_scales(spec, t) : Status{};
  }

  // Linears of compressed-tensors: scales for groups of columns, of 32 or a multiple.
  static bool is_grouped(const TensorSpec& spec, const TensorView& t) {
    return is_linear(spec.role) && t.dtype == DType::kI4Row && t.groups() > 1 && t.cols() % t.groups() == 0 &&
           t.cols() / t.groups() % Q4_0Block::kWeights == 0;
  }

  Status check_row_scales(const TensorSpec& spec, const TensorView& t) {
    const bool table = spec.role == Role::kPleTable;
    const auto rows = static_cast<std::uint64_t>(t.rows()), n = static_cast<std::uint64_t>(t.row_scales.size());
    if (n != rows && !(table && n == rows * static_cast<std::uint64_t>(c_.n_layers())) && !is_grouped(spec, t))
      return corrupt("tensor '" + spec.name + "' has " + std::to_string(n) + " scales for " + std::to_string(rows) +
                     " rows");
    for (float s : t.row_scales)
      if (!std::isfinite(s)) return corrupt("tensor '" + spec.name + "' has a scale that is not finite");
    return {};
  }

  const std::byte* aligned(const TensorView& t) {
    if (reinterpret_cast<std::uintptr_t>(t.bytes.data()) % alignment(t.dtype) == 0) return t.bytes.data();
    m_.realigned_.push_back(std::make_unique<std::byte[]>(t.bytes.size()));
    std::memcpy(m_.realigned_.back().get(), t.bytes.data(), t.bytes.size());
    return m_.realigned_.back().get();
  }

  // The same weights in a type that kernels multiply: Q4_0 where all scales are halves, as those of weights nearly
  // always are, else floats.
  TensorView as_blocks(const TensorView& t) {
    const bool halves = std::ranges::all_of(t.row_scales, [](float s) { return to_float(to_half(s)) == s; });
    TensorView out{halves ? DType::kQ4_0 : DType::kF32, t.shape, {}, {}};
    const std::size_t from_row = *row_bytes(t.dtype, t.cols()), to_row = *row_bytes(out.dtype, t.cols());
    m_.realigned_.push_back(std::make_unique<std::byte[]>(static_cast<std::size_t>(t.rows()) * to_row));
    std::byte* to = m_.realigned_.back().get();
    out.bytes = {to, static_cast<std::size_t>(t.rows()) * to_row};
    const std::int64_t group = t.cols() / t.groups();
    std::array<std::int8_t, Q4_0Block::kWeights> codes;
    std::vector<float> values(static_cast<std::size_t>(t.cols()));
    for (std::int64_t r = 0; r < t.rows(); ++r, to += to_row) {
      if (!halves) {
        decode_row(t, r, values);
        std::memcpy(to, values.data(), to_row);
        continue;
      }
      for (std::int64_t c = 0; c < t.cols(); c += Q4_0Block::kWeights) {
        constexpr int kHalf = Q4_0Block::kWeights / 2;
        unpack_codes(t.bytes.subspan(static_cast<std::size_t>(r) * from_row + static_cast<std::size_t>(c / 2), kHalf),
                     4, codes);
        Q4_0Block block{to_half(t.row_scales[static_cast<std::size_t>(r * t.groups() + c / group)]), {}};
        for (int i = 0; i < kHalf; ++i)
          block.codes[i] = static_cast<std::uint8_t>((codes[i] + 8) | (codes[i + kHalf] + 8) << 4);
        std::memcpy(to + c / Q4_0Block::kWeights * static_cast<std::int64_t>(sizeof block), &block, sizeof block);
      }
    }
    m_.checkpoint_.release(t.bytes);
    return out;
  }

  // Matrix `expert` of a stack, or the whole of an ordinary weight.
  Status linear(const TensorSpec& spec, const TensorView& t, Linear& out, int expert = -1) {
    const int index = std::max(0, expert);
    out.dtype = t.dtype;
    out.cols = static_cast<int>(spec.shape.back());
    out.rows = static_cast<int>(spec.shape[spec.shape.size() - 2]);
    if (index == 0) stack_ = aligned(t);
    out.data = stack_ + *row_bytes(t.dtype, out.cols) * static_cast<std::uint64_t>(out.rows) * index;
    if (has_row_scales(t.dtype)) out.row_scales = t.row_scales.data() + std::int64_t{out.rows} * index;
    out.name = spec.name;
    out.module = module_name(spec);
    out.expert = expert;
    auto scales = m_.checkpoint_.activation_scales.find(out.module);
    if (scales == m_.checkpoint_.activation_scales.end()) return {};
    out.input_scale = scales->second.input;
    out.output_scale = scales->second.output;
    FACET_TRY(check_scale(out.module, "input activation", out.input_scale));
    return check_scale(out.module, "output activation", out.output_scale);
  }

  void table(const TensorView& t, TensorView& out) {
    out = t;
    out.bytes = {aligned(t), t.bytes.size()};
  }

  Status ordered_head(const TensorSpec& spec, const TensorView& t) {
    constexpr std::size_t kPiece = std::size_t{1} << 20;
    const std::vector<int>& ordering = m_.checkpoint_.token_ordering;
    const auto n_rows = static_cast<std::size_t>(t.rows());
    const std::size_t row = *row_bytes(t.dtype, t.cols());
    constexpr std::size_t kNone = ~std::size_t{0};
    std::vector<std::size_t> place_of(n_rows, kNone);  // of each token's row
    bool all = ordering.size() == n_rows;
    for (std::size_t i = 0; i < n_rows && all; ++i) {
      const auto token = static_cast<std::size_t>(ordering[i]);
      all = token < n_rows && place_of[token] == kNone;
      if (all) place_of[token] = i;
    }
    if (!all) return corrupt("the token ordering is no permutation of " + std::to_string(n_rows) + " tokens");
    if (has_row_scales(t.dtype))
      return unsupported("tensor '" + spec.name + "' has row scales, which a head with clusters cannot have");
    m_.ordered_head_.resize(row * n_rows);
    const std::size_t most = std::max<std::size_t>(1, kPiece / row);
    std::vector<std::byte> piece(most * row);
    for (std::size_t r = 0; r < n_rows; r += most) {
      const std::size_t n = std::min(most, n_rows - r);
      m_.checkpoint_.copy(t.bytes.subspan(r * row, n * row), piece.data());
      for (std::size_t i = 0; i < n; ++i)
        std::memcpy(m_.ordered_head_.data() + place_of[r + i] * row, piece.data() + i * row, row);
    }
    return linear(spec, {t.dtype, t.shape, m_.ordered_head_, {}}, m_.head_);
  }

  Status experts(const TensorSpec& spec, const TensorView& t, std::vector<Linear>& out) {
    out.resize(c_.n_experts);
    for (int e = 0; e < c_.n_experts; ++e) FACET_TRY(linear(spec, t, out[e], e));
    return {};
  }

  Status vector(const TensorSpec& spec, const TensorView& t, const float*& out) {
    const auto n = static_cast<std::size_t>(element_count(t.shape));
    auto values = std::make_unique<float[]>(n);
    decode_rows(t, 0, t.rows(), {values.get(), n});
    for (std::size_t i = 0; i < n; ++i)
      if (!std::isfinite(values[i]))
        return corrupt("tensor '" + spec.name + "' has a value that is not finite at " + std::to_string(i));
    out = values.get();
    m_.vectors_.push_back(std::move(values));
    return {};
  }

  Status place(const TensorSpec& spec, const TensorView& t) {
    LayerWeights& w = m_.layers_[std::max(0, spec.layer)];  // unused by model-wide tensors
    switch (spec.role) {
      case Role::kEmbedding:
        if (c_.n_clusters > 0 && c_.tied_head) return ordered_head(spec, t);
        return table(t, m_.embedding_), linear(spec, m_.embedding_, embedding_as_head_);
      case Role::kPleTable:
        return table(t, m_.ple_table_), Status{};
      case Role::kHead:
        if (c_.n_clusters > 0) return ordered_head(spec, t);
        return linear(spec, t, m_.head_);
      case Role::kPleModelProj:
        return linear(spec, t, m_.ple_model_proj_);
      case Role::kPreProjection:
        return linear(spec, t, m_.pre_projection_);
      case Role::kPostProjection:
        return linear(spec, t, m_.post_projection_);
      case Role::kCentroids:
        return linear(spec, t, m_.centroids_);
      case Role::kPleProjNorm:
        return vector(spec, t, m_.ple_proj_norm_);
      case Role::kOutputNorm:
        return vector(spec, t, m_.output_norm_);
      case Role::kQ:
        return linear(spec, t, w.q);
      case Role::kK:
        return linear(spec, t, w.k);
      case Role::kV:
        return linear(spec, t, w.v);
      case Role::kO:
        return linear(spec, t, w.o);
      case Role::kGate:
        return linear(spec, t, w.gate);
      case Role::kUp:
        return linear(spec, t, w.up);
      case Role::kDown:
        return linear(spec, t, w.down);
      case Role::kPleGate:
        return linear(spec, t, w.ple_gate);
      case Role::kPleProj:
        return linear(spec, t, w.ple_proj);
      case Role::kRouter:
        return linear(spec, t, w.router);
      case Role::kExpertsGateUp:
        return experts(spec, t, w.experts_gate_up);
      case Role::kExpertsDown:
        return experts(spec, t, w.experts_down);
      case Role::kAttnNorm:
        return vector(spec, t, w.attn_norm);
      case Role::kQNorm:
        return vector(spec, t, w.q_norm);
      case Role::kKNorm:
        return vector(spec, t, w.k_norm);
      case Role::kPostAttnNorm:
        return vector(spec, t, w.post_attn_norm);
      case Role::kFfnNorm:
        return vector(spec, t, w.ffn_norm);
      case Role::kPostFfnNorm:
        return vector(spec, t, w.post_ffn_norm);
      case Role::kPostPleNorm:
        return vector(spec, t, w.post_ple_norm);
      case Role::kRouterScale:
        return vector(spec, t, w.router_scale);
      case Role::kExpertScale:
        return vector(spec, t, w.expert_scale);
      case Role::kFfnNorm2:
        return vector(spec, t, w.ffn_norm_2);
      case Role::kPostFfnNorm1:
        return vector(spec, t, w.post_ffn_norm_1);
      case Role::kPostFfnNorm2:
        return vector(spec, t, w.post_ffn_norm_2);
      case Role::kLayerScalar: {
        const float* scalar = nullptr;
        FACET_TRY(vector(spec, t, scalar));
        w.scalar = *scalar;
        return {};
      }
    }
    return {};
  }

  Model& m_;
  const GemmaConfig& c_;
  const std::byte* stack_ = nullptr;  // first byte of the tensor whose slices are being bound
  Linear embedding_as_head_;
};

Result<Model> Model::load(const std::string& path) {
  auto checkpoint = load_checkpoint(path);
  if (!checkpoint.ok()) return checkpoint.status();
  auto model = bind(std::move(*checkpoint));
  if (!model.ok()) return model.status().with_prefix(path);
  return model;
}

Result<Model> Model::bind(Checkpoint checkpoint) {
  Model model;
  model.checkpoint_ = std::move(checkpoint);
  FACET_TRY(Binder(model).bind());
  return model;
}

}  // namespace facet
