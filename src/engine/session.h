// session.h: one timeline over a model: its KV cache, prefill, decode, rollback.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/thread_pool.h"
#include "engine/model.h"
#include "facet/status.h"
#include "kernels/registry.h"

namespace facet {

// kAuto: kI8 where the model carries cache scales, else f32.  kI8: static int8, by those scales.  kQ8: int8 with a
// scale for each head and position, for any model.
enum class KvType { kAuto, kF32, kF16, kBF16, kI8, kQ8 };

struct SessionOptions {
  int context = 0;                    // positions at most; 0 = min(max_positions, 4096)
  int max_batch = 256;                // tokens per internal step
  int threads = 0;                    // of the pool that evaluate() uses for one token; 0 = all
  int batch_threads = 0;              // for several tokens at once; 0 = all
  int max_rollback = 16;              // how far below the highest position ever reached one may go back
  KvType kv = KvType::kAuto;          // of keys and values
  KvType kv_values = KvType::kAuto;   // of values where they differ; kAuto = as kv
  std::uint64_t memory_limit = 0;     // bytes that plan_memory() may reach; 0 = no limit
  bool float_activations = false;     // block-quantized weights against f32 activations: for comparing with the trainer
  bool ignore_static_scales = false;  // run a mobile model without its clamps, the cache's under kAuto included (only
                                      // to show what they do)
  KvType value_type() const { return kv_values == KvType::kAuto ? kv : kv_values; }
};

// Sees the inputs of linears, for calibration: x is n rows of linear.cols floats, before any activation quantization.
using LinearObserver = std::function<void(const Linear& linear, const float* x, int n)>;
// Sees activations where static int8 scales sit: site "layers.3.mlp.down_proj.input|output" or "layers.3.k|v" (cache).
using SiteObserver = std::function<void(const std::string& site, const float* x, std::int64_t n)>;

// What users get where they choose nothing: int8 where the model carries cache scales, else f16, which halves the cache
// of kAuto and whose roundings are below those of quantized weights.
KvType default_cache(const Model& model);

//   Session session = *Session::create(model, pool, {.context = 512});
//   std::vector<float> logits(model.config().vocab_size);
//   FACET_TRY(session.evaluate(prompt, Logits::kLast, logits));
// One mutable timeline; use from one thread at a time.  model and pool must outlive it.  Memory is sized at creation;
// evaluate() allocates nothing.  Results do not depend on the number of threads, nor on how tokens were cut into calls:
// up to float rounding for large batches; batches of up to 16 tokens give the very bits of one token at a time.
class Session {
 public:
  // kInvalidArgument: options that contradict each other or the model.  kNoResources: the buffers do not fit in memory,
  // or the plan not in memory_limit; the message has the numbers.
  // Uses kernels::choose(), or the given table (tests run every one).
  static Result<Session> create(const Model& model, ThreadPool& pool, SessionOptions options);
  static Result<Session> create(const Model& model, ThreadPool& pool, SessionOptions options,
                                const kernels::Table& kernels);
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  enum class Logits { kNone, kLast, kAll };
  // Appends tokens.  logits: V floats (kLast) or tokens.size() * V (kAll), soft-capped; empty for kNone.
  // kInvalidArgument: a token outside the vocabulary, the context full, or logits of the wrong size; nothing changed
  // then.
  Status evaluate(std::span<const int> tokens, Logits wanted, std::span<float> logits);
  int position() const;
  // The model's normed stream, from which the logits of the last evaluate() were made: D floats for each row of them,
  // or for those of its last max_batch tokens.  Valid until the next evaluate().
  std::span<const float> hidden() const;
  // Forgets the last k positions.  kInvalidArgument, and nothing changed: the new position would lie more than
  // max_rollback below the highest one since the last reset(), whose neighbours the ring no longer holds; or k is not
  // in 0..position(). Going back to 0 is always possible.
  Status rollback(int k);
  void reset();

  // With an observer set every layer runs at every position (slower when few logits are wanted), and observers may
  // allocate. They are called from evaluate(), on the caller's thread.  An empty function removes one.
  void set_linear_observer(LinearObserver observer);
  void set_site_observer(SiteObserver observer);
  std::uint64_t cache_bytes() const;
  std::uint64_t buffer_bytes() const;     // activations of a batch
  const SessionOptions& options() const;  // as settled at creation: no zero or kAuto left
  const Model& model() const;

 private:
  friend class Drafter;  // reads the cache
  struct State;
  explicit Session(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace facet
