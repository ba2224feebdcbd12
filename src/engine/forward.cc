#include "engine/forward.h"

#include <algorithm>
#include <cmath>

#include "model/drafter.h"
#include "quant/codec.h"

namespace facet {

Forward::Forward(const Model& model, ThreadPool& pool, const kernels::Table& kernels, const SessionOptions& options)
    : model_(model),
      c_(model.config()),
      pool_(pool),
      kernels_(kernels),
      projector_(model, pool, kernels, options),
      cache_(model, options) {
  if (!c_.is_drafter())
    for (int l = 0; l < c_.n_layers(); ++l) kv_.push_back(&cache_.layer(l));
  int q = 0, kv = 0, ffn = 0;
  for (int l = 0; l < c_.n_layers(); ++l) {
    const int kind = static_cast<int>(c_.layers[l]);
    q = std::max(q, c_.n_heads * c_.head_size_of(l));
    kv = std::max(kv, c_.n_kv_heads_of(l) * c_.head_size_of(l));
    ffn = std::max(ffn, c_.ffn_size_of(l));
    frequencies_[kind] = c_.rope_frequencies(l);
  }

  const std::size_t batch = options.max_batch;
  auto floats = [&](std::size_t n) {
    buffer_bytes_ += n * sizeof(float);
    return Floats(static_cast<float*>(::operator new[](n * sizeof(float), std::align_val_t(64))));
  };
  const int ple = c_.n_layers() * c_.ple_size;
  x_ = floats(batch * c_.hidden_size);
  a_ = floats(batch * c_.hidden_size);
  o_ = floats(batch * c_.hidden_size);
  q_ = floats(batch * q);
  mix_ = floats(batch * q);
  k_ = floats(batch * kv);
  v_ = floats(batch * kv);
  gate_ = floats(batch * std::max(ffn, c_.ple_size));
  up_ = floats(batch * std::max(ffn, ple));
  ple_ = floats(batch * ple);
  if (ple > 0) {
    const TensorView& table = model.ple_table();
    const std::size_t bytes = batch * *row_bytes(table.dtype, table.cols());
    const std::size_t scales = batch * static_cast<std::size_t>(table.groups());
    table_row_bytes_ = std::make_unique_for_overwrite<std::byte[]>(bytes);
    table_row_scales_ = floats(scales);
    buffer_bytes_ += bytes;
    table_rows_ = {table.dtype,
                   {options.max_batch, table.cols()},
                   {table_row_bytes_.get(), bytes},
                   {table_row_scales_.get(), scales}};
  }
  for (int kind : {0, 1}) {
    cosines_[kind] = floats(batch * frequencies_[kind].size());
    sines_[kind] = floats(batch * frequencies_[kind].size());
  }
  partial_ = floats(std::size_t(most_partial_rows()) * std::max(c_.head_size, c_.global_head_size));
  partial_state_ = std::make_unique<SoftmaxState[]>(most_partial_rows());
  if (!c_.has_moe()) return;
  const std::size_t entries = batch * c_.n_experts_used;
  router_ = floats(batch * c_.n_experts);
  expert_sum_ = floats(batch * c_.hidden_size);
  chosen_ = std::make_unique<int[]>(entries);
  share_ = floats(entries);
  expert_entries_ = std::make_unique<int[]>(entries);
  expert_first_ = std::make_unique<int[]>(c_.n_experts + 1);
  expert_in_ = floats(batch * c_.hidden_size);
  expert_both_ = floats(batch * 2 * c_.expert_ffn_size);
  expert_act_ = floats(batch * c_.expert_ffn_size);
  expert_out_ = floats(batch * c_.hidden_size);
}

Forward::Forward(const Model& drafter, ThreadPool& pool, const kernels::Table& kernels, const SessionOptions& options,
                 const Model& target, const KvCache& cache)
    : Forward(drafter, pool, kernels, options) {
  for (LayerKind kind : c_.layers) kv_.push_back(&cache.layer(drafter_donor(target.config(), kind)));
}

const float* Forward::run_drafter(const float* input, int position) {
  const int d = c_.hidden_size;
  position_ = position;
  begin_ = 0;
  end_ = 1;
  compute_rotations();
  projector_.set_input(input, 1, 2 * c_.target_hidden_size);
  projector_.run({{model_.pre_projection(), x_.get()}});
  for (int l = 0; l < c_.n_layers(); ++l) {
    attention_block(l);
    feed_forward_block(l);
    per_layer_block(l);
  }
  kernels_.rms_norm(a_.get(), x_.get(), model_.output_norm(), d, c_.rms_eps);
  return a_.get();
}

void Forward::run(std::span<const int> tokens, int position, int n_wanted, float* logits) {
  position_ = position;
  begin_ = 0;
  end_ = static_cast<int>(tokens.size());
  compute_rotations();
  embed(tokens);
  for (int l = 0; l < c_.n_layers(); ++l) {
    // From here on no layer writes the cache: only rows whose logits are wanted matter.
    if (l == c_.first_shared_layer() && !observed()) keep_last(n_wanted);
    if (n_rows() == 0) return;
    attention_block(l);
    feed_forward_block(l);
    per_layer_block(l);
  }
  write_logits(n_wanted, logits);
}

void Forward::compute_rotations() {
  for (int kind : {0, 1}) {
    const auto& frequencies = frequencies_[kind];
    const auto half = static_cast<std::int64_t>(frequencies.size());
    for_each_row(32 * half, [&](std::int64_t t) {
      for (std::int64_t i = 0; i < half; ++i) {
        const double angle = double(position_ + t) * frequencies[i];  // f64: positions reach 2^18
        cosines_[kind][t * half + i] = frequencies[i] == 0 ? 1.0f : static_cast<float>(std::cos(angle));
        sines_[kind][t * half + i] = frequencies[i] == 0 ? 0.0f : static_cast<float>(std::sin(angle));
      }
    });
  }
}

void embed_token(const Model& model, const kernels::Table& kernels, int token, float* x) {
  const int d = model.config().hidden_size;
  decode_row(model.embedding(), token, {x, static_cast<std::size_t>(d)});
  kernels.scale(x, std::sqrt(float(d)), d);
}

void Forward::embed(std::span<const int> tokens) {
  const int d = c_.hidden_size, p = c_.ple_size, all = c_.n_layers() * p;
  for_each_row(8 * d, [&](std::int64_t t) { embed_token(model_, kernels_, tokens[t], x_.get() + t * d); });
  if (p == 0) return;
  projector_.set_input(x_.get(), n_rows(), d);
  projector_.run({{model_.ple_model_proj(), ple_.get()}});
  for_each_row(16 * all, [&](std::int64_t t) {
    float *context = ple_.get() + t * all, *token = up_.get() + t * all;
    decode_table_row(t, tokens[t], {token, static_cast<std::size_t>(all)});
    kernels_.scale(token, std::sqrt(float(p)), all);
    kernels_.scale(context, 1.0f / std::sqrt(float(d)), all);
    for (int l = 0; l < c_.n_layers(); ++l)
      kernels_.rms_norm(context + l * p, context + l * p, model_.ple_proj_norm(), p, c_.rms_eps);
    kernels_.add(context, token, all);
    kernels_.scale(context, std::sqrt(0.5f), all);
  });
}

// The per-layer table is the largest tensor of an E-type model, and a token reads one row of it: from the file, lest
// what the system maps around each row make it resident.
void Forward::decode_table_row(std::int64_t t, int token, std::span<float> out) {
  const TensorView& table = model_.ple_table();
  const auto row = static_cast<std::size_t>(t), first = static_cast<std::size_t>(token);
  const std::size_t bytes = table_rows_.bytes.size() / static_cast<std::size_t>(table_rows_.rows());
  model_.checkpoint().copy(table.bytes.subspan(first * bytes, bytes), table_row_bytes_.get() + row * bytes);
  if (const auto groups = static_cast<std::size_t>(table.groups()); groups > 0)
    std::ranges::copy(table.row_scales.subspan(first * groups, groups), table_row_scales_.get() + row * groups);
  decode_row(table_rows_, t, out);
}

// The gated injection of this layer's slice of the per-layer embedding, then the layer's scalar.
void Forward::per_layer_block(int l) {
  const LayerWeights& w = model_.layers()[l];
  const int d = c_.hidden_size, p = c_.ple_size, all = c_.n_layers() * p;
  if (p > 0) {
    projector_.set_input(rows(x_, d), n_rows(), d);
    projector_.run({{w.ple_gate, rows(gate_, p)}});
    for_each_row(16 * p, [&](std::int64_t t) {
      float* gate = gate_.get() + t * p;
      kernels_.gelu_mul(gate, gate, ple_.get() + t * all + std::int64_t{l} * p, p);
    });
    projector_.set_input(rows(gate_, p), n_rows(), p);
    projector_.run({{w.ple_proj, rows(o_, d)}});
  }
  for_each_row(4 * d, [&](std::int64_t t) {
    float *x = x_.get() + t * d, *o = o_.get() + t * d;
    if (p > 0) {
      kernels_.rms_norm(o, o, w.post_ple_norm, d, c_.rms_eps);
      kernels_.add(x, o, d);
    }
    kernels_.scale(x, w.scalar, d);
  });
}

void Forward::write_logits(int n_wanted, float* logits) {
  const int d = c_.hidden_size;
  if (!observed()) keep_last(n_wanted);
  for_each_row(3 * d, [&](std::int64_t t) {
    kernels_.rms_norm(a_.get() + t * d, x_.get() + t * d, model_.output_norm(), d, c_.rms_eps);
  });
  if (n_rows() > n_wanted) {  // observers see the head's input at every position
    projector_.set_input(rows(a_, d), n_rows() - n_wanted, d);
    projector_.observe(model_.head());
    keep_last(n_wanted);
  }
  projector_.set_input(rows(a_, d), n_wanted, d);
  projector_.run({{model_.head(), logits}});
  if (c_.logit_softcap == 0) return;
  // Chunks of a fixed size within a row: neither threads nor other rows must decide which elements share a vector.
  constexpr std::int64_t kChunk = 4096;
  const std::int64_t vocab = c_.vocab_size, chunks = (vocab + kChunk - 1) / kChunk;
  parallel_for(pool_, n_wanted * chunks, grain_for(16 * kChunk), [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t i = from; i < to; ++i) {
      const std::int64_t row = i / chunks, first = i % chunks * kChunk;
      kernels_.softcap(logits + row * vocab + first, c_.logit_softcap, std::min(kChunk, vocab - first));
    }
  });
}

}  // namespace facet
