// hf_load.h: a Hugging Face folder -> Checkpoint; load_checkpoint() (checkpoint.h) is the door.
#pragma once

#include <string>

#include "model/checkpoint.h"

namespace facet {

Result<Checkpoint> load_hf(const std::string& folder);

}  // namespace facet
