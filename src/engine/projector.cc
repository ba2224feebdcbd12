#include "engine/projector.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "engine/parallel.h"
#include "quant/codec.h"

namespace facet {
namespace {

constexpr int kDecodedRows = 8;

std::size_t input_bytes(InputForm::Kind kind, int k) {
  switch (kind) {
    case InputForm::Kind::kFloat:
      return 0;  // used where it lies
    case InputForm::Kind::kClamped:
      return sizeof(float) * k;
    case InputForm::Kind::kQ8:
      return sizeof(Q8_0Block) * (k / Q8_0Block::kWeights);
    case InputForm::Kind::kInt8:
      return k;
  }
  return 0;
}

}  // namespace

Projector::Projector(const Model& model, ThreadPool& pool, const kernels::Table& kernels, const SessionOptions& options)
    : pool_(pool),
      kernels_(kernels),
      float_activations_(options.float_activations),
      ignore_static_scales_(options.ignore_static_scales) {
  std::size_t most = 0;
  auto consider = [&](const Linear& w) { most = std::max(most, input_bytes(form_of(w).kind, w.cols)); };
  for (const Linear* linear : {&model.head(), &model.pre_projection(), &model.post_projection(), &model.centroids()})
    if (linear->data != nullptr) consider(*linear);
  consider(model.ple_model_proj());
  for (const LayerWeights& w : model.layers()) {
    for (const Linear* linear : {&w.q, &w.k, &w.v, &w.o, &w.gate, &w.up, &w.down, &w.ple_gate, &w.ple_proj, &w.router})
      consider(*linear);
    for (const Linear& expert : w.experts_gate_up) consider(expert);
    for (const Linear& expert : w.experts_down) consider(expert);
  }
  buffer_bytes_ = most * static_cast<std::size_t>(options.max_batch);
  converted_ = std::make_unique_for_overwrite<std::byte[]>(buffer_bytes_);
}

InputForm Projector::form_of(const Linear& w) const {
  const bool clamped = w.input_scale > 0 && !ignore_static_scales_;
  if (clamped) {
    const bool integers = has_row_scales(w.dtype) && !float_activations_;
    return {integers ? InputForm::Kind::kInt8 : InputForm::Kind::kClamped, w.input_scale};
  }
  const bool blocks =
      w.dtype == DType::kQ8_0 || w.dtype == DType::kQ4_0 || w.dtype == DType::kQ4_K || w.dtype == DType::kQ6_K;
  return {blocks && !float_activations_ ? InputForm::Kind::kQ8 : InputForm::Kind::kFloat, 0};
}

void Projector::set_input(const float* x, int n, int k) {
  x_ = x;
  n_ = n;
  k_ = k;
  converted_form_ = {};
}

const void* Projector::input_as(InputForm form) {
  if (form.kind == InputForm::Kind::kFloat) return x_;
  if (form == converted_form_) return converted_.get();
  const std::size_t row_bytes = input_bytes(form.kind, k_);
  parallel_for(pool_, n_, grain_for(2 * k_), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      const float* x = x_ + t * k_;
      std::byte* out = converted_.get() + t * row_bytes;
      if (form.kind == InputForm::Kind::kQ8) {
        kernels_.quantize_q8(reinterpret_cast<Q8_0Block*>(out), x, k_);
      } else if (form.kind == InputForm::Kind::kInt8) {
        kernels_.quantize_static_i8(reinterpret_cast<std::int8_t*>(out), x, form.scale, k_);
      } else {
        std::copy(x, x + k_, reinterpret_cast<float*>(out));
        kernels_.fake_quantize_static_i8(reinterpret_cast<float*>(out), form.scale, k_);
      }
    }
  });
  converted_form_ = form;
  return converted_.get();
}

void Projector::run(std::span<const Product> products) {
  if (n_ == 0) return;
  for (const Product& p : products) observe(p.weight);
  // Products with the same form of input share one parallel region over all their rows.
  for (auto rest = products; !rest.empty();) {
    const InputForm form = form_of(rest.front().weight);
    std::size_t same = 0;
    while (same < rest.size() && form_of(rest[same].weight) == form) ++same;
    run_together(rest.first(same), form);
    rest = rest.subspan(same);
  }
  if (!site_observer) return;
  for (const Product& p : products) {
    site_observer(p.weight.module + ".output", p.y, std::int64_t{n_} * p.weight.rows);
    clamp_output(p, 0, p.weight.rows);
  }
}

void Projector::run_together(std::span<const Product> products, InputForm form) {
  for (const Product& p : products) FACET_CHECK(p.weight.cols == k_, "one input per column");
  const void* x = input_as(form);
  const bool clamp_later = static_cast<bool>(site_observer);  // it sees outputs before their clamp
  // In whole units, so that kernels meet no odd rows but at the end of a matrix.
  const std::int64_t unit = n_ == 1 ? 8 : 64, cost = unit * n_ * k_ / 8;
  std::int64_t n_units = 0;
  for (const Product& p : products) n_units += (p.weight.rows + unit - 1) / unit;
  constexpr int kRounds = 6;  // threads that share their core with other programs are slower: the others take over
  parallel_for(
      pool_, n_units, grain_for(cost),
      [&](std::int64_t begin, std::int64_t end) {
        std::int64_t first = 0;  // unit of the product, among all
        for (const Product& p : products) {
          const std::int64_t rows = p.weight.rows, n = (rows + unit - 1) / unit;
          const auto from = static_cast<int>(std::clamp<std::int64_t>(begin - first, 0, n) * unit);
          const auto to = static_cast<int>(std::min(rows, std::clamp<std::int64_t>(end - first, 0, n) * unit));
          first += n;
          if (from >= to) continue;
          multiply(p, x, form, from, to);
          if (!clamp_later) clamp_output(p, from, to);
        }
      },
      kRounds);
}

