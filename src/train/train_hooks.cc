#include "train/train_hooks.h"

#include "train/graph.h"

namespace facet::train {

Result<Checkpoint> FloatHooks::export_checkpoint(const Graph& graph) const { return graph.to_checkpoint(); }

}  // namespace facet::train
