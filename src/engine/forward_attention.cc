// The attention block of forward.h: normed queries, keys and values, the cache, the mix of cached values.
#include <algorithm>

#include "engine/forward.h"

namespace facet {

void Forward::attention_block(int l) {
  const LayerWeights& w = model_.layers()[l];
  const int d = c_.hidden_size, size = c_.head_size_of(l), q_width = c_.n_heads * size,
            kv_width = c_.n_kv_heads_of(l) * size;
  for_each_row(3 * d, [&](std::int64_t t) {
    kernels_.rms_norm(a_.get() + t * d, x_.get() + t * d, w.attn_norm, d, c_.rms_eps);
  });
  projector_.set_input(rows(a_, d), n_rows(), d);
  if (!c_.owns_kv(l)) {
    projector_.run({{w.q, rows(q_, q_width)}});
  } else if (!c_.has_v_proj(l)) {
    projector_.run({{w.q, rows(q_, q_width)}, {w.k, rows(k_, kv_width)}});
  } else {
    projector_.run({{w.q, rows(q_, q_width)}, {w.k, rows(k_, kv_width)}, {w.v, rows(v_, kv_width)}});
  }

  const int kind = static_cast<int>(c_.layers[l]);
  auto norm_and_rope = [&](float* head, const float* weight, std::int64_t t) {
    kernels_.rms_norm(head, head, weight, size, c_.rms_eps);
    kernels_.rope(head, cosines_[kind].get() + t * (size / 2), sines_[kind].get() + t * (size / 2), size / 2);
  };
  for_each_row(8 * q_width, [&](std::int64_t t) {
    for (int h = 0; h < c_.n_heads; ++h) norm_and_rope(q_.get() + t * q_width + h * size, w.q_norm, t);
    if (!c_.owns_kv(l)) return;
    for (int h = 0; h < c_.n_kv_heads_of(l); ++h) {
      float *k = k_.get() + t * kv_width + h * size, *v = v_.get() + t * kv_width + h * size;
      // k_eq_v: the value is the raw projection, before the key's own norm and rotation.
      kernels_.rms_norm(v, c_.has_v_proj(l) ? v : k, nullptr, size, c_.rms_eps);
      norm_and_rope(k, w.k_norm, t);
    }
  });
  if (c_.owns_kv(l)) store_keys_and_values(l);
  attend(l);

  projector_.set_input(rows(mix_, q_width), n_rows(), q_width);
  projector_.run({{w.o, rows(o_, d)}});
  for_each_row(4 * d, [&](std::int64_t t) {
    float* o = o_.get() + t * d;
    kernels_.rms_norm(o, o, w.post_attn_norm, d, c_.rms_eps);
    kernels_.add(x_.get() + t * d, o, d);
  });
}

void Forward::store_keys_and_values(int l) {
  const int size = c_.head_size_of(l), width = c_.n_kv_heads_of(l) * size;
  KvLayer& cache = cache_.layer(l);
  for_each_row(4 * width, [&](std::int64_t t) {
    const int slot = static_cast<int>((position_ + t) % cache.slots);
    for (int h = 0; h < c_.n_kv_heads_of(l); ++h) {
      const std::int64_t at = t * width + h * size;
      kernels_.store_cache(cache.k.slot(h, slot), k_.get() + at, cache.k.type, cache.k.scale, size);
      kernels_.store_cache(cache.v.slot(h, slot), v_.get() + at, cache.v.type, cache.v.scale, size);
    }
  });
  projector_.observe_cache(l, rows(k_, width), rows(v_, width), std::int64_t{n_rows()} * width);
}

void Forward::attend(int l) {
  const int size = c_.head_size_of(l), width = c_.n_heads * size, group = c_.n_heads / c_.n_kv_heads_of(l);
  const KvLayer& cache = cache_.layer(l);
  auto mix_one = [&](int head, std::int64_t t, float* scores) {
    const auto position = static_cast<int>(position_ + t);
    const int n = cache.window == 0 ? position + 1 : std::min(position + 1, cache.window);
    // The keys lie in one piece, or in two where the ring closes.
    const int slot = (position + 1 - n) % cache.slots, before = std::min(n, cache.slots - slot), after = n - before;
    const float* q = q_.get() + t * width + head * size;
    float* out = mix_.get() + t * width + head * size;
    const KvPlane &k = cache.k, &v = cache.v;
    const int kv = head / group;
    kernels_.attend_scores(scores, q, k.slot(kv, slot), k.type, k.stride_bytes, k.scale, before, size);
    if (after > 0)
      kernels_.attend_scores(scores + before, q, k.slot(kv, 0), k.type, k.stride_bytes, k.scale, after, size);
    kernels_.softmax(scores, n);
    std::fill(out, out + size, 0.0f);
    kernels_.attend_mix(out, scores, v.slot(kv, slot), v.type, v.stride_bytes, v.scale, before, size);
    if (after > 0)
      kernels_.attend_mix(out, scores + before, v.slot(kv, 0), v.type, v.stride_bytes, v.scale, after, size);
  };

  // Head by head, so that one head's keys stay in cache; a piece has its own row of scores.
  const std::int64_t items = std::int64_t{c_.n_heads} * n_rows();
  const std::int64_t keys = std::min(position_ + end_, cache.window == 0 ? position_ + end_ : cache.window);
  const std::int64_t pieces = std::clamp<std::int64_t>(items / grain_for(keys * size / 2), 1, pool_.n_threads());
  parallel_for(pool_, pieces, 1, [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t piece = from; piece < to; ++piece)
      for (std::int64_t i = items * piece / pieces; i < items * (piece + 1) / pieces; ++i)
        mix_one(static_cast<int>(i / n_rows()), begin_ + i % n_rows(), scores_.get() + piece * max_positions_);
  });
}

}  // namespace facet
