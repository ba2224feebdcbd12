#include "model/verify.h"

#include <array>
#include <atomic>
#include <cmath>

#include "model/row_pass.h"
#include "model/scheme.h"
#include "quant/grid.h"

namespace facet {

Result<TensorCheck> check_tensor(const Checkpoint& checkpoint, const TensorSpec& spec, ThreadPool& pool) {
  const TensorView& view = checkpoint.tensors.at(spec.name);
  struct Candidate {
    const char* name;
    GridFormat format;
    std::int64_t group;
    std::atomic<std::int64_t> n_on{0};
  };
  const std::int64_t row_group = view.cols() / scale_groups(checkpoint.config, spec);
  // Of equal shares the first wins: a row on one of the former is often on the latter too.
  std::array<Candidate, 4> candidates{{{"int2", row_grid(2), row_group},
                                       {"int4", row_grid(4), row_group},
                                       {"q4_0", kQ4_0Grid, Q4_0Block::kWeights},
                                       {"int8", row_grid(8), row_group}}};
  const bool looks = spec.is_matrix && is_float(view.dtype);
  std::atomic<std::int64_t> n_not_finite{0};
  FACET_TRY(for_rows(
      checkpoint, spec.name, view, pool,
      [&](std::int64_t, std::span<const float> values) {
        n_not_finite += std::ranges::count_if(values, [](float v) { return !std::isfinite(v); });
        if (!looks) return Status();
        for (Candidate& c : candidates) {
          if (c.group <= 0 || view.cols() % c.group != 0) continue;
          std::int64_t n = 0;
          for (std::int64_t at = 0; at < view.cols(); at += c.group)
            n += grid_scale(values.subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(c.group)), view.dtype,
                            c.format)
                     .has_value();
          c.n_on += n;
        }
        return Status();
      },
      [](std::int64_t) { return Status(); }));
  TensorCheck out{n_not_finite, {}};
  double best = 0;
  for (const Candidate& c : candidates) {
    if (!looks || c.n_on == 0) continue;
    const std::int64_t n_groups = view.rows() * (view.cols() / c.group);
    const double share = static_cast<double>(c.n_on) / static_cast<double>(n_groups);
    if (share > best) out.grid = {c.name, c.n_on, n_groups};
    best = std::max(best, share);
  }
  return out;
}

}  // namespace facet
