// gguf_keys.h: names that the GGUF reader and writer must agree on.  Law: docs/model/checkpoints.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace facet {

inline constexpr std::string_view kArchitecture = "gemma4", kDrafterArchitecture = "gemma4-assistant";
// "block_count" -> "gemma4.block_count".
inline std::string gguf_key(const char* name) { return std::string(kArchitecture) + "." + name; }

inline constexpr const char* kRopeFreqs = "rope_freqs.weight";
// Provenance: every string key with this prefix is Checkpoint::metadata.
inline constexpr const char* kFacetPrefix = "facet.";
// Array of i32: all tokens that end an answer.  GGUF itself has room for two.
inline constexpr const char* kEosList = "facet.eos_token_ids";

// Drafters with clusters: their centroids, and the tokens cluster after cluster (I32 [V], or I64).
inline constexpr const char* kCentroids = "masked_embd_centroids.weight";
inline constexpr const char* kOrdering = "masked_embd_ordering";
inline constexpr std::uint32_t kGgmlI32 = 26, kGgmlI64 = 27;
// u32: clusters whose tokens get logits.  Absent: 32, as in all releases.
inline constexpr const char* kClustersUsed = "facet.clusters_used";

}  // namespace facet
