// gguf_load.h: a GGUF file -> Checkpoint and Tokenizer; load_checkpoint() (checkpoint.h) is the door.
#pragma once

#include <string>

#include "model/checkpoint.h"

namespace facet {

Result<Checkpoint> load_gguf(const std::string& path);
Result<Tokenizer> load_gguf_tokenizer(const std::string& path);

}  // namespace facet
