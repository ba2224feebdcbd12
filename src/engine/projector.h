// projector.h: y = W x for a batch of tokens, whatever the weights are stored as.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <span>

#include "base/thread_pool.h"
#include "engine/model.h"
#include "engine/session.h"
#include "kernels/table.h"

namespace facet {

// How activations enter a product.
struct InputForm {
  enum class Kind {
    kFloat,
    kClamped,
    kQ8,
    kInt8
  };  // as they are; through a static clamp; Q8_0 blocks; static int8 codes
  Kind kind = Kind::kFloat;
  float scale = 0;  // of the static kinds
  bool operator==(const InputForm&) const = default;
};

struct Product {
  const Linear& weight;
  float* y;  // n rows of weight.rows floats
};

//   projector.set_input(a, n, D);
//   projector.run({{w.q, q}, {w.k, k}});
// Quantizes an input once for all products that take it in the same form.  Allocates nothing after construction.
class Projector {
 public:
  // Buffers for inputs of up to max_tokens rows of any of the model's linears.
  Projector(const Model& model, ThreadPool& pool, const kernels::Table& kernels, const SessionOptions& options);

  // n rows of k floats, one after another; kept by reference until the next set_input.
  void set_input(const float* x, int n, int k);
  // Products of the present input, in one parallel region; static clamps on inputs and outputs included.
  void run(std::span<const Product> products);
  void run(std::initializer_list<Product> products) { run(std::span(products.begin(), products.size())); }
  // y[i * size + j] = row groups[i] * size + j of `weight` times the present input, which is one row: a product with
  // few of many groups of rows, with the bits of run().  No static clamps, no observers.
  void run_groups(const Linear& weight, std::span<const int> groups, int size, float* y);
  // Says that `weight` sees the present input, without multiplying.
  void observe(const Linear& weight);
  // The same for what layer l puts into its cache: n floats of keys and of values.
  void observe_cache(int l, const float* k, const float* v, std::int64_t n);

  std::size_t buffer_bytes() const { return buffer_bytes_; }

  LinearObserver linear_observer;
  SiteObserver site_observer;

 private:
  InputForm form_of(const Linear& weight) const;
  const void* input_as(InputForm form);
  void run_together(std::span<const Product> products, InputForm form);
  // Rows of weights without a name.
  struct Rows {
    DType dtype;
    const std::byte* data;
    const float* row_scales;
    float* y;
    int stride;  // of y, from token to token
  };
  void multiply(const Product& p, const void* x, InputForm form, int row_begin, int row_end) const {
    const Linear& w = p.weight;
    multiply({w.dtype, w.data, w.row_scales, p.y, w.rows}, x, form, row_begin, row_end);
  }
  void multiply(const Rows& w, const void* x, InputForm form, int row_begin, int row_end) const;
  void multiply_decoded(const Rows& w, const float* x, int row_begin, int row_end) const;
  void clamp_output(const Product& p, int row_begin, int row_end) const;

  ThreadPool& pool_;
  const kernels::Table& kernels_;
  bool float_activations_, ignore_static_scales_;
  std::size_t buffer_bytes_ = 0;
  std::unique_ptr<std::byte[]> converted_;  // the input in converted_form_
  InputForm converted_form_;                // kFloat = nothing converted yet
  const float* x_ = nullptr;
  int n_ = 0, k_ = 0;
};

}  // namespace facet
