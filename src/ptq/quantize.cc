#include "ptq/quantize.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>

#include "base/check.h"
#include "engine/model.h"
#include "ptq/activation_scales.h"
#include "ptq/encode_matrix.h"
#include "ptq/gptq.h"
#include "ptq/lockstep.h"
#include "ptq/second_moments.h"
#include "quant/codec.h"
#include "quant/q4_0.h"

namespace facet {
namespace {

// A matrix that is quantized while the calibration text runs through it.
struct Pending {
  TensorSpec spec;
  DType type;
  Tensor values;              // f32; rewritten in place by what it decodes to
  std::vector<float> scales;  // one per row (row types) or block (Q4_0)
  std::vector<bool> done;     // per slice: experts that no token reaches are left over
};

// The inputs that several linears share are studied once.
std::string input_group(const TensorSpec& spec) {
  const std::string layer = std::to_string(spec.layer);
  switch (spec.role) {
    case Role::kQ:
    case Role::kK:
    case Role::kV:
      return layer + ".attention";
    case Role::kGate:
    case Role::kUp:
      return layer + ".mlp";
    default:
      return "";
  }
}

class Quantizer {
 public:
  Quantizer(const Checkpoint& source, const PtqOptions& options)
      : source_(source), options_(options), pool_(options.threads > 0 ? options.threads : available_processors()) {}

  Result<PtqResult> run() {
    FACET_TRY(check_options());
    result_.checkpoint = source_;
    result_.checkpoint.activation_scales.clear();
    result_.checkpoint.cache_scales.clear();
    const std::vector<TensorSpec> specs = tensor_specs(source_.config);
    FACET_TRY(count(specs));
    for (const TensorSpec& spec : specs) FACET_TRY(begin(spec));
    if (!pending_.empty()) {
      FACET_TRY(quantize_by_inputs());
      for (auto& [name, p] : pending_) FACET_TRY(finish(p));
    }
    if (options_.scheme.kind == Scheme::Kind::kMobile)
      FACET_TRY(calibrate_activations(result_.checkpoint, options_, pool_));
    for (const TensorSpec& spec : specs)
      if (const auto found = reports_.find(spec.name); found != reports_.end())
        result_.report.tensors.push_back(found->second);
    write_metadata();
    return std::move(result_);
  }

 private:
  bool by_inputs() const { return options_.method == PtqMethod::kImatrix || options_.method == PtqMethod::kGptq; }
  bool is_head(const TensorSpec& spec) const {
    return spec.role == Role::kHead || (spec.role == Role::kEmbedding && source_.config.tied_head);
  }
  bool has_inputs(const TensorSpec& spec) const {
    return is_head(spec) ? options_.head_by_inputs : is_linear(spec.role) && spec.role != Role::kEmbedding;
  }

  Status check_options() const {
    const Scheme::Kind kind = options_.scheme.kind;
    if (kind == Scheme::Kind::kNone)
      return invalid_argument("scheme 'none' quantizes nothing; choose q4_0, q8_0 or mobile");
    if (kind == Scheme::Kind::kQ8_0 && options_.method != PtqMethod::kRtn)
      return invalid_argument("scheme q8_0 has one method, rtn: at 8 bits in blocks of 32 there is nothing to search");
    const bool ranges = kind == Scheme::Kind::kMobile && options_.activations != ActivationRange::kNone;
    if (options_.calibration.empty() && (by_inputs() || ranges))
      return invalid_argument(std::string(by_inputs() ? "method " + std::string(name_of(options_.method))
                                                      : "the static activation scales of scheme mobile") +
                              " needs calibration text; give some");
    for (const auto& sequence : options_.calibration)
      for (int token : sequence)
        if (token < 0 || token >= source_.config.vocab_size)
          return invalid_argument("calibration token " + std::to_string(token) + " is outside the vocabulary of " +
                                  std::to_string(source_.config.vocab_size) +
                                  "; was the text encoded by another tokenizer?");
    return {};
  }

  Result<DType> type_of(const TensorSpec& spec, const TensorView& t) const {
    return dtype_for(options_.scheme, source_.config, spec, t.dtype);
  }

  Status count(const std::vector<TensorSpec>& specs) {
    for (const TensorSpec& spec : specs) {
      const auto found = source_.tensors.find(spec.name);
      if (found == source_.tensors.end())
        return not_found("tensor '" + spec.name + "' is missing; is this the whole model?");
      FACET_ASSIGN(const DType type, type_of(spec, found->second));
      n_matrices_ += !is_float(type);
    }
    for (const auto& sequence : options_.calibration)
      result_.report.n_calibration_tokens += static_cast<std::int64_t>(sequence.size());
    return {};
  }

