// text_eval.h: how well a model predicts a text, and how far it is from a reference model: perplexity, KL divergence,
// top-1. Everything is computed by the engine on the model as it is stored.
#pragma once

#include <atomic>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "engine/session.h"

namespace facet {

struct EvalOptions {
  int context = 256;    // positions per window; windows do not overlap and each begins with <bos>
  int max_windows = 0;  // 0 = the whole text; else the first n windows
  KvType kv = KvType::kAuto;
  bool float_activations = false;
  bool ignore_static_scales = false;
};

// Sums over the scored positions of one window.  KL is forward, reference || model, in nats, over the full vocabulary.
struct WindowSums {
  int tokens = 0;
  double nll = 0;  // of the text under the model
  struct Against {
    double nll = 0;  // of the text under the reference
    double kl = 0;
    int same_top = 0;
  };
  std::vector<Against> against;  // one per reference
};

// KL block in the terms users of perplexity tools know (spec/user-conventions.md 6).
struct Divergence {
  double ppl_reference = 0;
  double kld_mean = 0, kld_stderr = 0, kld_median = 0, kld_p99 = 0, kld_p999 = 0, kld_max = 0;
  double top1 = 0, top1_stderr = 0;          // share of positions with the same most likely token
  double delta_p_mean = 0, delta_p_rms = 0;  // of the probability of the text's own token
};

struct TextEval {
  std::int64_t tokens = 0;
  double ppl = 0, ppl_stderr = 0;
  std::vector<Divergence> against;
  std::vector<WindowSums> windows;
  double tokens_per_second = 0;  // prompt processing of the model itself, references excluded
};

//   FACET_ASSIGN(TextEval e, evaluate_text(model, {&reference}, ids, {}, pool));
// tokens: the text; documents inside it may be cut by <eos> <bos>, where <bos> is never a token to predict.  references
// must share the model's vocabulary size (kInvalidArgument). progress(done, all) is called after each window and may be
// empty; `cancel` may be null.
Result<TextEval> evaluate_text(const Model& model, std::span<const Model* const> references,
                               std::span<const int> tokens, const EvalOptions& options, ThreadPool& pool,
                               const std::function<void(int, int)>& progress = {},
                               const std::atomic<bool>* cancel = nullptr);

}  // namespace facet
