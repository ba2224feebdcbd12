#include "engine/draft_length.h"

#include <algorithm>
#include <cstdio>

#include "base/check.h"

namespace facet {
namespace {

constexpr double kWorthIt = 1.02;
// Rounds between probes for the pass of one row, while drafting is on.
constexpr int kProbePlain = 64;
// And for the depth behind the chosen one.
constexpr int kProbeDeeper = 16;
// While it is off, probes may cost this share of the time, and are never nearer or further apart than so many rounds.
constexpr double kProbeShare = 0.004;
constexpr int kProbeOften = 16, kProbeSeldom = 1024;
// What the first rounds try, so that there is a line for P, and chances by depth.
constexpr int kFirst[] = {0, 1};
// In passes of one row: what all drafting so far may have lost, what each round adds to that, and how much of what it
// has won it may lose again.
constexpr double kMostLost = 0.35, kLostPerRound = 0.004, kMostKept = 4;
// A pass that took much longer than usual tells of the machine, not of passes.
constexpr double kUsual = 1.5;
// A probe is one of few, and what it says is of now.
constexpr double kTimeWeight = 0.2, kChanceWeight = 0.03, kProbedChanceWeight = 0.1;
constexpr double kPrior = 8;  // observations that a guess is worth
constexpr double kUnknownChance = 0.6, kUnknownSlope = 0.25;

}  // namespace

// The plain mean until it holds 1 / weight values.
void DraftLength::Mean::add(double x, double weight) {
  ++n;
  value += (x - value) * std::max(weight, 1.0 / n);
}

DraftLength::DraftLength(int n_max)
    : n_max_(n_max), pass_(static_cast<std::size_t>(n_max) + 1), right_(static_cast<std::size_t>(n_max)) {
  FACET_CHECK(n_max >= 1, "at least one draft to choose");
}

double DraftLength::pass(int rows) const {
  const Mean& seen = pass_[static_cast<std::size_t>(rows - 1)];
  // More rows take no less time than one, whatever a busy machine measured: drafts that are never right would seem to
  // pay.
  if (seen.n > 0) return std::max(seen.value, pass_[0].value);
  // From the nearest number of rows that was seen, along the steepest line between two of them: too dear rather than
  // too cheap, for what is tried is measured.
  const double one = pass_[0].value;
  double slope = 0;
  int nearest = 1;
  bool any = false;
  for (int m = 2; m <= n_max_ + 1; ++m) {
    const Mean& p = pass_[static_cast<std::size_t>(m - 1)];
    if (p.n == 0) continue;
    any = true;
    slope = std::max(slope, (p.value - one) / (m - 1));
    if (std::abs(m - rows) < std::abs(nearest - rows)) nearest = m;
  }
  if (!any) slope = kUnknownSlope * one;
  return pass_[static_cast<std::size_t>(nearest - 1)].value + slope * (rows - nearest);
}

// Few observations count beside what the depth before suggests: one miss at a depth must not close it for ever.
double DraftLength::right(int depth) const {
  double chance = kUnknownChance;
  for (int d = 1; d <= depth; ++d) {
    const Mean& seen = right_[static_cast<std::size_t>(d - 1)];
    chance = (chance * kPrior + seen.value * seen.n) / (kPrior + seen.n);
  }
  return chance;
}

double DraftLength::speed(int n_drafts) const {
  double tokens = 1, all_right = 1;
  for (int d = 1; d <= n_drafts; ++d) tokens += all_right *= right(d);
  return tokens / (pass(n_drafts + 1) + n_drafts * draft_.value);
}

int DraftLength::best() const {
  int best = 0, tried = n_max_;
  while (tried > 0 && pass_[static_cast<std::size_t>(tried)].n == 0) --tried;
  double most = speed(0) * kWorthIt;
  // No further than one draft more than was ever tried: what noise makes of a line must not cost a pass of many rows.
  for (int k = 1; k <= std::min(n_max_, tried + 1); ++k)
    if (const double s = speed(k); s > most) most = s, best = k;
  return best;
}

int DraftLength::rounds_between_probes() const {
  const double cost = (pass(2) + draft_.value) / pass(1) - 1;  // in rounds without drafts
  return static_cast<int>(std::clamp(cost / kProbeShare, double(kProbeOften), double(kProbeSeldom)));
}

int DraftLength::next() {
  probing_ = false;
  if (rounds_ < static_cast<int>(std::size(kFirst))) return k_ = std::min(kFirst[rounds_], n_max_);
  k_ = won_ < -kMostLost * pass(1) ? 0 : best();
  ++since_probe_;
  if (k_ > 0 && rounds_ % kProbeDeeper == 0) k_ = std::min(k_ + 1, n_max_);
  if (since_probe_ >= (k_ > 0 ? kProbePlain : rounds_between_probes())) {
    probing_ = true;
    since_probe_ = 0;
    k_ = k_ > 0 ? 0 : 1;
  }
  return k_;
}

void DraftLength::record(int n_drafts, int n_accepted, double draft_seconds, double pass_seconds) {
  FACET_CHECK(n_drafts >= 0 && n_drafts <= n_max_ && n_accepted >= 0 && n_accepted <= n_drafts,
              "a round as it was chosen");
  ++rounds_;
  if (pass_[0].n > 0) {
    const double plain = pass_[0].value;
    won_ += kLostPerRound * plain;
    if (n_drafts > 0) won_ += (1 + n_accepted) * plain - draft_seconds - pass_seconds;
    won_ = std::min(won_, kMostKept * plain);
  }
  Mean& pass = pass_[static_cast<std::size_t>(n_drafts)];
  const double usual = pass.n > 0 ? pass.value : pass_[0].n > 0 ? this->pass(n_drafts + 1) : pass_seconds;
  pass.add(std::min(pass_seconds, kUsual * usual), kTimeWeight);
  if (n_drafts > 0) draft_.add(draft_seconds / n_drafts, kTimeWeight);
  for (int d = 1; d <= std::min(n_accepted + 1, n_drafts); ++d)
    right_[static_cast<std::size_t>(d - 1)].add(d <= n_accepted ? 1 : 0,
                                                probing_ ? kProbedChanceWeight : kChanceWeight);
}

std::string DraftLength::describe() const {
  auto format = [](const char* pattern, auto... values) {
    char text[80];
    std::snprintf(text, sizeof text, pattern, values...);
    return std::string(text);
  };
  std::string out = best() > 0 ? format("%d drafts a round", best()) : std::string("drafts off");
  out += format(", %d rounds; a pass of", rounds_);
  const char* before = "";
  for (std::size_t m = 0; m < pass_.size(); ++m) {
    if (pass_[m].n == 0) continue;
    out += before + format(" %zu %s %.2f ms", m + 1, m == 0 ? "row" : "rows", 1e3 * pass_[m].value);
    before = ",";
  }
  out += format("; a draft %.2f ms; right at depth", 1e3 * draft_.value);
  before = "";
  for (std::size_t d = 0; d < right_.size() && right_[d].n > 0; ++d) {
    out += before + format(" %zu: %.0f %%", d + 1, 100 * right_[d].value);
    before = ",";
  }
  return out;
}

}  // namespace facet