  Status step(const std::string& name) {
    if (options_.stop != nullptr && *options_.stop)
      return {Code::kCancelled, "stopped while quantizing '" + name + "'"};
    if (options_.progress) options_.progress(name, n_done_, n_matrices_);
    return {};
  }

  // Encodes what needs no inputs; sets the rest aside.
  Status begin(const TensorSpec& spec) {
    const TensorView& t = source_.tensors.at(spec.name);
    FACET_ASSIGN(const DType type, type_of(spec, t));
    if (is_float(type)) return {};
    if (!is_float(t.dtype))
      return unsupported("tensor '" + spec.name + "' is " + std::string(info(t.dtype).name) +
                         " already; quantize from the float model");
    const bool search = options_.method != PtqMethod::kRtn;
    if (!by_inputs() || !has_inputs(spec)) {
      FACET_TRY(step(spec.name));
      FACET_ASSIGN(EncodedMatrix encoded,
                   encode_matrix(spec.name, t, type, scale_groups(source_.config, spec), search, pool_));
      report(spec, type, search ? PtqMethod::kMse : PtqMethod::kRtn, encoded.relative_error);
      result_.checkpoint.set(spec.name, std::move(encoded.tensor));
      ++n_done_;
      return {};
    }
    FACET_ASSIGN(Tensor values, decode_finite(spec.name, t));
    if (!row_bytes(type, t.cols()) || !has_one_scale_per_row(spec))
      return unsupported("tensor '" + spec.name + "' " + to_string(spec.shape) + " cannot be " +
                         std::string(info(type).name));
    Pending p{spec, type, std::move(values), {}, {}};
    const std::int64_t n_slices = spec.shape.size() == 3 ? spec.shape[0] : 1;
    p.done.resize(n_slices);
    p.scales.resize(type == DType::kQ4_0 ? element_count(spec.shape) / Q4_0Block::kWeights : t.rows());
    // A tied table is gathered long before its turn as the head comes; until then the gather sees it by mse.
    if (spec.role == Role::kEmbedding)
      quantize_by_search(type, p.values.floats(), static_cast<int>(t.cols()), {}, p.scales, pool_);
    pending_.emplace(spec.name, std::move(p));
    return {};
  }
  bool has_one_scale_per_row(const TensorSpec& spec) const { return scale_groups(source_.config, spec) == 1; }

  Status quantize_by_inputs() {
    Checkpoint working = result_.checkpoint;  // what is encoded already, and f32 views of what is not
    for (auto& [name, p] : pending_) working.tensors[name] = p.values.view();
    const Result<Model> model = Model::bind(working);
    if (!model.ok()) return model.status();
    return run_in_lockstep(
        *model, options_.calibration, pool_, [&](const Linear& linear) { return pending_.count(linear.name) > 0; },
        [&](const Linear& linear, LinearInputs inputs) { return visit(pending_.at(linear.name), linear, inputs); });
  }

  Status visit(Pending& p, const Linear& linear, LinearInputs inputs) {
    FACET_TRY(step(p.spec.name));
    const std::size_t slice = std::max(0, linear.expert), size = std::size_t(linear.rows) * linear.cols;
    const std::span<float> w = p.values.floats().subspan(slice * size, size);
    const std::size_t n_scales = p.scales.size() / p.done.size();
    const std::span<float> scales = std::span(p.scales).subspan(slice * n_scales, n_scales);
    p.done[slice] = true;
    n_done_ += slice + 1 == p.done.size();
    if (linear.expert >= 0 && count_rows(inputs) < options_.min_expert_tokens) {
      quantize_by_search(p.type, w, linear.cols, {}, scales, pool_);
      ++result_.report.n_experts_by_mse;
      return {};
    }
    if (p.spec.role == Role::kEmbedding) decode_rows(source_.tensors.at(p.spec.name), 0, linear.rows, w);
    FACET_TRY(study(p, inputs, linear.cols));
    if (options_.method == PtqMethod::kImatrix) {
      quantize_by_search(p.type, w, linear.cols, importance_, scales, pool_);
    } else if (plan_) {
      quantize_by_gptq(*plan_, p.type, w, linear.cols, scales, pool_);
    }
    return {};
  }

