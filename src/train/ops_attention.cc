// Attention on the CPU, one task per (sequence, key/value head): keys and values are packed once, then tiles of a few
// tokens and all query heads of the group meet only the keys inside their windows.  Scores live in a tile-sized buffer;
// backward makes them again from the saved log-sums (Dao et al. 2022, FlashAttention).
#include "base/check.h"
#include "train/cpu/gemm.h"
#include "train/cpu/kernels.h"
#include "train/ops.h"
#include "train/ops_aten.h"
#include "train/ops_common.h"

namespace facet::train::ops {
namespace {

using cpu::Kernels;
using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Tokens of a tile: a multiple of every target's mr.  Larger tiles reuse packed keys more, and compute more masked
// scores.
constexpr int kTile = 24;

int round_up(int x, int unit) { return (x + unit - 1) / unit * unit; }

// Shapes: q, y [B, T, H, C]; k, v [B, T, K, C]; log_sum [B, K, T * G] in the order of tiles (see Tile::row).
struct Shape {
  std::int64_t batch, tokens, heads, kv_heads, size, window;
  std::int64_t group() const { return heads / kv_heads; }
};

// Tokens [first, first + n) of one sequence against keys [key_begin, key_end); rows are head-major: head g, token t is
// row g * n + t.
struct Tile {
  int first, n, key_begin, key_end;
  int n_keys() const { return key_end - key_begin; }
};

Tile tile_at(const Shape& s, int first, int nr) {
  int n = std::min(kTile, static_cast<int>(s.tokens) - first);
  int begin = s.window > 0 ? std::max(0, first + 1 - static_cast<int>(s.window)) : 0;
  return {first, n, begin / nr * nr, std::min(static_cast<int>(s.tokens), round_up(first + n, nr))};
}

// Columns that row t of a tile sees, relative to key_begin: [begin + t, end + t) cut to [0, n_keys).
int visible_begin(const Shape& s, const Tile& t) {
  return s.window > 0 ? t.first + 1 - static_cast<int>(s.window) - t.key_begin : -static_cast<int>(s.tokens) - kTile;
}
int visible_end(const Tile& t) { return t.first + 1 - t.key_begin; }

// A [rows, columns] matrix with rows `row` apart as the right factor of a product over its rows, or over its columns.
void pack_over_rows(const Kernels& f, float* to, const float* from, std::int64_t row, int rows, int columns) {
  for (int j = 0; j < columns; j += f.nr)
    f.pack_b(to + std::ptrdiff_t{j} * rows, from + j, row, 1, rows, std::min(f.nr, columns - j));
}
void pack_over_columns(const Kernels& f, float* to, const float* from, std::int64_t row, int rows, int columns) {
  for (int j = 0; j < rows; j += f.nr)
    f.pack_b(to + std::ptrdiff_t{j} * columns, from + j * row, 1, row, columns, std::min(f.nr, rows - j));
}

// One (sequence, key/value head).  Pointers are at its first token and head.
struct Task {
  const Kernels& f;
  Shape s;
  std::int64_t q_row, kv_row;  // floats from token to token
  int size, tokens, group, padded_tokens;
  int score_row;  // floats between rows of a score tile: no multiple of 4096 bytes, which would all meet in one cache
                  // set

  Task(const Kernels& kernels, const Shape& shape)
      : f(kernels),
        s(shape),
        q_row(shape.heads * shape.size),
        kv_row(shape.kv_heads * shape.size),
        size(static_cast<int>(shape.size)),
        tokens(static_cast<int>(shape.tokens)),
        group(static_cast<int>(shape.group())),
        padded_tokens(round_up(tokens, kernels.nr)),
        score_row(round_up(tokens, kernels.nr) + kernels.nr) {}

  std::size_t packed_floats() const { return static_cast<std::size_t>(padded_tokens) * size; }
  std::size_t packed_rows_floats() const { return static_cast<std::size_t>(tokens) * round_up(size, f.nr); }
  std::size_t score_floats() const { return static_cast<std::size_t>(group) * kTile * score_row; }

