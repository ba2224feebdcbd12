// quantize.h: post-training quantization: a float checkpoint in, the same model with encoded tensors out.
//
//   PtqOptions options{.scheme = *parse_scheme("mobile"), .method = PtqMethod::kGptq, .calibration = sequences};
//   Result<PtqResult> r = quantize_checkpoint(*load_checkpoint("model"), options);
//   FACET_TRY(save_checkpoint("out", r->checkpoint, tokenizer));
//
// What each method does to a matrix W whose input x the calibration text shows (docs/ptq.md):
//   rtn      the format's plain rule: ggml's for Q4_0 and Q8_0, absmax scales for the mobile rows
//   mse      scales that minimise the squared error of W
//   imatrix  the same, each column weighted by E[x^2] (Q4_0: by ggml's formula)
//   gptq     mse scales, then column by column with the error fed back into the columns still to come
// imatrix and gptq go through the model in its own order: every matrix sees inputs computed with the quantized matrices
// before it.  Tables that are only gathered have no inputs and get mse; so does an expert that too few tokens reach.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "facet/status.h"
#include "model/checkpoint.h"
#include "model/scheme.h"

namespace facet {

enum class PtqMethod { kRtn, kMse, kImatrix, kGptq };
Result<PtqMethod> parse_ptq_method(std::string_view name);  // "rtn" "mse" "imatrix" "gptq"
std::string_view name_of(PtqMethod method);

// How the static int8 scales of the mobile scheme follow from the activations seen; kNone leaves activations and cache
// float.
enum class ActivationRange { kPercentile, kAbsmax, kNone };

struct PtqOptions {
  Scheme scheme;
  PtqMethod method = PtqMethod::kRtn;
  // Token sequences, each run from position 0.  Needed by imatrix and gptq, and for the activation scales of mobile.
  std::vector<std::vector<int>> calibration;
  std::uint64_t seed = 0;  // what the caller drew the sequences with; recorded in the metadata
  int threads = 0;         // 0 = every processor
  ActivationRange activations = ActivationRange::kPercentile;
  double percentile = 99.99;
  double damping = 0.01;  // gptq: this share of H's mean diagonal is added to the diagonal
  // A tied head is the embedding too, and its H says nothing of that use; adding this share of the mean diagonal
  // (damping, and imatrix weights, alike) keeps the other use in sight.
  double head_ridge = 1.0;
  bool head_by_inputs = true;               // false: the head by mse under every method
  int min_expert_tokens = 64;               // fewer inputs than this, and an expert falls back to mse
  const std::atomic<bool>* stop = nullptr;  // looked at between matrices; true ends with kCancelled
  std::function<void(const std::string& tensor, int done, int total)> progress;
};

struct TensorReport {
  std::string name;
  DType type;
  PtqMethod method;       // what was done to it: mse for tables without inputs
  double relative_error;  // |W - decoded W| / |W|, Frobenius
};
struct PtqReport {
  std::vector<TensorReport> tensors;  // the encoded ones, in the order of tensor_specs()
  std::int64_t n_calibration_tokens = 0;
  int n_experts_by_mse = 0;   // expert matrices that fell back
  int n_damping_retries = 0;  // matrices whose H needed more damping to factor
};

struct PtqResult {
  Checkpoint checkpoint;
  PtqReport report;
};

// kInvalidArgument: a scheme of kind none, no calibration text where it is needed, a token outside the vocabulary, a
// method that the scheme does not have (q8_0 knows rtn only).  kUnsupported: the model is quantized already, or a
// tensor has no encoding under the scheme.  kCorrupt: a weight or an activation is not finite.  The message names the
// tensor. Results do not depend on the number of threads.  Memory: an f32 copy of every matrix to be quantized that has
// inputs, and for imatrix and gptq the activations of one layer for all sequences at once.
Result<PtqResult> quantize_checkpoint(const Checkpoint& model, const PtqOptions& options);

}  // namespace facet
