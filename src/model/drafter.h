// drafter.h: the files of drafters: small models that propose tokens for a larger one to check.
// What a drafter is, and what files may hold: docs/model/drafters.md.
#pragma once

#include <string>
#include <string_view>

#include "base/thread_pool.h"
#include "model/checkpoint.h"

namespace facet {

// Whether path holds a drafter: by the model type of its config.json, or the architecture of its GGUF header.
// kNotFound, kCorrupt: nothing that says what it is.
Result<bool> is_drafter(const std::string& path);

//   FACET_ASSIGN(Checkpoint drafter, load_drafter("gemma-4-E2B-it-assistant"));   // or a .gguf file
//   FACET_TRY(check_drafter(drafter.config, model.config));
// A checkpoint whose config is_drafter(), held to the same rules as those of load_checkpoint(); where it has clusters,
// token_ordering is a permutation of the vocabulary.  kUnsupported: an ordinary model; block types of a GGUF other than
// those with decoders.  kNotFound, kCorrupt: as load_checkpoint().
Result<Checkpoint> load_drafter(const std::string& path);

// config.json, generation_config.json, model.safetensors and tokenizer.json in a folder (floats only: kUnsupported
// names the first tensor in blocks), or one .gguf file, by the path's ending.  Matrices without bytes come from
// `stream`.
Status save_drafter(const std::string& path, const Checkpoint& drafter, const Tokenizer& tokenizer,
                    const TensorStream& stream = {});

// The layer of a model whose keys and values drafter layers of a kind read: its last one of that kind that owns a
// cache. -1: there is none.
int drafter_donor(const GemmaConfig& target, LayerKind kind);

// Whether a drafter of this config can draft for that model: width, vocabulary, and for each kind of layer a donor with
// its head size, key/value heads, window and RoPE.  kUnsupported says what differs.
Status check_drafter(const GemmaConfig& drafter, const GemmaConfig& target);

// Leaves out the clusters of a drafter, as readers do that know none: its head is over all tokens then.
void drop_clusters(Checkpoint& drafter);

// Every matrix in `type` (F32, F16, BF16, Q8_0 or Q4_0); vectors as they are, but BF16 where that loses nothing.  Q4_0
// blocks are recovered where the floats lie on their grid (quant/grid.h), else rounded by the plain rule: a drafter
// only proposes.  A matrix that has the type already is shared, not copied.  kCorrupt: a weight is not finite;
// kInvalidArgument: rows that do not fit the type.
Result<Checkpoint> convert_drafter(const Checkpoint& drafter, DType type, ThreadPool& pool);

// Seeded random orderings, as random_checkpoint() makes weights.
std::vector<int> random_token_ordering(const GemmaConfig& config, std::uint64_t seed);

}  // namespace facet
