// The attention block of forward.h: normed queries, keys and values, the cache, the mix of cached values.
#include <algorithm>
#include <cmath>
#include <limits>

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

namespace {

// Attention is done in items: up to kItemRows rows of queries (heads that share a key head, times tokens) against one
// run of positions, kPositions at a time, so that keys and values come from memory once for all rows and scores stay in
// the first-level cache.
constexpr int kItemRows = 32, kPositions = 128;
// With fewer items than this the positions are split among several, and their results joined.  It is not the number of
// threads: results must not depend on that.
constexpr int kEnoughItems = 16;
constexpr int kLeastSplit = 256;

std::int64_t round_up(std::int64_t n, std::int64_t unit) { return (n + unit - 1) / unit * unit; }

}  // namespace

// The most rows that attend() keeps beside the outputs, and their softmax state.
std::int64_t Forward::most_partial_rows() { return std::int64_t{kEnoughItems} * kItemRows; }

Forward::Tiling Forward::tiling_of(int l, int begin, int end) const {
  const int group = c_.n_heads / c_.n_kv_heads_of(l);
  Tiling out;
  out.heads = std::min(group, kItemRows);
  out.chunks = (group + out.heads - 1) / out.heads;
  out.tokens = std::max(1, kItemRows / out.heads);
  out.token_blocks = (end - begin + out.tokens - 1) / out.tokens;
  const int items = c_.n_kv_heads_of(l) * out.chunks * out.token_blocks;
  const int most = end_key(end - 1) - first_key(l, begin);
  out.splits = std::max(1, std::min(kEnoughItems / items, most / kLeastSplit));
  out.length = static_cast<int>(round_up((most + out.splits - 1) / out.splits, kPositions));
  return out;
}

void Forward::attend(int l) {
  if (n_rows() == 1 || end_ > kRowsAlone) return attend_rows(l, begin_, end_);
  // Rows whose keys would be cut alike alone share them: those of a window begin at different ones.
  for (int first = begin_; first < end_;) {
    const Tiling alone = tiling_of(l, first, first + 1);
    int end = first + 1;
    while (kv_[l]->window == 0 && end < std::min(end_, first + alone.tokens) && tiling_of(l, end, end + 1) == alone)
      ++end;
    attend_rows(l, first, end);
    first = end;
  }
}

