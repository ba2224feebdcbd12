// model_output.h: the models a run leaves behind: the float weights as a Hugging Face folder, and the deployed form.
#pragma once

#include <string>

#include "facet/status.h"
#include "model/companions.h"
#include "text/tokenizer.h"
#include "train/graph.h"
#include "train/train_config.h"
#include "train/train_hooks.h"

namespace facet::train {

// Where the model called `name` ("best", "last") of a run lies.
std::string model_path(const TrainConfig& config, const std::string& name);
std::string deployed_path(const TrainConfig& config, const std::string& name);  // the same path when the scheme is none

// Writes both, replacing earlier ones as a whole.
Status save_model(const TrainConfig& config, const std::string& name, std::int64_t step, const Graph& graph,
                  const TrainHooks& hooks, const Tokenizer& tokenizer, const Companions& beside);

// Puts the folder `fresh` in the place of `path`: in one step where the file system can exchange two names, else with a
// moment without `path`.
Status replace_folder(const std::string& fresh, const std::string& path);

}  // namespace facet::train
