// convert.h: a model in another form: exact where its weights lie on the grid of that form (quant/grid.h).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "model/checkpoint.h"
#include "model/scheme.h"

namespace facet {

enum class ConvertTarget {
  kQ4_0Gguf,  // matrices as Q4_0 (those that are Q8_0, Q4_K or Q6_K stay); a per-layer projection off the grid stays
              // float
  kBF16Gguf,  // floats
  kMobile,    // rows of 2, 4 and 8 bits, of the scheme's width or, where only that fits, of another
  kW4A16,     // compressed-tensors: linears as 4 bits in groups of 32; tables, head and router float
  kHf,        // floats
};
Result<ConvertTarget> parse_convert_target(std::string_view name);  // "q4_0-gguf" "bf16-gguf" "mobile" "w4a16" "hf"
std::string_view name_of(ConvertTarget target);
bool is_gguf(ConvertTarget target);

// A matrix that is not wholly on the grid of the target.
struct OffGrid {
  std::string tensor;
  std::int64_t row = 0, column = 0;  // where the first such group begins; rows are counted through all experts
  std::int64_t n_off = 0, n_groups = 0;
};
struct ConvertReport {
  std::int64_t n_groups = 0, n_off = 0;  // blocks, groups or rows that had to be put on a grid
  std::vector<OffGrid> off_grid;         // in the order of tensor_specs()
  std::vector<std::string> notes;        // what the target cannot hold, or holds otherwise; a line each
};

struct ConvertOptions {
  bool allow_ptq = false;  // quantize what lies off the grid by the plain rule instead of failing
  const std::atomic<bool>* stop = nullptr;
  std::function<void(const std::string& tensor, int done, int total)> progress;
};

//   FACET_ASSIGN(Conversion conversion, Conversion::create(checkpoint, ConvertTarget::kQ4_0Gguf, options, pool));
//   FACET_TRY(save_checkpoint(path, conversion.outline(), tokenizer, conversion.stream()));
// Groups that the float type of the source rounded come back as grid_scale() finds them: what is written decodes,
// rounded to that type, to the source, value for value.  Floats stay what they are, but F16 and F32 become BF16 where
// that loses nothing; weights that were quantized become BF16 floats by rounding.  Works through the model a few
// megabytes at a time and gives mapped pages back.
class Conversion {
 public:
  // Looks at every matrix that goes to row types, for their scales.  source and pool must outlive the conversion.
  // kGateFailed: weights off the grid, and no allow_ptq; the message counts them and names the first.  kUnsupported:
  // the target has no form for this model.  kCorrupt: a weight is not finite.
  static Result<Conversion> create(const Checkpoint& source, ConvertTarget target, const ConvertOptions& options,
                                   ThreadPool& pool);
  const Checkpoint& outline() const;
  // For a GGUF the grid is looked for while writing: the last matrix fails with kGateFailed as create() does, so that
  // all are counted and no file appears.
  TensorStream stream() const;
  // Complete when everything is written.
  const ConvertReport& report() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace facet
