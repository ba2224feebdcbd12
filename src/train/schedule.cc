#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace facet::train {

Schedule make_schedule(const std::string& name, std::int64_t total_steps, double warmup, double min_ratio,
                       double decay_share) {
  Schedule schedule;
  schedule.kind = name == "wsd"        ? Schedule::Kind::kWsd
                  : name == "constant" ? Schedule::Kind::kConstant
                                       : Schedule::Kind::kCosine;
  schedule.total_steps = std::max<std::int64_t>(1, total_steps);
  double steps = warmup < 1 ? warmup * static_cast<double>(schedule.total_steps) : warmup;
  schedule.warmup_steps = std::min(schedule.total_steps, static_cast<std::int64_t>(std::llround(steps)));
  schedule.min_ratio = min_ratio;
  schedule.decay_share = decay_share;
  return schedule;
}

double lr_fraction(const Schedule& s, std::int64_t step) {
  if (step < s.warmup_steps) return static_cast<double>(step + 1) / static_cast<double>(s.warmup_steps);
  double total = static_cast<double>(s.total_steps), at = std::min(static_cast<double>(step), total);
  double begin = static_cast<double>(s.warmup_steps);
  switch (s.kind) {
    case Schedule::Kind::kConstant:
      return 1;
    case Schedule::Kind::kCosine: {
      double x = total > begin ? (at - begin) / (total - begin) : 1;
      return s.min_ratio + (1 - s.min_ratio) * 0.5 * (1 + std::cos(std::numbers::pi * x));
    }
    case Schedule::Kind::kWsd: {
      double start = std::max(begin, total * (1 - s.decay_share));
      if (at < start) return 1;
      double x = total > start ? (at - start) / (total - start) : 1;
      return 1 - (1 - s.min_ratio) * x;
    }
  }
  return 1;
}

}  // namespace facet::train
