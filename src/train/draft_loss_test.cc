#include "train/draft_loss.h"

#include "base/atomic_file.h"
#include "model/drafter.h"
#include "quant/codec.h"
#include "train/trainer_test.h"

namespace facet::train {
namespace {

using torch::Tensor;

Tensor random_tokens(std::int64_t rows, std::int64_t n, std::uint64_t seed) {
  Rng rng(seed, 3);
  Tensor out = torch::empty({rows, n}, torch::kInt64);
  for (std::int64_t i = 0; i < out.numel(); ++i) out.data_ptr<std::int64_t>()[i] = 10 + rng.below(300);
  return out;
}

struct Pair {
  Graph target = Graph::initialize(tiny_model(), 1, {});
  Graph drafter = Graph::initialize(drafter_for(tiny_model(), 16, 24, 0), 2, {});
  GraphHooks hooks;
  Tensor tokens = random_tokens(2, 16, 2), labels = random_tokens(2, 16, 3);
  Pair() {
    for (auto& [name, value] : target.parameters()) value.set_requires_grad(false);
  }
  // Log chances of step i's rows: the drafter's and the target's.
  std::vector<std::pair<Tensor, Tensor>> chances(int n_steps) {
    const TargetStates states = target_states(target, tokens);
    std::vector<std::pair<Tensor, Tensor>> out;
    const auto z = draft_steps(drafter, hooks, states, n_steps);
    for (int i = 0; i < n_steps; ++i)
      out.emplace_back(torch::log_softmax(drafter.logits(z[static_cast<std::size_t>(i)], hooks), -1),
                       torch::log_softmax(target.logits(states.hidden.slice(1, 1 + i), hooks), -1));
    return out;
  }
};

TEST(DraftLoss, IsTheWeightedMeanOfSteps) {
  Pair p;
  const DraftLossOptions options{.n_steps = 3, .decay = 0.5, .loss = {.ce_weight = 1, .kl_weight = 1}};
  const LossResult all = draft_loss(p.drafter, p.hooks, p.target, p.tokens, p.labels, options);
  double expected = 0;
  const auto chances = p.chances(3);
  for (int i = 0; i < 3; ++i) {
    const auto& [q, other] = chances[static_cast<std::size_t>(i)];
    const Tensor ce = -q.gather(-1, p.labels.slice(1, 1 + i).unsqueeze(-1)).sum();
    const Tensor kl = (other.exp() * (other - q)).sum();
    expected += std::pow(0.5, i) / 1.75 * (ce + kl).item<double>() / double(2 * (15 - i));
  }
  EXPECT_EQ(all.n_tokens, 2 * 15);
  EXPECT_NEAR(all.loss.item<double>() / double(all.n_tokens), expected, 1e-4 * expected);
  EXPECT_EQ(all.accepted_sum, 0) << "nobody asked";
}

TEST(DraftLoss, GradientsReachEveryWeightAndNoneOfTheTarget) {
  Pair p;
  draft_loss(p.drafter, p.hooks, p.target, p.tokens, p.labels,
             {.n_steps = 2, .decay = 0.8, .loss = {.ce_weight = 0, .kl_weight = 1}})
      .loss.backward();
  for (const auto& [name, value] : p.drafter.parameters()) {
    ASSERT_TRUE(value.grad().defined()) << name;
    EXPECT_GT(value.grad().abs().sum().item<double>(), 0) << name;
  }
  for (const auto& [name, value] : p.target.parameters()) EXPECT_FALSE(value.grad().defined()) << name;
}

// Against the whole product chain by autograd.
TEST(DraftLoss, LengthHasTheValueAndTheGradientOfItsFormula) {
  for (Overlap overlap : {Overlap::kBest, Overlap::kShared}) {
    Pair p;
    DraftLossOptions options{.n_steps = 3, .goal = DraftGoal::kLength, .loss = {.ce_weight = 0, .kl_weight = 1}};
    options.loss.overlap = overlap;
    const LossResult r = draft_loss(p.drafter, p.hooks, p.target, p.tokens, p.labels, options);
    r.loss.backward();
    std::map<std::string, Tensor> got;
    for (auto& [name, value] : p.drafter.parameters()) {
      got[name] = value.grad().clone();
      value.mutable_grad() = Tensor();
    }

    Tensor all = torch::ones({2, 15}), length = torch::ones({2, 15});
    for (const auto& [q, other] : p.chances(3)) {
      Tensor right = overlap == Overlap::kShared ? torch::minimum(q.exp(), other.exp()).sum(-1)
                                                 : q.exp().gather(-1, other.argmax(-1, /*keepdim=*/true)).squeeze(-1);
      all = all * torch::constant_pad_nd(right, {0, 15 - right.size(1)});
      length = length + all;
    }
    const double value = length.sum().item<double>();
    EXPECT_NEAR(r.loss.item<double>(), -value, 1e-5 * value);
    EXPECT_NEAR(r.accepted_sum, value - 30, 1e-4 * (value - 30));
    (-length.sum()).backward();
    double largest = 0;
    for (auto& [name, parameter] : p.drafter.parameters())
      largest = std::max(largest, parameter.grad().abs().max().item<double>());
    for (auto& [name, parameter] : p.drafter.parameters()) {
      // The scalar before the last norm has no gradient but roundings.
      const double scale = parameter.grad().abs().max().item<double>() + 1e-3 * largest;
      EXPECT_LT((got[name] - parameter.grad()).abs().max().item<double>(), 1e-3 * scale) << name;
    }
  }
}

TEST(DraftLoss, ClustersFollowTheirTokens) {
  Pair p;
  Checkpoint checkpoint = p.drafter.to_checkpoint();
  GemmaConfig& c = checkpoint.config;
  c.n_clusters = 16;
  c.n_clusters_used = 2;
  checkpoint.token_ordering = random_token_ordering(c, 9);
  checkpoint.set(kCentroidsName, decode(random_checkpoint(c, 4).tensors.at(kCentroidsName)));
  Graph ordered = *Graph::from_checkpoint(checkpoint, {});
  EXPECT_EQ(ordered.to_checkpoint().token_ordering, checkpoint.token_ordering);
  p.labels[0][7] = kNoLabel;
  const LossResult r =
      draft_loss(ordered, p.hooks, p.target, p.tokens, p.labels,
                 {.n_steps = 2, .decay = 1, .goal = DraftGoal::kClusters, .loss = {.ce_weight = 0.5, .kl_weight = 1}});
  r.loss.backward();
  EXPECT_GT(ordered.parameters().at(kCentroidsName).grad().abs().sum().item<double>(), 0);

  const std::int64_t size = c.vocab_size / c.n_clusters;
  std::vector<std::int64_t> cluster_of(static_cast<std::size_t>(c.vocab_size));
  for (std::size_t i = 0; i < cluster_of.size(); ++i)
    cluster_of[static_cast<std::size_t>(checkpoint.token_ordering[i])] = static_cast<std::int64_t>(i) / size;
  const TargetStates states = target_states(p.target, p.tokens);
  const auto z = draft_steps(ordered, p.hooks, states, 2);
  double expected = 0;
  for (int i = 0; i < 2; ++i) {
    const Tensor q =
        torch::log_softmax(torch::matmul(z[static_cast<std::size_t>(i)], centroids(ordered, p.hooks).t()), -1);
    const Tensor chances = torch::softmax(p.target.logits(states.hidden.slice(1, 1 + i), p.hooks), -1);
    const Tensor cluster = torch::tensor(cluster_of, torch::kInt64).expand(chances.sizes());
    const Tensor mass = torch::zeros(q.sizes()).scatter_add(-1, cluster, chances);
    double sum = 0;
    int n = 0;
    for (std::int64_t b = 0; b < 2; ++b)
      for (std::int64_t row = 0; row < q.size(1); ++row) {
        const std::int64_t label = p.labels[b][row + 1 + i].item<std::int64_t>();
        if (label == kNoLabel) continue;
        ++n;
        const Tensor m = mass[b][row], l = q[b][row];
        sum += (m * (m.log() - l)).sum().item<double>() -
               0.5 * l[cluster_of[static_cast<std::size_t>(label)]].item<double>();
      }
    expected += 0.5 * sum / n;
  }
  EXPECT_NEAR(r.loss.item<double>() / double(r.n_tokens), expected, 1e-4 * std::abs(expected));

  // What the head would draft is the best token of the best two clusters.
  const Tensor rows = z[0].detach().reshape({-1, 16});
  const Tensor drafts = draft_tokens(ordered, p.hooks, rows);
  const Tensor logits = ordered.logits(rows, p.hooks), scores = torch::matmul(rows, centroids(ordered, p.hooks).t());
  int unlike = 0;
  for (std::int64_t r = 0; r < rows.size(0); ++r) {
    const Tensor chosen = std::get<1>(scores[r].topk(2));
    std::int64_t best = -1;
    float most = -1e30f;
    for (std::int64_t t = 0; t < c.vocab_size; ++t) {
      const std::int64_t k = cluster_of[static_cast<std::size_t>(t)];
      if (k != chosen[0].item<std::int64_t>() && k != chosen[1].item<std::int64_t>()) continue;
      if (logits[r][t].item<float>() > most) most = logits[r][t].item<float>(), best = t;
    }
    EXPECT_EQ(drafts[r].item<std::int64_t>(), best) << r;
    unlike += best != logits[r].argmax().item<std::int64_t>();
  }
  EXPECT_GT(unlike, 0) << "random clusters leave the best token out now and then";
}

}  // namespace
}  // namespace facet::train