  // Sets importance_ or plan_ from the inputs, unless the last linear had the same ones.
  Status study(const Pending& p, LinearInputs inputs, int cols) {
    const std::string group = input_group(p.spec);
    const bool ordered = p.type != DType::kQ4_0;
    if (!group.empty() && group == studied_ && ordered == studied_ordered_) return {};
    studied_ = group;
    studied_ordered_ = ordered;
    const double damping = options_.damping + (p.spec.role == Role::kEmbedding ? options_.head_ridge : 0.0);
    const auto not_finite = [&] {
      return corrupt("the inputs of '" + p.spec.name +
                     "' are not finite on the calibration text; is this a trained model?");
    };
    if (options_.method == PtqMethod::kImatrix) {
      const std::vector<double> squares = mean_squares(inputs, cols, pool_);
      double mean = 0.0;
      for (double s : squares) mean += s / cols;
      if (!std::isfinite(mean)) return not_finite();
      importance_.resize(cols);
      for (int j = 0; j < cols; ++j)  // relative to the mean: the scale of the inputs is no matter
        importance_[j] = mean > 0.0 ? static_cast<float>(squares[j] / mean + damping) : 1.0f;
      return {};
    }
    Eigen::MatrixXd h = second_moments(inputs, cols, pool_);
    if (!h.allFinite()) return not_finite();
    plan_ = plan_gptq(std::move(h), damping, ordered);
    if (!plan_)
      return internal_error("gptq: the second moments of the inputs of '" + p.spec.name +
                            "' cannot be factored; give more calibration text or a larger damping");
    result_.report.n_damping_retries += plan_->retries > 0;
    return {};
  }

  // Experts that no token reached, the final encoding and the report of one pending matrix.
  Status finish(Pending& p) {
    const std::size_t size = p.values.floats().size() / p.done.size(), n_scales = p.scales.size() / p.done.size();
    for (std::size_t s = 0; s < p.done.size(); ++s) {
      if (p.done[s]) continue;
      quantize_by_search(p.type, p.values.floats().subspan(s * size, size), static_cast<int>(p.spec.shape.back()), {},
                         std::span(p.scales).subspan(s * n_scales, n_scales), pool_);
      ++result_.report.n_experts_by_mse;
    }
    const TensorView& source = source_.tensors.at(p.spec.name);
    report(p.spec, p.type, options_.method, relative_error(source, p.values.floats(), pool_));
    // The codes of decoded values are the codes they came from: value / scale is within a rounding of an integer.
    Result<Tensor> encoded = p.type == DType::kQ4_0 ? encode_q4_0_with_scales(p.spec.shape, p.values.floats(), p.scales)
                                                    : encode_rows(p.type, p.spec.shape, p.values.floats(), p.scales);
    if (!encoded.ok()) return encoded.status().with_prefix("tensor '" + p.spec.name + "'");
    result_.checkpoint.set(p.spec.name, std::move(*encoded));
    p.values = {};
    return {};
  }

  void report(const TensorSpec& spec, DType type, PtqMethod method, double error) {
    reports_[spec.name] = {spec.name, type, method, error};
  }

  void write_metadata() {
    auto& m = result_.checkpoint.metadata;
    m["facet.scheme"] = name_of(options_.scheme.kind);
    m["facet.method"] = name_of(options_.method);
    if (options_.calibration.empty()) return;
    m["facet.calibration_sequences"] = std::to_string(options_.calibration.size());
    m["facet.calibration_tokens"] = std::to_string(result_.report.n_calibration_tokens);
    m["facet.seed"] = std::to_string(options_.seed);
  }

  const Checkpoint& source_;
  const PtqOptions& options_;
  ThreadPool pool_;
  PtqResult result_;
  std::map<std::string, Pending> pending_;
  std::map<std::string, TensorReport> reports_;
  int n_matrices_ = 0, n_done_ = 0;

  std::string studied_;
  bool studied_ordered_ = false;
  std::vector<float> importance_;
  std::optional<GptqPlan> plan_;
};

}  // namespace

Result<PtqMethod> parse_ptq_method(std::string_view name) {
  for (PtqMethod m : {PtqMethod::kRtn, PtqMethod::kMse, PtqMethod::kImatrix, PtqMethod::kGptq})
    if (name == name_of(m)) return m;
  return invalid_argument("method '" + std::string(name) + "' is unknown; choose rtn, mse, imatrix or gptq");
}

std::string_view name_of(PtqMethod method) {
  switch (method) {
    case PtqMethod::kRtn:
      return "rtn";
    case PtqMethod::kMse:
      return "mse";
    case PtqMethod::kImatrix:
      return "imatrix";
    case PtqMethod::kGptq:
      return "gptq";
  }
  return "";
}

Result<PtqResult> quantize_checkpoint(const Checkpoint& model, const PtqOptions& options) {
  FACET_TRY(check_rules(options.scheme, model.config));
  return Quantizer(model, options).run();
}

}  // namespace facet
