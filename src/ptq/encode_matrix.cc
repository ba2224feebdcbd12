#include "ptq/encode_matrix.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "quant/codec.h"
#include "quant/q4_0.h"
#include "quant/row_int.h"
#include "quant/scale_search.h"

namespace facet {
namespace {

constexpr std::int64_t kRows = 16;  // per piece of work; sums are kept per piece, so threads do not change them

struct Sums {
  double error = 0.0, weight = 0.0;
};
Sums sums_of(std::span<const float> w, std::span<const float> decoded) {
  Sums s;
  for (std::size_t i = 0; i < w.size(); ++i) {
    const double e = double(w[i]) - double(decoded[i]);
    s.error += e * e;
    s.weight += double(w[i]) * double(w[i]);
  }
  return s;
}
double ratio(const std::vector<Sums>& parts) {
  Sums all;
  for (const Sums& s : parts) {
    all.error += s.error;
    all.weight += s.weight;
  }
  return all.weight > 0.0 ? std::sqrt(all.error / all.weight) : 0.0;
}

// body(piece, first row, n rows) for every piece.
template <typename Body>
void for_each_piece(ThreadPool& pool, std::int64_t rows, const Body& body) {
  pool.parallel_for((rows + kRows - 1) / kRows, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) body(p, p * kRows, std::min(kRows, rows - p * kRows));
  });
}

Status check_finite(const std::string& name, std::span<const float> values, std::int64_t first_row, std::int64_t cols) {
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i])) {
      const auto at = static_cast<std::int64_t>(i);
      return corrupt("tensor '" + name + "': the weight at row " + std::to_string(first_row + at / cols) + ", column " +
                     std::to_string(at % cols) + " is " + std::to_string(values[i]) + "; weights must be finite");
    }
  return {};
}

Result<Tensor> encode_piece(DType type, std::int64_t n, std::int64_t cols, int groups, bool search,
                            std::span<const float> w) {
  const Shape shape{n, cols};
  if (has_row_scales(type)) {
    const std::size_t group = cols / groups;
    std::vector<float> scales(n * groups);
    for (std::size_t g = 0; g < scales.size(); ++g) {
      const std::span<const float> x = w.subspan(g * group, group);
      scales[g] = search ? search_group_scale(x, bits_of(type)) : absmax_group_scale(x, bits_of(type));
    }
    return encode_rows(type, shape, w, scales);
  }
  if (type != DType::kQ4_0 || !search) return encode(type, shape, w);
  std::vector<float> scales(w.size() / Q4_0Block::kWeights);
  for (std::size_t b = 0; b < scales.size(); ++b)
    scales[b] = search_q4_0_scale(w.subspan(b * Q4_0Block::kWeights, Q4_0Block::kWeights));
  return encode_q4_0_with_scales(shape, w, scales);
}

}  // namespace

Result<EncodedMatrix> encode_matrix(const std::string& name, const TensorView& source, DType type, int groups,
                                    bool search, ThreadPool& pool) {
  const std::int64_t rows = source.rows(), cols = source.cols();
  const auto stride = row_bytes(type, cols);
  if (!stride || (has_row_scales(type) && cols % groups != 0))
    return unsupported("tensor '" + name + "': rows of " + std::to_string(cols) + " cannot be " +
                       std::string(info(type).name) + " in " + std::to_string(groups) + " group(s)");
  EncodedMatrix out{Tensor::zeros(type, source.shape)};
  if (has_row_scales(type)) out.tensor.row_scales.resize(rows * groups);
  const std::int64_t n_pieces = (rows + kRows - 1) / kRows;
  std::vector<Sums> sums(n_pieces);
  std::vector<Status> statuses(n_pieces);
  for_each_piece(pool, rows, [&](std::int64_t piece, std::int64_t first, std::int64_t n) {
    std::vector<float> w(n * cols), decoded(n * cols);
    decode_rows(source, first, n, w);
    statuses[piece] = check_finite(name, w, first, cols);
    if (!statuses[piece].ok()) return;
    const Result<Tensor> t = encode_piece(type, n, cols, groups, search, w);
    statuses[piece] = t.status();
    if (!t.ok()) return;
    std::memcpy(out.tensor.bytes.data() + first * *stride, t->bytes.data(), t->bytes.size());
    std::copy(t->row_scales.begin(), t->row_scales.end(), out.tensor.row_scales.begin() + first * groups);
    decode_rows(t->view(), 0, n, decoded);
    sums[piece] = sums_of(w, decoded);
  });
  for (const Status& s : statuses)
    if (!s.ok()) return s.message().starts_with("tensor") ? s : s.with_prefix("tensor '" + name + "'");
  out.relative_error = ratio(sums);
  return out;
}

void quantize_by_search(DType type, std::span<float> w, int cols, std::span<const float> importance,
                        std::span<float> scales, ThreadPool& pool) {
  const std::int64_t rows = static_cast<std::int64_t>(w.size()) / cols;
  const bool blocks = type == DType::kQ4_0;
  const int group = blocks ? Q4_0Block::kWeights : cols, n_groups = cols / group;
  FACET_CHECK(importance.empty() || importance.size() == static_cast<std::size_t>(cols), "one importance per column");
  FACET_CHECK(scales.size() == static_cast<std::size_t>(rows * n_groups), "a scale per row or block");
  for_each_piece(pool, rows, [&](std::int64_t, std::int64_t first, std::int64_t n) {
    std::vector<float> o(importance.begin(), importance.end());
    for (std::int64_t r = first; r < first + n; ++r) {
      const std::span<float> row = w.subspan(r * cols, cols);
      if (blocks && !importance.empty()) {
        double squares = 0.0;
        for (float v : row) squares += double(v) * v;
        for (int j = 0; j < cols; ++j)
          o[j] = importance[j] * static_cast<float>(std::sqrt(squares / cols + double(row[j]) * row[j]));
      }
      for (int g = 0; g < n_groups; ++g) {
        const std::span<float> x = row.subspan(g * group, group);
        const auto weights =
            std::span<const float>(o).subspan(importance.empty() ? 0 : g * group, importance.empty() ? 0 : group);
        float& scale = scales[r * n_groups + g];
        if (blocks) {
          scale = search_q4_0_scale(x, weights);
          FACET_CHECK(fake_quantize_q4_0_learned(x, std::span(&scale, 1), x).ok(), "finite weights and scale");
        } else {
          scale = search_group_scale(x, bits_of(type), weights);
          fake_quantize_group(x, scale, bits_of(type), x);
        }
      }
    }
  });
}

double relative_error(const TensorView& source, std::span<const float> values, ThreadPool& pool) {
  const std::int64_t rows = source.rows(), cols = source.cols();
  std::vector<Sums> sums((rows + kRows - 1) / kRows);
  for_each_piece(pool, rows, [&](std::int64_t piece, std::int64_t first, std::int64_t n) {
    std::vector<float> w(n * cols);
    decode_rows(source, first, n, w);
    sums[piece] = sums_of(w, values.subspan(first * cols, n * cols));
  });
  return ratio(sums);
}

Result<Tensor> decode_finite(const std::string& name, const TensorView& source) {
  Tensor t = decode(source);
  FACET_TRY(check_finite(name, t.floats(), 0, source.cols()));
  return t;
}

}  // namespace facet
