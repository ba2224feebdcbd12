// quantizers.h: quantization-aware training: the hooks that put a fake quantizer where the deployed model has a real
// one.
//
//   auto q = QuantizerSet::create(graph, {.scheme = *parse_scheme("mobile")});
//   torch::Tensor hidden = graph.forward(tokens, **q);      // sees exactly the weights that export_checkpoint() writes
//
// What a scheme leaves float is rounded to bf16, as the file holds it; vectors stay f32.
// Q4_0: every matrix by ggml's live rule (or learned block scales).  Mobile: rows of int2/int4/int8 with learned scales
// from a mean-square search, then static int8 activations, then the int8 KV cache, then everything frozen: docs/qat.md.
#pragma once

#include <memory>
#include <set>

#include "train/graph.h"
#include "train/histogram.h"
#include "train/qat_options.h"
#include "train/train_hooks.h"

namespace facet::train {

class QuantizerSet : public TrainHooks {
 public:
  // Chooses each tensor's quantizer by the scheme and searches the first scales.  kInvalidArgument / kCorrupt name the
  // tensor that cannot be quantized (a width that is no multiple of 32, a NaN).
  static Result<std::unique_ptr<QuantizerSet>> create(const Graph& graph, const QatOptions& options);

  torch::Tensor weight(const std::string& name, const torch::Tensor& w) override;
  torch::Tensor gather(const std::string& name, const torch::Tensor& table, const torch::Tensor& ids) override;
  torch::Tensor linear_input(const std::string& module, const torch::Tensor& x) override;
  torch::Tensor linear_output(const std::string& module, const torch::Tensor& y) override;
  torch::Tensor cached_key(int layer, const torch::Tensor& k) override;
  torch::Tensor cached_value(int layer, const torch::Tensor& v) override;

  void begin_step(const StepInfo& info) override;
  void end_step(const StepInfo& info, std::map<std::string, torch::Tensor>& parameters) override;
  bool needs_calibration() const override;
  void observe(bool on) override { observing_ = on; }
  Status finish_calibration() override;
  std::vector<ParameterGroup>& groups() override { return groups_; }
  int stage() const override;
  std::map<std::string, double> metrics() const override;
  void save_state(StateMap& state) const override;
  Status load_state(const StateMap& state) override;
  Result<Checkpoint> export_checkpoint(const Graph& graph) const override;

 private:
  enum class Kind { kQ4_0Live, kQ4_0Learned, kRows, kBF16 };
  struct WeightQuantizer {
    Kind kind;
    DType dtype;
    torch::Tensor log_scale;  // kRows: [rows, groups]; kQ4_0Learned: [blocks]
    torch::Tensor sign;       // kQ4_0Learned
    torch::Tensor origin;     // with anchor: the matrix as it was when training began
  };
  // One static int8 site: the input of a linear (shared by q/k/v and by gate/up), the output of one, or one layer's
  // keys.
  struct Site {
    torch::Tensor log_scale = torch::zeros({});
    bool calibrated = false;
    LogHistogram histogram;
  };

  QuantizerSet(const GemmaConfig& config, const QatOptions& options) : config_(config), options_(options) {}
  torch::Tensor quantize(const WeightQuantizer& q, const torch::Tensor& w) const;
  torch::Tensor at_site(const std::string& site, bool on, const torch::Tensor& x);
  Site* find_site(const std::string& name);
  bool wants(const std::string& site) const;
  float site_scale(const std::string& site) const;
  void build_groups();

  GemmaConfig config_;
  QatOptions options_;
  std::map<std::string, WeightQuantizer> weights_;  // by tensor name
  std::map<std::string, Site> sites_;               // "layers.3.mlp.down_proj.input", "....output", "layers.3.key"
  std::vector<ParameterGroup> groups_;
  bool activations_on_ = false, kv_on_ = false, observing_ = false;
};

}  // namespace facet::train
