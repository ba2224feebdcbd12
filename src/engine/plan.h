// plan.h: how many bytes a model needs, before it is run.
#pragma once

#include <cstdint>

#include "engine/model.h"
#include "engine/session.h"

namespace facet {

// Bytes of a matrix, its row scales included.
std::uint64_t byte_size(const Linear& weight);
// Bytes of weights that one generated token reads: every matrix, but of experts only the chosen share and of tables one
// row.  Over a machine's memory bandwidth this is the least time that a token can take.
std::uint64_t weight_bytes_per_token(const Model& model);
// Bytes of keys and values that the token at `position` reads.  options: settled, as Session::options() gives them.
std::uint64_t cache_bytes_per_token(const Model& model, const SessionOptions& options, int position);

}  // namespace facet
