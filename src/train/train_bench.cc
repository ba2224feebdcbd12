#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "model/tensor_spec.h"
#include "train/loss.h"
#include "train/optimizer.h"
#include "train/trainer.h"
#include "train/trainer_setup.h"

namespace facet::train {
namespace {

// One arm: its hooks and optimizer over the common graph.
struct Arm {
  std::unique_ptr<TrainHooks> hooks;
  Optimizer optimizer;
  std::vector<double> seconds;
};

Arm make_arm(Graph& graph, std::unique_ptr<TrainHooks> hooks) {
  std::vector<TrainedTensor> tensors;
  for (const TensorSpec& spec : tensor_specs(graph.config()))
    tensors.push_back({spec.name, graph.parameters().at(spec.name), 1.0, spec.is_matrix});
  return {std::move(hooks), Optimizer(AdamOptions{}, std::move(tensors)), {}};
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  std::size_t n = values.size();
  return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

double timed_step(Graph& graph, Arm& arm, const StepInfo& info, const torch::Tensor& tokens,
                  const torch::Tensor& labels) {
  auto start = std::chrono::steady_clock::now();
  arm.hooks->begin_step(info);
  arm.optimizer.clear_gradients(arm.hooks->groups());
  torch::Tensor hidden = graph.forward(tokens, *arm.hooks);
  LossResult result = chunked_loss(hidden, graph.head(*arm.hooks), labels,
                                   {.softcap = graph.config().logit_softcap, .compute = graph.options().compute});
  (result.loss / static_cast<double>(result.n_tokens)).backward();
  arm.optimizer.step(info.lr, info.lr_fraction, arm.hooks->groups());  // reads a norm: waits for a GPU
  torch::NoGradGuard no_grad;
  arm.hooks->end_step(info, graph.parameters());
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Result<TrainBench> bench_train(TrainConfig config, int steps) {
  if (steps < 1) return invalid_argument("bench train: 'steps' must be at least 1");
  // Nothing is read but the model and nothing is written: fill in what validate() wants of a real run.
  config.train_text = config.output_dir = "-";
  if (config.tokenizer.empty()) config.tokenizer = "-";
  config.max_steps = 1000;
  config.max_tokens = 0;
  config.loss = "ce";
  FACET_TRY(validate(config));
  FACET_ASSIGN(GraphOptions options, set_up_device(config, {}));
  FACET_ASSIGN(Graph graph, make_student(config, options));

  torch::Tensor tokens = torch::empty({config.batch_size, config.context}, torch::kInt64);
  Rng rng(config.seed);
  for (std::int64_t i = 0; i < tokens.numel(); ++i)
    tokens.data_ptr<std::int64_t>()[i] = rng.below(static_cast<std::uint32_t>(graph.config().vocab_size));
  tokens = tokens.to(options.device);
  torch::Tensor labels = tokens.roll(-1, 1).contiguous();

  std::vector<Arm> arms;
  arms.push_back(make_arm(graph, std::make_unique<FloatHooks>()));
  // Between the last switch-on and the freeze: everything quantizes, everything trains.
  double at = (std::max(config.qat.act_start, config.qat.kv_start) + config.qat.freeze_at) / 2;
  StepInfo info{.step = static_cast<std::int64_t>(at * 1000), .total_steps = 1000, .lr = 1e-6, .lr_fraction = 1e-3};
  if (config.qat.scheme.kind != Scheme::Kind::kNone) {
    FACET_ASSIGN(std::unique_ptr<TrainHooks> hooks, make_hooks(config, graph));
    hooks->begin_step(info);
    while (hooks->needs_calibration()) {
      torch::NoGradGuard no_grad;
      hooks->observe(true);
      torch::Tensor hidden = graph.forward(tokens, *hooks);
      graph.head(*hooks);
      hooks->observe(false);
      FACET_TRY(hooks->finish_calibration());
    }
    arms.push_back(make_arm(graph, std::move(hooks)));
  }
  for (int step = -1; step < steps; ++step)  // the first is for warming up
    for (Arm& arm : arms) {
      double seconds = timed_step(graph, arm, info, tokens, labels);
      if (step >= 0) arm.seconds.push_back(seconds);
    }
  auto n_tokens = static_cast<double>(tokens.numel());
  TrainBench bench;
  bench.steps = steps;
  bench.float_tokens_per_second = n_tokens / median(arms[0].seconds);
  if (arms.size() > 1) bench.qat_tokens_per_second = n_tokens / median(arms[1].seconds);
  return bench;
}

}  // namespace facet::train
