// drafter_setup.h: what a run that trains a drafter is made of (docs/model/drafters.md, "Training").
#pragma once

#include <functional>
#include <string>

#include "facet/status.h"
#include "train/data.h"
#include "train/draft_loss.h"
#include "train/graph.h"
#include "train/train_config.h"
#include "train/trainer.h"

namespace facet::train {

// config.init's drafter, or a fresh one; where config.centroids asks for it, with its head put in order.
Result<Graph> make_drafter(const TrainConfig& config, const GemmaConfig& target, const GraphOptions& options);
// The losses of a run: of every step; in its last steps, of the length; with centroids, of clusters alone.
TrainParts::Objective drafting(const TrainConfig& config);
// With centroids, they alone.
std::function<bool(const std::string&)> drafter_trains(const TrainConfig& config);
// Of the drafter that a run left, on the windows that it was validated with.
Result<DraftAgreement> agreement_of(const std::string& drafter, const TrainConfig& config, const Graph& target,
                                    const TokenStream& text);

// A run with centroids and without init is two: the drafter with a dense head, in the folder dense/ of the output, and
// then the clusters of that drafter.
TrainConfig dense_stage(const TrainConfig& config);
TrainConfig cluster_stage(const TrainConfig& config, const std::string& dense_drafter);

}  // namespace facet::train
