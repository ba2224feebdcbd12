#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace facet {
namespace {

// Everything off: the plain softmax.
SamplerOptions plain() {
  SamplerOptions o;
  o.top_k = 0;
  o.top_p = 1.0f;
  return o;
}

std::vector<int> tokens_of(std::span<const Candidate> candidates) {
  std::vector<int> out;
  for (const Candidate& c : candidates) out.push_back(c.token);
  return out;
}

std::vector<int> kept(const SamplerOptions& options, const std::vector<float>& logits,
                      const std::vector<int>& history = {}) {
  Sampler sampler = *Sampler::create(options, static_cast<int>(logits.size()));
  return tokens_of(*sampler.distribution(logits, history));
}

// logits whose softmax is the given distribution
std::vector<float> log_of(const std::vector<double>& p) {
  std::vector<float> out;
  for (double v : p) out.push_back(static_cast<float>(std::log(v)));
  return out;
}

TEST(Sampler, GreedyTakesTheLowestOfEqualLogits) {
  SamplerOptions o;
  o.temperature = 0;
  Sampler sampler = *Sampler::create(o, 5);
  EXPECT_EQ(*sampler.sample(std::vector<float>{1, 3, 3, 2, 3}, {}, 0), 1);
  EXPECT_EQ(*sampler.sample(std::vector<float>{-INFINITY, -7, -8, -9, -7}, {}, 9), 1);
}

TEST(Sampler, FiltersKeepWhatTheyName) {
  const std::vector<float> logits = log_of({0.05, 0.4, 0.1, 0.25, 0.2});
  EXPECT_EQ(kept(plain(), logits), (std::vector<int>{1, 3, 4, 2, 0}));
  SamplerOptions o = plain();
  o.top_k = 2;
  EXPECT_EQ(kept(o, logits), (std::vector<int>{1, 3}));
  o = plain();
  o.top_p = 0.6f;  // 0.4 is not enough, 0.65 is
  EXPECT_EQ(kept(o, logits), (std::vector<int>{1, 3}));
  o.top_p = 1e-6f;  // one always stays
  EXPECT_EQ(kept(o, logits), (std::vector<int>{1}));
  o = plain();
  o.min_p = 0.45f;  // at least 0.18
  EXPECT_EQ(kept(o, logits), (std::vector<int>{1, 3, 4}));
  o = plain();
  o.top_k = 3;
  o.top_p = 0.7f;  // of what top_k left: 0.4 / 0.85 = 0.47, then 0.76
  EXPECT_EQ(kept(o, logits), (std::vector<int>{1, 3}));
}

TEST(Sampler, TopPAndMinPLookAtProbabilitiesBeforeTemperature) {
  const std::vector<float> logits = log_of({0.05, 0.4, 0.1, 0.25, 0.2});
  SamplerOptions o = plain();
  o.top_p = 0.6f;
  o.temperature = 100.0f;
  EXPECT_EQ(kept(o, logits), (std::vector<int>{1, 3}));
  Sampler sampler = *Sampler::create(o, 5);
  EXPECT_NEAR((*sampler.distribution(logits, {}))[0].probability, 0.5, 0.01);
}

TEST(Sampler, RepetitionPenaltyReachesOnlyTheWindow) {
  SamplerOptions o = plain();
  o.temperature = 0;
  o.repeat_penalty = 2.0f;
  o.repeat_last_n = 2;
  const std::vector<float> logits{4, 3, -1, 1.5f};
  EXPECT_EQ(kept(o, logits, {0, 2, 3}), (std::vector<int>{0}));  // token 0 is three back
  EXPECT_EQ(kept(o, logits, {3, 0}), (std::vector<int>{1}));     // 4 / 2 < 3
  o.repeat_last_n = -1;
  EXPECT_EQ(kept(o, logits, {0, 2, 3}), (std::vector<int>{1}));
  o.repeat_last_n = 0;
  EXPECT_EQ(kept(o, logits, {0, 0, 0}), (std::vector<int>{0}));
  o = plain();
  o.repeat_penalty = 2.0f;
  Sampler sampler = *Sampler::create(o, 4);
  auto all = *sampler.distribution(logits, std::vector<int>{2, 2});
  EXPECT_EQ(all.back().token, 2);
  EXPECT_EQ(all.back().logit, -2.0f);  // negative logits are multiplied, and once only
}

TEST(Sampler, SuppressedTokensNeverCome) {
  SamplerOptions o = plain();
  Sampler sampler = *Sampler::create(o, 3, std::vector<int>{1});
  for (int i = 0; i < 200; ++i) EXPECT_NE(*sampler.sample(std::vector<float>{0, 50, 0}, {}, i), 1);
}

TEST(Sampler, DrawsFollowTheDistribution) {
  const std::vector<double> p{0.02, 0.35, 0.08, 0.3, 0.25};
  const std::vector<float> logits = log_of(p);
  constexpr int kDraws = 20000;
  for (double temperature : {1.0, 0.5, 2.0}) {
    SamplerOptions o = plain();
    o.temperature = static_cast<float>(temperature);
    o.seed = 42;
    Sampler sampler = *Sampler::create(o, 5);
    std::vector<double> expected;
    double sum = 0;
    for (double v : p) sum += expected.emplace_back(std::pow(v, 1 / temperature));
    std::vector<int> counts(5);
    for (int i = 0; i < kDraws; ++i) ++counts[*sampler.sample(logits, {}, i)];
    double chi_square = 0;
    for (int i = 0; i < 5; ++i) {
      const double e = expected[i] / sum * kDraws;
      chi_square += (counts[i] - e) * (counts[i] - e) / e;
    }
    EXPECT_LT(chi_square, 18.5) << temperature;  // 4 degrees of freedom: exceeded once in a thousand seeds
  }
}

TEST(Sampler, ADrawDependsOnSeedAndPositionAlone) {
  const std::vector<float> logits(50, 0.0f);
  SamplerOptions o = plain();
  o.seed = 1;
  Sampler a = *Sampler::create(o, 50), b = *Sampler::create(o, 50);
  o.seed = 2;
  Sampler other = *Sampler::create(o, 50);
  std::vector<int> forward, backward(40), different;
  for (int i = 0; i < 40; ++i) forward.push_back(*a.sample(logits, {}, i));
  for (int i = 39; i >= 0; --i) backward[i] = *b.sample(logits, {}, i);
  for (int i = 0; i < 40; ++i) different.push_back(*other.sample(logits, {}, i));
  EXPECT_EQ(forward, backward);
  EXPECT_NE(forward, different);
}

TEST(Sampler, DamagedLogitsAreAnError) {
  Sampler sampler = *Sampler::create({}, 3);
  EXPECT_EQ(sampler.sample(std::vector<float>{1, NAN, 0}, {}, 0).status().code(), Code::kCorrupt);
  const std::vector<float> none(3, -INFINITY);
  EXPECT_EQ(sampler.sample(std::vector<float>{1, INFINITY, 0}, {}, 0).status().code(), Code::kCorrupt);
  EXPECT_EQ(sampler.sample(none, {}, 0).status().code(), Code::kCorrupt);
  EXPECT_TRUE(sampler.sample(std::vector<float>{1, 2, 3}, {}, 0).ok());
}

TEST(Sampler, OptionsOutOfRangeAreNamed) {
  auto message = [](auto set) {
    SamplerOptions o;
    set(o);
    auto sampler = Sampler::create(o, 10);
    return sampler.ok() ? std::string("accepted") : sampler.status().message();
  };
  EXPECT_NE(message([](auto& o) { o.temperature = -1; }).find("temperature"), std::string::npos);
  EXPECT_NE(message([](auto& o) { o.temperature = NAN; }).find("temperature"), std::string::npos);
  EXPECT_NE(message([](auto& o) { o.top_k = -1; }).find("top-k"), std::string::npos);
  EXPECT_NE(message([](auto& o) { o.top_p = 0; }).find("top-p"), std::string::npos);
  EXPECT_NE(message([](auto& o) { o.top_p = 1.5f; }).find("top-p"), std::string::npos);
  EXPECT_NE(message([](auto& o) { o.min_p = -0.1f; }).find("min-p"), std::string::npos);
  EXPECT_NE(message([](auto& o) { o.repeat_penalty = 0; }).find("repeat-penalty"), std::string::npos);
  EXPECT_NE(message([](auto& o) { o.repeat_last_n = -2; }).find("repeat-last-n"), std::string::npos);
  EXPECT_FALSE(Sampler::create({}, 10, std::vector<int>{10}).ok());
}

}  // namespace
}  // namespace facet
