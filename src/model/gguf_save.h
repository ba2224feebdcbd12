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
// F32 [C/2] of global layers, the inverse of what the reader makes of it: the factor for pairs that rotate, "never" for
// the others.
Tensor gguf_rope_divisors(const GemmaConfig& config);
// Vectors and routers are F32 in every file: llama.cpp computes with them as such.
bool is_gguf_f32(const TensorSpec& spec);

}  // namespace facet
