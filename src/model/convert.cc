#include "model/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <mutex>
#include <utility>

#include "base/check.h"
#include "base/half.h"
#include "model/row_pass.h"
#include "quant/codec.h"
#include "quant/grid.h"
#include "quant/q4_0.h"
#include "quant/row_int.h"
#include "quant/scale_search.h"

namespace facet {
namespace {

constexpr std::pair<ConvertTarget, std::string_view> kTargets[] = {{ConvertTarget::kQ4_0Gguf, "q4_0-gguf"},
                                                                   {ConvertTarget::kBF16Gguf, "bf16-gguf"},
                                                                   {ConvertTarget::kMobile, "mobile"},
                                                                   {ConvertTarget::kW4A16, "w4a16"},
                                                                   {ConvertTarget::kHf, "hf"}};
constexpr int kGroup = 32;  // of w4a16, and of Q4_0

// The float type in which the values of a tensor were last rounded; decoded weights were not.
DType stored_type(const TensorView& view) { return is_float(view.dtype) ? view.dtype : DType::kF32; }

std::string at(const OffGrid& off, const char* what) {
  return fmt::format("'{}' {} of {} {}, the first at row {}, column {}", off.tensor, off.n_off, off.n_groups, what,
                     off.row, off.column);
}

bool is_bf16(float v) { return (std::bit_cast<std::uint32_t>(v) & 0xffffu) == 0; }

}  // namespace

Result<ConvertTarget> parse_convert_target(std::string_view name) {
  std::string known;
  for (auto [target, text] : kTargets) {
    if (name == text) return target;
    known += (known.empty() ? "" : ", ") + std::string(text);
  }
  return invalid_argument(fmt::format("'{}' is no form to convert to; there are {}", name, known));
}
std::string_view name_of(ConvertTarget target) {
  for (auto [known, text] : kTargets)
    if (known == target) return text;
  return "";
}
bool is_gguf(ConvertTarget target) { return target == ConvertTarget::kQ4_0Gguf || target == ConvertTarget::kBF16Gguf; }

struct Conversion::State {
  const Checkpoint& source;
  ConvertTarget target;
  ConvertOptions options;
  ThreadPool& pool;
  Checkpoint outline;
  ConvertReport report;
  int n_streamed = 0, n_to_stream = 0;

  State(const Checkpoint& s, ConvertTarget t, const ConvertOptions& o, ThreadPool& p)
      : source(s), target(t), options(o), pool(p) {}

  const char* scheme_name() const {
    switch (target) {
      case ConvertTarget::kQ4_0Gguf:
        return "q4_0";
      case ConvertTarget::kMobile:
        return "mobile";
      case ConvertTarget::kW4A16:
        return "w4a16";
      default:
        return "none";
    }
  }
  const char* groups_name() const { return target == ConvertTarget::kMobile ? "rows" : "blocks of 32"; }

  // for_rows() that ends on Ctrl-C and at values that are not finite.
  template <typename Body, typename After>
  Status for_finite_rows(const TensorSpec& spec, const Body& body, const After& after) {
    return for_rows(
        source, spec.name, source.tensors.at(spec.name), pool,
        [&](std::int64_t row, std::span<const float> values) -> Status {
          if (!std::ranges::all_of(values, [](float v) { return std::isfinite(v); })) return corrupt("NaN or infinity");
          return body(row, values);
        },
        [&](std::int64_t n) -> Status {
          if (options.stop != nullptr && *options.stop) return {Code::kCancelled, "stopped; nothing was written"};
          return after(n);
        });
  }
  template <typename Body>
  Status for_finite_rows(const TensorSpec& spec, const Body& body) {
    return for_finite_rows(spec, body, [](std::int64_t) { return Status(); });
  }

  // What one matrix found off the grid, put together by threads.
  struct Tally {
    OffGrid off;
    std::mutex mutex;
    void add(std::int64_t row, std::int64_t column, std::int64_t n) {
      const std::lock_guard lock(mutex);
      if (off.n_off == 0 || std::pair(row, column) < std::pair(off.row, off.column)) off.row = row, off.column = column;
      off.n_off += n;
    }
  };
  void take(const OffGrid& off) {
    report.n_groups += off.n_groups;
    report.n_off += off.n_off;
    if (off.n_off > 0) report.off_grid.push_back(off);
  }