  // scores[g * n + t, key] = x[t, g] . packed[key], for the tile's keys.
  void dot_keys(float* scores, const float* x, const float* packed, const Tile& t) const {
    for (int g = 0; g < group; ++g)
      f.multiply(scores + std::ptrdiff_t{g} * t.n * score_row, score_row, 1, x + t.first * q_row + g * size,
                 f.mr * q_row, q_row, 1, packed + std::ptrdiff_t{t.key_begin} * size, std::ptrdiff_t{f.nr} * size, t.n,
                 t.n_keys(), size, false);
  }
  // y[t, g] = sum over the tile's keys of scores[g * n + t, key] * packed[key].
  void mix(float* y, const float* scores, const float* packed, const Tile& t) const {
    for (int g = 0; g < group; ++g)
      f.multiply(y + t.first * q_row + g * size, q_row, 1, scores + std::ptrdiff_t{g} * t.n * score_row,
                 std::ptrdiff_t{f.mr} * score_row, score_row, 1, packed + std::ptrdiff_t{t.key_begin} * f.nr,
                 std::ptrdiff_t{f.nr} * tokens, t.n, size, t.n_keys(), false);
  }
  // out[key] += sum over rows of scores[row, key] * x[row], x packed over the tile's rows.
  void mix_rows(float* out, const float* scores, const float* x_packed, const Tile& t) const {
    int rows = group * t.n;
    f.multiply(out + t.key_begin * kv_row, kv_row, 1, scores, f.mr, 1, score_row, x_packed, std::ptrdiff_t{f.nr} * rows,
               t.n_keys(), size, rows, true);
  }
  void pack_rows(float* to, const float* x, const Tile& t) const {
    int rows = group * t.n;
    for (int g = 0; g < group; ++g)
      for (int j = 0; j < size; j += f.nr)
        f.pack_b(to + std::ptrdiff_t{j} * rows + std::ptrdiff_t{g} * t.n * f.nr, x + t.first * q_row + g * size + j,
                 q_row, 1, t.n, std::min(f.nr, size - j));
  }

  void forward(float* y, float* log_sum, const float* q, const float* k, const float* v) const {
    float* keys = cpu::scratch(cpu::Scratch::kAttention, packed_floats() + packed_rows_floats() + score_floats());
    float* values = keys + packed_floats();
    float* scores = values + packed_rows_floats();
    pack_over_columns(f, keys, k, kv_row, tokens, size);
    pack_over_rows(f, values, v, kv_row, tokens, size);
    for (int first = 0; first < tokens; first += kTile) {
      Tile t = tile_at(s, first, f.nr);
      dot_keys(scores, q, keys, t);
      for (int g = 0; g < group; ++g)
        f.softmax(scores + std::ptrdiff_t{g} * t.n * score_row, score_row,
                  log_sum + std::ptrdiff_t{first} * group + g * t.n, visible_begin(s, t), visible_end(t), t.n_keys(),
                  t.n);
      mix(y, scores, values, t);
    }
  }

