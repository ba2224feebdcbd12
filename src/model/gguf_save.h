// gguf_save.h: what the GGUF writers of models and of drafters have in common.  Law: docs/model/checkpoints.md.
#pragma once

#include <cstdint>

#include "formats/gguf/gguf_writer.h"
#include "model/checkpoint.h"

namespace facet {

// As general.file_type has it: for display only.
std::uint32_t gguf_file_type(const Checkpoint& checkpoint);
// tokenizer.ggml.*; end tokens are the config's.
void add_gguf_tokenizer(GgufWriter& out, const GemmaConfig& config, const Vocabulary& vocabulary);
// The tensors that the config implies, and rope_freqs.  kUnsupported: a type that no GGUF has; path: for that message.
Status add_gguf_tensors(GgufWriter& out, const std::string& path, const Checkpoint& checkpoint);
// Their data, after open(): from the checkpoint, or from `stream` where a view has no bytes.
Status write_gguf_tensors(GgufWriter& out, const Checkpoint& checkpoint, const TensorStream& stream);

}  // namespace facet