  Status verdict() const {
    if (report.n_off == 0 || options.allow_ptq) return {};
    constexpr std::size_t kNamed = 3;
    std::string named;
    for (std::size_t i = 0; i < std::min(kNamed, report.off_grid.size()); ++i)
      named += (i == 0 ? "" : "; ") + at(report.off_grid[i], groups_name());
    if (report.off_grid.size() > kNamed) named += fmt::format("; and {} more tensors", report.off_grid.size() - kNamed);
    return {
        Code::kGateFailed,
        fmt::format("{} of {} {} are on no {} grid: {} (not a QAT checkpoint of this kind? --allow-ptq rounds them, "
                    "`facet quantize` does it better)",
                    report.n_off, report.n_groups, groups_name(), name_of(target), named)};
  }

  // A grid for every group of `group` columns.  scales: rows * cols / group values, or empty when only the answer is
  // wanted.
  Status find_scales(const TensorSpec& spec, const GridFormat& format, std::int64_t group, std::span<float> scales,
                     Tally& tally) {
    const TensorView& view = source.tensors.at(spec.name);
    const std::int64_t n = view.cols() / group;
    tally.off.tensor = spec.name;
    tally.off.n_groups = view.rows() * n;
    return for_finite_rows(spec, [&](std::int64_t row, std::span<const float> values) {
      for (std::int64_t g = 0; g < n; ++g) {
        const auto w = values.subspan(static_cast<std::size_t>(g * group), static_cast<std::size_t>(group));
        std::optional<float> scale = grid_scale(w, stored_type(view), format);
        if (!scale) {
          tally.add(row, g * group, 1);
          scale = absmax_group_scale(w, std::bit_width(static_cast<unsigned>(format.max)) + 1);
        }
        if (!scales.empty()) scales[static_cast<std::size_t>(row * n + g)] = *scale;
      }
      return Status();
    });
  }

  // BF16 where every value has that few bits, else the type it has.
  Result<DType> float_type(const TensorSpec& spec) {
    const TensorView& view = source.tensors.at(spec.name);
    if (!is_float(view.dtype)) return DType::kBF16;
    if (view.dtype == DType::kBF16) return DType::kBF16;
    std::atomic<bool> exact{true};
    FACET_TRY(for_finite_rows(spec, [&](std::int64_t, std::span<const float> values) {
      if (!std::all_of(values.begin(), values.end(), is_bf16)) exact = false;
      return Status();
    }));
    return exact ? DType::kBF16 : view.dtype;
  }

  void keep(const TensorSpec& spec) { outline.tensors[spec.name] = source.tensors.at(spec.name); }
  void announce(const TensorSpec& spec, DType type, std::vector<float> scales = {}) {
    TensorView view{type, spec.shape, {}, {}};
    if (!scales.empty()) {
      auto owned = std::make_shared<const std::vector<float>>(std::move(scales));
      view.row_scales = *owned;
      outline.owners.push_back(owned);
    }
    outline.tensors[spec.name] = view;
    ++n_to_stream;
  }

  Status plan_floats(const TensorSpec& spec) {
    FACET_ASSIGN(const DType type, float_type(spec));
    if (type == source.tensors.at(spec.name).dtype)
      keep(spec);
    else
      announce(spec, type);
    return {};
  }

  // Vectors are small: made at once.
  void plan_vector(const TensorSpec& spec) {
    const TensorView& view = source.tensors.at(spec.name);
    Tensor values = decode(view);
    if (view.dtype == DType::kBF16 || !std::all_of(values.floats().begin(), values.floats().end(), is_bf16))
      return keep(spec);
    outline.set(spec.name, *encode(DType::kBF16, spec.shape, values.floats()));
  }

  Status plan_q4_0(const TensorSpec& spec) {
    const TensorView& view = source.tensors.at(spec.name);
    if (!is_float(view.dtype) && !has_row_scales(view.dtype)) {
      keep(spec);
      if (view.dtype != DType::kQ4_0)
        report.notes.push_back(fmt::format("'{}' stays {}", spec.name, info(view.dtype).name));
      return {};
    }
    if (view.cols() % kGroup != 0)
      return unsupported(
          fmt::format("tensor '{}' has rows of {} weights, Q4_0 needs a multiple of 32", spec.name, view.cols()));
    if (spec.role == Role::kPleModelProj) {  // on the grid in Google's floats, a float in Google's and others' GGUFs
      Tally tally;
      FACET_TRY(find_scales(spec, kQ4_0Grid, kGroup, {}, tally));
      if (tally.off.n_off > 0) {
        report.notes.push_back(fmt::format("'{}' is on no grid and stays float", spec.name));
        return plan_floats(spec);
      }
    }
    announce(spec, DType::kQ4_0);
    return {};
  }