  // dk, dv: zeros on entry.
  void backward(float* dq, float* dk, float* dv, const float* g_out, const float* y, const float* log_sum,
                const float* q, const float* k, const float* v) const {
    std::size_t tile_floats = static_cast<std::size_t>(group) * kTile * round_up(size, f.nr);
    float* keys = cpu::scratch(cpu::Scratch::kAttention,
                               2 * packed_floats() + packed_rows_floats() + 2 * score_floats() + 2 * tile_floats);
    float* values = keys + packed_floats();
    float* keys_by_row = values + packed_floats();
    float* probs = keys_by_row + packed_rows_floats();
    float* dscores = probs + score_floats();
    float* q_tile = dscores + score_floats();
    float* g_tile = q_tile + tile_floats;
    pack_over_columns(f, keys, k, kv_row, tokens, size);
    pack_over_columns(f, values, v, kv_row, tokens, size);
    pack_over_rows(f, keys_by_row, k, kv_row, tokens, size);
    for (int first = 0; first < tokens; first += kTile) {
      Tile t = tile_at(s, first, f.nr);
      dot_keys(probs, q, keys, t);
      dot_keys(dscores, g_out, values, t);
      for (int g = 0; g < group; ++g) {
        std::ptrdiff_t at = std::ptrdiff_t{g} * t.n * score_row, out = first * q_row + std::ptrdiff_t{g} * size;
        f.softmax_again(probs + at, score_row, log_sum + std::ptrdiff_t{first} * group + g * t.n, visible_begin(s, t),
                        visible_end(t), t.n_keys(), t.n);
        f.softmax_backward(dscores + at, probs + at, score_row, g_out + out, y + out, q_row, size, t.n_keys(), t.n);
      }
      mix(dq, dscores, keys_by_row, t);
      pack_rows(q_tile, q, t);
      pack_rows(g_tile, g_out, t);
      mix_rows(dk, dscores, q_tile, t);
      mix_rows(dv, probs, g_tile, t);
    }
  }
};

// body(task, offset of q and y, offset of k and v, offset of log_sum) for every (sequence, key/value head).
template <typename Body>
void for_tasks(const Shape& s, const Body& body) {
  Task task(cpu::kernels(), s);
  parallel_for(0, s.batch * s.kv_heads, 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = begin; i < end; ++i) {
      std::int64_t sequence = i / s.kv_heads, head = i % s.kv_heads;
      body(task, sequence * s.tokens * s.heads * s.size + head * s.group() * s.size,
           sequence * s.tokens * s.kv_heads * s.size + head * s.size, i * s.tokens * s.group());
    }
  });
}

struct Attention : torch::autograd::Function<Attention> {
  static Tensor forward(AutogradContext* context, const Tensor& q_in, const Tensor& k_in, const Tensor& v_in,
                        std::int64_t window) {
    Tensor q = q_in.detach().contiguous(), k = k_in.detach().contiguous(), v = v_in.detach().contiguous();
    Shape s{q.size(0), q.size(1), q.size(2), k.size(2), q.size(3), window};
    Tensor y = torch::empty_like(q), log_sum = torch::empty({s.batch, s.tokens * s.heads}, q.options());
    for_tasks(s, [&](const Task& task, std::int64_t at_q, std::int64_t at_kv, std::int64_t at_sum) {
      task.forward(floats(y) + at_q, floats(log_sum) + at_sum, floats(q) + at_q, floats(k) + at_kv, floats(v) + at_kv);
    });
    context->save_for_backward({q, k, v, y, log_sum});
    context->saved_data["window"] = window;
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    variable_list saved = context->get_saved_variables();
    Tensor g = grads[0].contiguous(), q = saved[0], k = saved[1], v = saved[2], y = saved[3], log_sum = saved[4];
    Shape s{q.size(0), q.size(1), q.size(2), k.size(2), q.size(3), context->saved_data["window"].toInt()};
    Tensor dq = torch::empty_like(q), dk = torch::zeros_like(k), dv = torch::zeros_like(v);
    for_tasks(s, [&](const Task& task, std::int64_t at_q, std::int64_t at_kv, std::int64_t at_sum) {
      task.backward(floats(dq) + at_q, floats(dk) + at_kv, floats(dv) + at_kv, floats(g) + at_q, floats(y) + at_q,
                    floats(log_sum) + at_sum, floats(q) + at_q, floats(k) + at_kv, floats(v) + at_kv);
    });
    return {dq, dk, dv, Tensor()};
  }
};

}  // namespace

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, std::int64_t window) {
  FACET_CHECK(q.dim() == 4 && k.sizes() == v.sizes() && k.dim() == 4 && q.size(2) % k.size(2) == 0 &&
                  q.size(0) == k.size(0) && q.size(1) == k.size(1) && q.size(3) == k.size(3),
              "q [B, T, H, C], k and v [B, T, K, C], K divides H");
  if (!on_fast_path({q, k, v}) || q.numel() == 0) return aten::attention(q, k, v, window);
  return Attention::apply(q, k, v, window);
}

}  // namespace facet::train::ops