void Forward::attend_rows(int l, int first_row, int end_row) {
  const int size = c_.head_size_of(l), width = c_.n_heads * size, kv_heads = c_.n_kv_heads_of(l);
  const KvLayer& cache = *kv_[l];
  const int group = c_.n_heads / kv_heads;
  const Tiling tiling = tiling_of(l, first_row, end_row);
  const int heads = tiling.heads, chunks = tiling.chunks, tokens = tiling.tokens, token_blocks = tiling.token_blocks,
            splits = tiling.splits;
  const std::int64_t items = std::int64_t{kv_heads} * chunks * token_blocks;
  const int most = end_key(end_row - 1) - first_key(l, first_row);

  struct Item {
    int kv, first_head, n_heads, first_token, last_token;
    int n_rows() const { return (last_token - first_token + 1) * n_heads; }
    int token(int r) const { return first_token + r / n_heads; }
    int head(int r) const { return first_head + r % n_heads; }
  };
  auto item_at = [&](std::int64_t i) -> Item {
    const auto kv = static_cast<int>(i / token_blocks / chunks), chunk = static_cast<int>(i / token_blocks % chunks);
    const int first_token = first_row + static_cast<int>(i % token_blocks) * tokens;
    return {kv, kv * group + chunk * heads, std::min(heads, group - chunk * heads), first_token,
            std::min(end_row, first_token + tokens) - 1};
  };
  auto output_at = [&](const Item& item, int r) {
    return std::int64_t{item.token(r)} * width + std::int64_t{item.head(r)} * size;
  };
  auto partial_at = [&](std::int64_t i, int split, int r) { return (i * splits + split) * kItemRows + r; };

  auto attend_item = [&](std::int64_t i, int split) {
    const Item item = item_at(i);
    const int n_rows = item.n_rows(), kv = item.kv;
    const int from = first_key(l, item.first_token), to = end_key(item.last_token);
    const auto length = static_cast<int>(round_up((to - from + splits - 1) / splits, kPositions));
    const int begin = std::min(to, from + split * length), end = std::min(to, begin + length);

    const float* queries[kItemRows];
    float* outs[kItemRows];
    float largest[kItemRows];
    double sums[kItemRows];
    for (int r = 0; r < n_rows; ++r) {
      const std::int64_t at = output_at(item, r);
      queries[r] = q_.get() + at;
      outs[r] = splits == 1 ? mix_.get() + at : partial_.get() + partial_at(i, split, r) * size;
      largest[r] = -std::numeric_limits<float>::infinity();
      sums[r] = 0;
      std::fill_n(outs[r], size, 0.0f);
    }
    float scores[kItemRows * kPositions];
    for (int p = begin; p < end;) {
      const int slot = p % cache.slots, n = std::min({kPositions, end - p, cache.slots - slot});
      kernels_.attend_scores(scores, kPositions, queries, n_rows, cache.k.slot(kv, slot), cache.k.type,
                             cache.k.stride_bytes, cache.k.scale, n, size);
      for (int r = 0; r < n_rows; ++r) {
        const int t = item.token(r);
        const int low = std::clamp(first_key(l, t) - p, 0, n), high = std::clamp(end_key(t) - p, low, n);
        float* row = scores + r * kPositions;
        std::fill(row, row + low, 0.0f);
        std::fill(row + high, row + n, 0.0f);
        if (low == high) continue;
        const float before = kernels_.softmax_piece(row + low, high - low, &largest[r], &sums[r]);
        if (before != 1.0f) kernels_.scale(outs[r], before, size);
      }
      kernels_.attend_mix(outs, n_rows, scores, kPositions, cache.v.slot(kv, slot), cache.v.type, cache.v.stride_bytes,
                          cache.v.scale, n, size);
      p += n;
    }
    for (int r = 0; r < n_rows; ++r) {
      if (splits == 1)
        kernels_.scale(outs[r], static_cast<float>(1.0 / sums[r]), size);
      else
        partial_state_[partial_at(i, split, r)] = {largest[r], sums[r]};
    }
  };
  // Joins the splits of each row: their sums of values, weighted by what their largest score is below the largest.
  auto join_item = [&](std::int64_t i) {
    const Item item = item_at(i);
    for (int r = 0; r < item.n_rows(); ++r) {
      float* out = mix_.get() + output_at(item, r);
      float largest = -std::numeric_limits<float>::infinity();
      for (int s = 0; s < splits; ++s) largest = std::max(largest, partial_state_[partial_at(i, s, r)].largest);
      double total = 0;
      std::fill_n(out, size, 0.0f);
      for (int s = 0; s < splits; ++s) {
        const auto [m, sum] = partial_state_[partial_at(i, s, r)];
        if (sum == 0) continue;  // saw no position
        const float share = std::exp(m - largest);
        total += sum * share;
        kernels_.add_scaled(out, partial_.get() + partial_at(i, s, r) * size, share, size);
      }
      kernels_.scale(out, static_cast<float>(1.0 / total), size);
    }
  };

  constexpr int kRounds = 3;  // items differ in length
  const std::int64_t grain =
      grain_for(std::int64_t{std::min(kItemRows, heads * (end_row - first_row))} * most / splits * size / 4);
  parallel_for(
      pool_, items * splits, grain,
      [&](std::int64_t begin, std::int64_t end) {
        for (auto i = begin; i < end; ++i) attend_item(i / splits, static_cast<int>(i % splits));
      },
      kRounds);
  if (splits == 1) return;
  parallel_for(pool_, items, grain_for(std::int64_t{kItemRows} * splits * size),
               [&](std::int64_t begin, std::int64_t end) {
                 for (auto i = begin; i < end; ++i) join_item(i);
               });
}

}  // namespace facet