  Status plan_w4a16(const TensorSpec& spec) {
    const TensorView& view = source.tensors.at(spec.name);
    if (!is_linear(spec.role) || spec.role == Role::kHead || spec.role == Role::kRouter) return plan_floats(spec);
    if (view.cols() % kGroup != 0)
      return unsupported(
          fmt::format("tensor '{}' has rows of {} weights, w4a16 needs a multiple of 32", spec.name, view.cols()));
    if (view.dtype == DType::kI4Row && view.groups() == view.cols() / kGroup) {
      keep(spec);
      return {};
    }
    std::vector<float> scales(static_cast<std::size_t>(element_count(spec.shape) / kGroup));
    Tally tally;
    FACET_TRY(find_scales(spec, kI4GroupGrid, kGroup, scales, tally));
    if (spec.role == Role::kPleModelProj && tally.off.n_off > 0) {
      report.notes.push_back(fmt::format("'{}' is on no grid and stays float", spec.name));
      return plan_floats(spec);
    }
    take(tally.off);
    announce(spec, DType::kI4Row, std::move(scales));
    return {};
  }

  Status plan_mobile(const TensorSpec& spec, const Scheme& scheme) {
    const TensorView& view = source.tensors.at(spec.name);
    FACET_ASSIGN(const DType wanted, dtype_for(scheme, outline.config, spec, DType::kF32));
    if (!has_row_scales(wanted)) return plan_floats(spec);
    const std::int64_t groups = scale_groups(outline.config, spec);
    if (has_row_scales(view.dtype) && view.groups() == groups) {
      keep(spec);
      return {};
    }
    std::vector<int> widths{bits_of(wanted)};
    for (int bits : {2, 4, 8})
      if (bits != widths.front()) widths.push_back(bits);
    struct Found {
      int bits;
      std::vector<float> scales;
      OffGrid off;
    };
    std::optional<Found> found;  // the first width that fits, else the scheme's
    for (const int bits : widths) {
      Found here{bits, std::vector<float>(static_cast<std::size_t>(view.rows() * groups)), {}};
      Tally tally;
      FACET_TRY(find_scales(spec, row_grid(bits), view.cols() / groups, here.scales, tally));
      here.off = tally.off;
      const bool fits = here.off.n_off == 0;
      if (fits || !found) found = std::move(here);
      if (fits) break;
    }
    take(found->off);
    announce(spec, row_type_of_bits(found->bits), std::move(found->scales));
    return {};
  }

  Status plan() {
    outline.config = source.config;
    outline.metadata = source.metadata;
    outline.owners = source.owners;
    outline.files = source.files;
    outline.metadata["facet.scheme"] = scheme_name();
    Scheme scheme;
    if (target == ConvertTarget::kMobile) {
      scheme.kind = Scheme::Kind::kMobile;
      outline.activation_scales = source.activation_scales;
      outline.cache_scales = source.cache_scales;
      if (source.activation_scales.empty())
        report.notes.push_back(
            "the source has no activation scales: the copy clamps nothing (`facet quantize` and "
            "`facet train` make models that do)");
    } else if (!source.activation_scales.empty()) {
      report.notes.push_back(
          "the static activation scales of the mobile scheme do not go along: the copy clamps nothing");
    }
    if (target == ConvertTarget::kW4A16 && source.config.has_moe())
      return unsupported("w4a16 has no form for stacked experts; take q4_0-gguf");
    const std::vector<TensorSpec> specs = tensor_specs(source.config);
    int done = 0;
    for (const TensorSpec& spec : specs) {
      FACET_TRY(plan_one(spec, scheme));
      if (options.progress && target != ConvertTarget::kQ4_0Gguf)
        options.progress(spec.name, ++done, static_cast<int>(specs.size()));
    }
    return target == ConvertTarget::kQ4_0Gguf ? Status() : verdict();
  }
  Status plan_one(const TensorSpec& spec, const Scheme& scheme) {
    if (!spec.is_matrix) {
      plan_vector(spec);
      return {};
    }
    if (spec.role == Role::kRouter) return plan_floats(spec);
    switch (target) {
      case ConvertTarget::kQ4_0Gguf:
        return plan_q4_0(spec);
      case ConvertTarget::kMobile:
        return plan_mobile(spec, scheme);
      case ConvertTarget::kW4A16:
        return plan_w4a16(spec);
      case ConvertTarget::kBF16Gguf:
      case ConvertTarget::kHf:
        return plan_floats(spec);
    }
    return {};
  }

