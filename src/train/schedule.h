// schedule.h: the learning rate as a share of its peak.
#pragma once

#include <cstdint>
#include <string>

namespace facet::train {

struct Schedule {
  enum class Kind { kCosine, kWsd, kConstant } kind = Kind::kCosine;
  std::int64_t total_steps = 1;
  std::int64_t warmup_steps = 0;
  double min_ratio = 0;      // reached at the last step (not by kConstant)
  double decay_share = 0.2;  // kWsd: warmup, stable, then linear decay over this share of all steps
};

// "cosine" "wsd" "constant" (validated names).  warmup below 1 is a share of total_steps, else steps; never more than
// all.
Schedule make_schedule(const std::string& name, std::int64_t total_steps, double warmup, double min_ratio,
                       double decay_share);

// step counts from 0.  Warm-up rises linearly to 1 at step warmup_steps - 1 (a first step of 0 would be wasted); the
// decay would reach min_ratio one step after the last, so that no step is wasted there either.
double lr_fraction(const Schedule& schedule, std::int64_t step);

}  // namespace facet::train
