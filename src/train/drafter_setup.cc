#include "train/drafter_setup.h"

#include <algorithm>
#include <filesystem>

#include "model/checkpoint.h"
#include "model/drafter.h"
#include "quant/codec.h"
#include "train/centroids.h"
#include "train/train_state.h"

namespace facet::train {
namespace {

// The drafter with an ordered head: clusters of rows of its table that are near each other.
Status put_in_order(const TrainConfig& config, Checkpoint& drafter) {
  GemmaConfig& c = drafter.config;
  c.n_clusters = config.centroids;
  c.n_clusters_used = config.centroids_used > 0 ? config.centroids_used : std::max(1, config.centroids / 64);
  FACET_TRY(c.validate());
  const facet::Tensor table = decode(drafter.tensors.at("embed_tokens.weight"));
  Clusters clusters = balanced_clusters(table.floats(), c.hidden_size, c.n_clusters, config.seed);
  drafter.token_ordering = std::move(clusters.ordering);
  drafter.set(kCentroidsName, std::move(clusters.means));
  return {};
}

}  // namespace

Result<Graph> make_drafter(const TrainConfig& config, const GemmaConfig& target, const GraphOptions& options) {
  if (config.init.empty()) {
    const GemmaConfig drafter = drafter_for(target, config.drafter_hidden, config.drafter_ffn, config.drafter_heads);
    FACET_TRY(drafter.validate());
    FACET_TRY(check_drafter(drafter, target));
    return Graph::initialize(drafter, config.seed, options);
  }
  FACET_ASSIGN(Checkpoint checkpoint, load_drafter(config.init));
  FACET_TRY(check_drafter(checkpoint.config, target).with_prefix(config.init));
  if (checkpoint.config.n_clusters > 0)
    return unsupported(config.init +
                       ": its head is ordered in clusters; training goes on from heads over all tokens, and puts them "
                       "in order last");
  if (config.centroids > 0) FACET_TRY(put_in_order(config, checkpoint));
  return Graph::from_checkpoint(checkpoint, options);
}

TrainParts::Objective drafting(const TrainConfig& config) {
  DraftLossOptions plain{.n_steps = config.draft_steps, .decay = config.draft_decay, .loss = {}};
  if (config.centroids > 0) plain.goal = DraftGoal::kClusters;
  const Overlap overlap = config.draft_overlap == "best" ? Overlap::kBest : Overlap::kShared;
  const double length_from = 1 - config.draft_length_share;
  return [=](const Graph& student, GraphHooks& hooks, const Graph* teacher, const torch::Tensor& tokens,
             const torch::Tensor& labels, const LossOptions& loss, double progress) {
    DraftLossOptions options = plain;
    options.loss = loss;
    const bool validates = !torch::GradMode::is_enabled();
    if (options.goal != DraftGoal::kClusters) {
      if (!validates && progress >= length_from) options.goal = DraftGoal::kLength;
      if (validates || options.goal == DraftGoal::kLength) options.loss.overlap = overlap;
    }
    return draft_loss(student, hooks, *teacher, tokens, labels, options);
  };
}

std::function<bool(const std::string&)> drafter_trains(const TrainConfig& config) {
  return [clusters = config.centroids > 0](const std::string& name) { return !clusters || name == kCentroidsName; };
}

Result<DraftAgreement> agreement_of(const std::string& drafter, const TrainConfig& config, const Graph& target,
                                    const TokenStream& text) {
  FACET_ASSIGN(const Checkpoint checkpoint, load_drafter(drafter));
  FACET_ASSIGN(const Graph graph, Graph::from_checkpoint(checkpoint, target.options()));
  FACET_ASSIGN(const Windows windows,
               Windows::create(text, config.context, config.window_bos, config.seed, config.valid_text));
  std::int64_t total = windows.n_validation();
  if (config.eval_windows > 0) total = std::min(total, config.eval_windows);
  GraphHooks plain;
  DraftAgreement out;
  for (std::int64_t first = 0; first < total; first += config.batch_size) {
    const Batch batch = windows.validation(first, std::min<std::int64_t>(config.batch_size, total - first), total);
    add_agreement(graph, plain, target, batch.tokens.to(target.options().device), config.draft_steps, out);
  }
  return out;
}

TrainConfig dense_stage(const TrainConfig& config) {
  TrainConfig dense = config;
  dense.centroids = dense.centroids_used = 0;
  dense.centroid_steps = 0;
  dense.output_dir = (std::filesystem::path(config.output_dir) / "dense").string();
  dense.log_file.clear();
  return dense;
}

TrainConfig cluster_stage(const TrainConfig& config, const std::string& dense_drafter) {
  TrainConfig out = config;
  out.init = dense_drafter;
  const auto share = [&](std::int64_t n) { return n > 0 ? std::max<std::int64_t>(1, n / 4) : 0; };
  out.max_tokens = config.centroid_steps > 0 ? 0 : share(config.max_tokens);
  out.max_steps = config.centroid_steps > 0 ? config.centroid_steps : share(config.max_steps);
  // Killed before it was saved once, this stage starts afresh.
  out.resume = config.resume && has_train_state((std::filesystem::path(config.output_dir) / "state").string());
  return out;
}

}  // namespace facet::train
