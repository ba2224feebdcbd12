// forward.h: one batch of tokens through the decoder.  Law: docs/model/gemma4.md; plain twin: reference.h.
// Shape letters: docs/architecture.md.  Every buffer below has max_batch rows and is allocated once.
#pragma once

#include <algorithm>
#include <memory>
#include <new>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "engine/kv_cache.h"
#include "engine/model.h"
#include "engine/parallel.h"
#include "engine/projector.h"
#include "kernels/table.h"

namespace facet {

// Batches of at most so many tokens give each row the bits it has alone, so that checking drafts changes no text.
// Larger ones share runs of cached positions among rows, and differ in roundings.
constexpr int kRowsAlone = 16;

// x = the model's scaled embedding of a token (D floats), as every reader of it must make it.
void embed_token(const Model& model, const kernels::Table& kernels, int token, float* x);

// Private to Session and Drafter.  Throws std::bad_alloc from its constructors only.
class Forward {
 public:
  Forward(const Model& model, ThreadPool& pool, const kernels::Table& kernels, const SessionOptions& options);
  // Of a drafter, which reads the cache of `target` (check_drafter() holds); the cache must outlive it and stay in
  // place.
  Forward(const Model& drafter, ThreadPool& pool, const kernels::Table& kernels, const SessionOptions& options,
          const Model& target, const KvCache& cache);

  // Puts tokens at positions [position, position + n), n <= max_batch, into the cache, and writes the soft-capped
  // logits of the last n_wanted of them to logits (n_wanted * V floats).
  void run(std::span<const int> tokens, int position, int n_wanted, float* logits);
  // The normed rows that those logits were made of: n_wanted * D floats, until the next run().
  std::span<const float> hidden() const {
    return {rows(a_, c_.hidden_size), static_cast<std::size_t>(n_rows()) * static_cast<std::size_t>(c_.hidden_size)};
  }

  // Of a drafter: one row, 2 * target_hidden_size floats, through the layers at `position` > 0, against the keys below
  // it.  Returns the normed stream, D floats, until the next call.
  const float* run_drafter(const float* input, int position);

  Projector& projector() { return projector_; }
  const KvCache& cache() const { return cache_; }
  std::uint64_t buffer_bytes() const { return buffer_bytes_ + projector_.buffer_bytes(); }

 private:
  // From the beginning of a cache line, so that no vector of a head straddles two.
  struct FreeFloats {
    void operator()(float* p) const { ::operator delete[](p, std::align_val_t(64)); }
  };
  using Floats = std::unique_ptr<float[], FreeFloats>;

  // Rows [begin, end) of the batch are still being worked on; row t is position position_ + t.
  int n_rows() const { return end_ - begin_; }
  float* rows(const Floats& buffer, int width) const { return buffer.get() + std::int64_t{begin_} * width; }
  void keep_last(int n) { begin_ = end_ - n; }
  bool observed() const { return projector_.linear_observer || projector_.site_observer; }
  // body(t) for every live row, cut among threads as its cost in scalar operations suggests.
  template <typename Body>
  void for_each_row(std::int64_t operations, const Body& body);

  void embed(std::span<const int> tokens);
  void decode_table_row(std::int64_t t, int token, std::span<float> out);
  void compute_rotations();
  void attention_block(int l);
  void store_keys_and_values(int l);
  void attend(int l);
  // How rows of queries and runs of keys are cut into pieces of work.
  struct Tiling {
    int heads, chunks;         // heads of queries that share a key head: in an item, and how many items they take
    int tokens, token_blocks;  // the same of tokens
    int splits, length;        // parts into which the positions are cut, and the length of each
    bool operator==(const Tiling&) const = default;
  };
  Tiling tiling_of(int l, int begin, int end) const;  // for rows [begin, end) of the batch
  void attend_rows(int l, int begin, int end);
  // Row t sees the cached positions [first_key(l, t), end_key(t)).
  int first_key(int l, int t) const {
    const int window = kv_[l]->window;
    return window == 0 ? 0 : std::max(0, position_ + t + 1 - window);
  }
  int end_key(int t) const { return position_ + t + (c_.is_drafter() ? 0 : 1); }
  void feed_forward_block(int l);
  void dense_mlp(const LayerWeights& w);
  void route(const LayerWeights& w);
  void run_experts(const LayerWeights& w);
  void per_layer_block(int l);
  void write_logits(int n_wanted, float* logits);

  const Model& model_;
  const GemmaConfig& c_;
  ThreadPool& pool_;
  const kernels::Table& kernels_;
  Projector projector_;
  KvCache cache_;
  std::vector<const KvLayer*> kv_;  // what each layer reads
  int position_ = 0, begin_ = 0, end_ = 0;
  std::uint64_t buffer_bytes_ = 0;

  Floats x_;                                      // D: the residual stream
  Floats a_;                                      // D: a normed copy, the input of the next product
  Floats o_;                                      // D: what a block adds to the stream
  Floats q_, mix_;                                // H*C: queries; attention's output
  Floats k_, v_;                                  // K*C
  Floats gate_;                                   // F; P in the per-layer block
  Floats up_;                                     // F; L*P while the per-layer inputs are made
  Floats ple_;                                    // L*P
  std::unique_ptr<std::byte[]> table_row_bytes_;  // L*P: rows of the per-layer table, as the file has them
  Floats table_row_scales_;                       // and their scales
  TensorView table_rows_;                         // of both
  Floats cosines_[2], sines_[2];                  // C/2, by LayerKind
  std::vector<double> frequencies_[2];
  struct SoftmaxState {
    float largest;
    double sum;
  };
  static std::int64_t most_partial_rows();
  Floats partial_;  // C: attention to parts of the positions
  std::unique_ptr<SoftmaxState[]> partial_state_;

  // Experts (MoE only).
  Floats router_;                                             // E
  Floats expert_sum_;                                         // D
  std::unique_ptr<int[]> chosen_;                             // k experts per row
  Floats share_;                                              // and their weights
  std::unique_ptr<int[]> expert_entries_;                     // indices into chosen_ (row * k + i), sorted by expert
  std::unique_ptr<int[]> expert_first_;                       // E + 1: where an expert's entries begin
  Floats expert_in_, expert_both_, expert_act_, expert_out_;  // rows of one expert: D, 2*Fe, Fe, D
};

template <typename Body>
void Forward::for_each_row(std::int64_t operations, const Body& body) {
  parallel_for(pool_, n_rows(), grain_for(operations), [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t t = begin_ + from; t < begin_ + to; ++t) body(t);
  });
}

}  // namespace facet
