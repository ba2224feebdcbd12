// gguf_keys.h: names that the GGUF reader and writer must agree on.  Law: docs/model/checkpoints.md.
#pragma once

#include <string>

namespace facet {

// "block_count" -> "gemma4.block_count".
inline std::string gguf_key(const char* name) { return std::string("gemma4.") + name; }

inline constexpr const char* kRopeFreqs = "rope_freqs.weight";
// Provenance: every string key with this prefix is Checkpoint::metadata.
inline constexpr const char* kFacetPrefix = "facet.";
// Array of i32: all tokens that end an answer.  GGUF itself has room for two.
inline constexpr const char* kEosList = "facet.eos_token_ids";

}  // namespace facet
