// trainer.h: a training run: from scratch, fine-tuning, distillation, quantization-aware.
//
//   TrainConfig config;
//   FACET_TRY(load_train_config("run.json", config));
//   std::atomic<bool> stop = false;                       // set by a signal handler
//   Result<TrainSummary> r = train(config, {.progress = show, .message = print, .cancel = &stop});
//
// In config.output_dir:
//   best/, last/         Hugging Face folders of the (float) weights: lowest validation score, and newest
//   best-q4_0.gguf ...   the deployed form of the same, under a scheme: best-q4_0.gguf or best-mobile/, last-...
//   likewise state/               from which `resume` goes on bit for bit (train_state.h) train_config.json    the
//   effective config;  log.jsonl  one object per line (run_log.h)
// Each is written under another name and renamed, so a kill or a full disk leaves what was there.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "facet/status.h"
#include "text/tokenizer.h"
#include "train/data.h"
#include "train/distributed.h"
#include "train/draft_loss.h"
#include "train/graph.h"
#include "train/loss.h"
#include "train/run_log.h"
#include "train/train_config.h"
#include "train/train_hooks.h"

namespace facet::train {

// All are called on the caller's thread, and by the first process only.  Empty ones are fine.
struct TrainCallbacks {
  std::function<void(const TrainProgress&)> progress = {};  // after every step
  std::function<void(const Validation&)> validation = {};   // after every validation
  std::function<void(std::string_view)> message = {};       // one line worth reading: a warning, a save, a stage
  const std::atomic<bool>* cancel = nullptr;                // true: finish the step, save, return kCancelled
};

struct TrainSummary {
  std::int64_t steps = 0, tokens = 0;  // tokens this call has trained on, all processes together
  double seconds = 0;                  // of this call
  std::optional<Validation> last, best;
  std::string model;                        // the folder to use: best/ with validation text, else last/
  std::string deployed;                     // its deployed form; the same without a scheme
  std::optional<DraftAgreement> agreement;  // of a drafter, on the validation windows
};

// The whole run.  Processes find each other by the environment (distributed.h).
// kCancelled: stopped by `cancel`; everything is saved.  kInternal: loss or gradients are not finite; the last save is
// intact. Other codes: what the files, the disk or the settings did wrong.
Result<TrainSummary> train(TrainConfig config, const TrainCallbacks& callbacks);

// The loop alone, over parts already made: what train() uses once files are read, and tests without files.
struct TrainParts {
  Graph student;
  std::optional<Graph> teacher;
  std::unique_ptr<TrainHooks> hooks;
  Tokenizer tokenizer;
  TokenStream train_tokens;
  std::optional<TokenStream> valid_tokens;
  std::unique_ptr<Collectives> collectives;
  Companions beside = {};  // what goes along into every model that is written
  // Of a student that is no model of its own, such as a drafter: its losses for tokens and labels, int64 [B, T].
  // progress: of the run, in [0, 1); a validation asks without gradients.  Undefined: the student's own forward pass.
  using Objective = std::function<LossResult(const Graph& student, GraphHooks& hooks, const Graph* teacher,
                                             const torch::Tensor& tokens, const torch::Tensor& labels,
                                             const LossOptions& options, double progress)>;
  Objective objective = {};
  // Which of the student's tensors train, by name.  Undefined: all.
  std::function<bool(const std::string& name)> trains = {};
};
Result<TrainSummary> run_training(const TrainConfig& config, TrainParts parts, const TrainCallbacks& callbacks);

// FloatHooks, or the quantizers of config.scheme with their first scales.
Result<std::unique_ptr<TrainHooks>> make_hooks(const TrainConfig& config, const Graph& graph);

// The speed of whole steps (forward, backward, optimizer; loss ce; random tokens), with and without config's
// quantizers, all stages on.  Steps of both kinds alternate, so that a busy machine slows both; times are medians.
struct TrainBench {
  int steps = 0;  // timed, of each kind
  double float_tokens_per_second = 0;
  double qat_tokens_per_second = 0;  // 0 when config.scheme is none
  double slowdown() const { return qat_tokens_per_second > 0 ? float_tokens_per_second / qat_tokens_per_second : 1; }
};
// Uses init or model, context, batch_size, scheme and its settings, device, dtype, threads, checkpoint_blocks.
Result<TrainBench> bench_train(TrainConfig config, int steps);

}  // namespace facet::train
