#include "engine/draft_length.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "base/rng.h"

namespace facet {
namespace {

// A drafter and a model that cost and hit as a table says.
struct World {
  std::function<double(int rows)> pass;
  double draft;
  std::function<double(int depth, double tokens)> right;  // chance at this depth, after so many tokens

  double speed_of(int k, double tokens) const {
    double e = 1, all = 1;
    for (int d = 1; d <= k; ++d) e += all *= right(d, tokens);
    return e / (pass(k + 1) + k * draft);
  }
};

struct Course {
  double tokens = 0, seconds = 0;
  std::vector<int> lengths;
  double speed() const { return tokens / seconds; }
};

Course run(const World& world, DraftLength& length, int n_rounds, double tokens_before = 0, std::uint64_t seed = 1) {
  Rng rng(seed);
  Course out;
  for (int i = 0; i < n_rounds; ++i) {
    const int k = length.next();
    int accepted = 0;
    while (accepted < k && rng.uniform() < world.right(accepted + 1, tokens_before + out.tokens)) ++accepted;
    const double noise = 0.95 + 0.1 * rng.uniform(), drafting = k * world.draft, pass = noise * world.pass(k + 1);
    length.record(k, accepted, drafting, pass);
    out.tokens += accepted + 1;
    out.seconds += drafting + pass;
    out.lengths.push_back(k);
  }
  return out;
}

auto same(double chance) {
  return [chance](int, double) { return chance; };
}
auto line(double one, double slope) {
  return [=](int rows) { return one * (1 + slope * (rows - 1)); };
}

TEST(DraftLength, ComesNearTheBestFixedLength) {
  for (double slope : {0.02, 0.15, 0.5})
    for (double draft : {0.02, 0.1, 0.3})
      for (double chance : {0.3, 0.6, 0.9}) {
        const World world{line(1, slope), draft, same(chance)};
        double best = 0;
        for (int k = 0; k <= 7; ++k) best = std::max(best, world.speed_of(k, 0));
        DraftLength length(7);
        EXPECT_GT(run(world, length, 4000).speed(), 0.93 * best) << slope << " " << draft << " " << chance;
      }
}

// Memory-bound up to a few rows, then dearer with each.
TEST(DraftLength, FindsAKnee) {
  const World world{[](int rows) { return rows <= 4 ? 1.0 : 1.0 + 0.8 * (rows - 4); }, 0.05, same(0.85)};
  DraftLength length(7);
  const Course r = run(world, length, 3000);
  EXPECT_GT(std::count(r.lengths.end() - 1000, r.lengths.end(), 3), 900);
}

TEST(DraftLength, NeverHurts) {
  const World useless[] = {
      {line(1, 0.3), 0.1, same(0.0)}, {line(1, 1.0), 0.5, same(0.3)}, {line(1, 0.9), 0.01, same(0.8)}};
  for (const World& world : useless) {
    DraftLength length(7);
    EXPECT_GT(run(world, length, 2000).speed(), 0.98);
    // What the first tries and early probes cost is over by then.
    EXPECT_GT(run(world, length, 2000).speed(), 0.995);
  }
}

// Passes of a few rows cost little more than one, so that it takes many misses to know that nothing is right: what they
// cost together is bounded from the start.
TEST(DraftLength, NeverHurtsShortTexts) {
  for (double chance : {0.0, 0.05, 0.1})
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      DraftLength length(7);
      EXPECT_GT(run({line(1, 0.06), 0.01, same(chance)}, length, 100, 0, seed).speed(), 0.98) << chance << " " << seed;
    }
}

TEST(DraftLength, GoesOffAndOnAgain) {
  // Prose, then code, then prose.
  const World world{line(1, 0.1), 0.1, [](int, double tokens) { return tokens > 3000 && tokens < 90000 ? 0.9 : 0.02; }};
  DraftLength length(7);
  const Course prose = run(world, length, 2500);
  EXPECT_GE(std::count(prose.lengths.end() - 20, prose.lengths.end(), 0), 18);
  const Course code = run(world, length, 3000, 3100, 2);
  EXPECT_GE(std::count_if(code.lengths.end() - 500, code.lengths.end(), [](int k) { return k >= 3; }), 450);
  const Course again = run(world, length, 1000, 100000, 3);
  EXPECT_GE(std::count(again.lengths.end() - 100, again.lengths.end(), 0), 97);
}

TEST(DraftLength, StaysWithinItsBoundAndSaysWhatItKnows) {
  const World world{line(0.060, 0.05), 0.003, same(0.95)};
  for (int n_max : {1, 2, 15}) {
    DraftLength length(n_max);
    for (int k : run(world, length, 500).lengths) EXPECT_TRUE(k >= 0 && k <= n_max);
    const std::string text = length.describe();
    EXPECT_NE(text.find("500 rounds"), std::string::npos) << text;
    EXPECT_NE(text.find("a draft 3.00 ms"), std::string::npos) << text;
    EXPECT_NE(text.find("drafts a round"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace facet