void Projector::run_groups(const Linear& weight, std::span<const int> groups, int size, float* y) {
  FACET_CHECK(n_ == 1 && weight.cols == k_, "one row of input, a column for each of its values");
  FACET_CHECK(weight.row_scales == nullptr, "scales of rows");  // Model::bind() takes none here
  const InputForm form = form_of(weight);
  const void* x = input_as(form);
  const std::size_t group_bytes = *row_bytes(weight.dtype, weight.cols) * static_cast<std::size_t>(size);
  constexpr int kRounds = 3;
  parallel_for(
      pool_, std::ssize(groups), grain_for(std::int64_t{size} * k_ / 8),
      [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          const auto group = static_cast<std::size_t>(groups[static_cast<std::size_t>(i)]);
          multiply({weight.dtype, weight.data + group_bytes * group, nullptr, y + i * size, 1}, x, form, 0, size);
        }
      },
      kRounds);
}

void Projector::multiply(const Rows& w, const void* x, InputForm form, int row_begin, int row_end) const {
  const bool q8 = form.kind == InputForm::Kind::kQ8, i8 = form.kind == InputForm::Kind::kInt8;
  const kernels::Table& k = kernels_;
  auto plain = [&](kernels::Matmul matmul) { matmul(w.y, w.stride, x, w.data, n_, row_begin, row_end, k_); };
  auto scaled = [&](kernels::MatmulRows matmul) {
    matmul(w.y, w.stride, x, w.data, w.row_scales, i8 ? form.scale : 1.0f, n_, row_begin, row_end, k_);
  };
  switch (w.dtype) {
    case DType::kF32:
      return plain(k.matmul_f32_f32);
    case DType::kF16:
      return plain(k.matmul_f32_f16);
    case DType::kBF16:
      return plain(k.matmul_f32_bf16);
    case DType::kQ8_0:
      return plain(q8 ? k.matmul_q8_q8_0 : k.matmul_f32_q8_0);
    case DType::kQ4_0:
      return plain(q8 ? k.matmul_q8_q4_0 : k.matmul_f32_q4_0);
    case DType::kQ4_K:
      return plain(q8 ? k.matmul_q8_q4_k : k.matmul_f32_q4_k);
    case DType::kQ6_K:
      return plain(q8 ? k.matmul_q8_q6_k : k.matmul_f32_q6_k);
    case DType::kI8Row:
      return scaled(i8 ? k.matmul_i8_i8 : k.matmul_f32_i8);
    case DType::kI4Row:
      return scaled(i8 ? k.matmul_i8_i4 : k.matmul_f32_i4);
    case DType::kI2Row:
      return scaled(i8 ? k.matmul_i8_i2 : k.matmul_f32_i2);
    case DType::kQ4_1:
    case DType::kQ5_0:
    case DType::kQ5_1:
    case DType::kQ2_K:
    case DType::kQ3_K:
    case DType::kQ5_K:
      return multiply_decoded(w, static_cast<const float*>(x), row_begin, row_end);
  }
}

// Types without kernels: a few rows at a time as floats.
void Projector::multiply_decoded(const Rows& w, const float* x, int row_begin, int row_end) const {
  const std::size_t stride = *row_bytes(w.dtype, k_), cols = static_cast<std::size_t>(k_);
  thread_local std::vector<float> decoded;  // grows to its size in the first product of a thread
  decoded.resize(static_cast<std::size_t>(kDecodedRows) * cols);
  for (int r = row_begin; r < row_end; r += kDecodedRows) {
    const int n = std::min(kDecodedRows, row_end - r);
    const TensorView rows{
        w.dtype, {n, k_}, {w.data + stride * static_cast<std::size_t>(r), stride * static_cast<std::size_t>(n)}, {}};
    decode_rows(rows, 0, n, std::span(decoded).first(static_cast<std::size_t>(n) * cols));
    kernels_.matmul_f32_f32(w.y + r, w.stride, x, decoded.data(), n_, 0, n, k_);
  }
}

void Projector::clamp_output(const Product& p, int row_begin, int row_end) const {
  if (p.weight.output_scale == 0 || ignore_static_scales_) return;
  for (int t = 0; t < n_; ++t)
    kernels_.fake_quantize_static_i8(p.y + std::int64_t{t} * p.weight.rows + row_begin, p.weight.output_scale,
                                     row_end - row_begin);
}

void Projector::observe(const Linear& weight) {
  if (linear_observer) linear_observer(weight, x_, n_);
  if (site_observer) site_observer(weight.module + ".input", x_, std::int64_t{n_} * k_);
}

void Projector::observe_cache(int l, const float* k, const float* v, std::int64_t n) {
  if (!site_observer) return;
  const std::string layer = "layers." + std::to_string(l);
  site_observer(layer + ".k", k, n);
  site_observer(layer + ".v", v, n);
}

}  // namespace facet