  // The rows of one matrix in the type of the outline.
  Status write(const TensorSpec& spec, const ByteSink& sink) {
    const TensorView& from = source.tensors.at(spec.name);
    const TensorView& to = outline.tensors.at(spec.name);
    const std::int64_t cols = to.cols(), piece = rows_of_a_piece(from);
    const std::size_t stride = *row_bytes(to.dtype, cols);
    std::vector<std::byte> bytes(static_cast<std::size_t>(piece) * stride);
    Tally tally;
    tally.off.tensor = spec.name;
    if (to.dtype == DType::kQ4_0) tally.off.n_groups = to.rows() * (cols / kGroup);
    const std::int64_t group = to.groups() > 0 ? cols / to.groups() : cols;
    FACET_TRY(for_finite_rows(
        spec,
        [&](std::int64_t row, std::span<const float> values) {
          const std::span<std::byte> out =
              std::span(bytes).subspan(static_cast<std::size_t>(row % piece) * stride, stride);
          if (to.dtype == DType::kQ4_0) return write_blocks(values, stored_type(from), row, out, tally);
          if (has_row_scales(to.dtype)) {
            std::vector<std::int8_t> codes(static_cast<std::size_t>(cols));
            for (std::int64_t g = 0; g < to.groups(); ++g) {
              const auto first = static_cast<std::size_t>(g * group), n = static_cast<std::size_t>(group);
              quantize_scaled(values.subspan(first, n), to.row_scales[static_cast<std::size_t>(row * to.groups() + g)],
                              bits_of(to.dtype), std::span(codes).subspan(first, n));
            }
            pack_codes(codes, bits_of(to.dtype), out);
          } else {
            const Tensor encoded = *encode(to.dtype, {cols}, values);
            std::memcpy(out.data(), encoded.bytes.data(), stride);
          }
          return Status();
        },
        [&](std::int64_t n) { return sink(std::span(bytes).first(static_cast<std::size_t>(n) * stride)); }));
    take(tally.off);
    ++n_streamed;
    if (options.progress && target == ConvertTarget::kQ4_0Gguf) options.progress(spec.name, n_streamed, n_to_stream);
    return n_streamed == n_to_stream ? verdict() : Status();
  }

  // quantize_group() for scales of either sign.
  static void quantize_scaled(std::span<const float> w, float scale, int bits, std::span<std::int8_t> codes) {
    if (scale > 0) return quantize_group(w, scale, bits, codes);
    const IntRange range = int_range(bits);
    for (std::size_t i = 0; i < w.size(); ++i)
      codes[i] = static_cast<std::int8_t>(
          std::clamp(std::nearbyint(w[i] / scale), static_cast<float>(range.min), static_cast<float>(range.max)));
  }

  static Status write_blocks(std::span<const float> values, DType stored, std::int64_t row, std::span<std::byte> out,
                             Tally& tally) {
    std::int64_t n_off = 0, first_off = 0;
    for (std::size_t b = 0; b < values.size() / kGroup; ++b) {
      const auto w = values.subspan(b * kGroup, kGroup);
      Q4_0Block block;
      if (!recover_block(w, stored, block)) {
        if (n_off++ == 0) first_off = static_cast<std::int64_t>(b * kGroup);
        FACET_TRY(encode_row(w, std::span(&block, 1)));
      }
      std::memcpy(out.data() + b * sizeof block, &block, sizeof block);
    }
    if (n_off > 0) tally.add(row, first_off, n_off);
    return {};
  }
};

Result<Conversion> Conversion::create(const Checkpoint& source, ConvertTarget target, const ConvertOptions& options,
                                      ThreadPool& pool) {
  Conversion out;
  out.state_ = std::make_shared<State>(source, target, options, pool);
  FACET_TRY(out.state_->plan());
  return out;
}
const Checkpoint& Conversion::outline() const { return state_->outline; }
TensorStream Conversion::stream() const {
  return [state = state_](const TensorSpec& spec, const ByteSink& sink) { return state->write(spec, sink); };
}
const ConvertReport& Conversion::report() const { return state_->report; }

}  // namespace facet
