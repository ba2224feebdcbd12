// synthetic.h: models of random weights at full size, made while they are written: speed and memory can be measured
// without anybody's checkpoint, on a machine smaller than the model.
#pragma once

#include <optional>

#include "base/thread_pool.h"
#include "model/checkpoint.h"
#include "model/scheme.h"

namespace facet {

//   Result<Synthetic> model = Synthetic::create(*preset("e2b"), *parse_scheme("q4_0"), DType::kF16, 1);
//   save_gguf(path, model->outline(), tokenizer, model->stream(pool));
// Weights look like trained ones where it matters to a machine: codes are spread like rounded normal numbers, scales
// vary, activations stay in range from layer to layer (as calm_random_checkpoint), static int8 scales suit them.
// The same config, scheme and seed give the same bytes on any number of threads.
class Synthetic {
 public:
  // float_type: of the matrices that the scheme leaves alone.  table_type, where given: of the embedding, the head and
  // the per-layer table; then the per-layer projection stays float, as in Google's and llama.cpp's Q4_0 files (Q6_K
  // tables). kInvalidArgument as dtype_for(), and for rows that do not fit their type.
  static Result<Synthetic> create(const GemmaConfig& config, const Scheme& scheme, DType float_type, std::uint64_t seed,
                                  std::optional<DType> table_type = std::nullopt);
  // Vectors, routers and row scales are there; other matrices have no bytes.
  const Checkpoint& outline() const { return outline_; }
  // Gives those bytes.  pool must outlive the stream.
  TensorStream stream(ThreadPool& pool) const;

 private:
  Synthetic() = default;
  Checkpoint outline_;
  std::uint64_t seed_ = 0;
};

// Stands in for the vocabulary of a model that nobody talks to: Gemma's special tokens, bytes, ASCII, and unused
// entries up to vocab_size (at least 512).
Tokenizer placeholder_tokenizer(int vocab_size);

}  // namespace facet
