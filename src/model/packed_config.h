// packed_config.h: quantization_config of compressed-tensors' 4-bit weights ("w4a16").  Law: docs/model/checkpoints.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "facet/status.h"

namespace facet {

// Whether a config.json (the whole text) says that linears are packed: 4-bit integers, symmetric, each group of columns
// with a scale, activations float.  Which linears and what groups, their tensors tell.  False: another method, or none.
// kUnsupported: compressed-tensors of another kind (other bits, zero points, activations, reordered columns), which
// would read as plausible nonsense; kCorrupt: malformed.
Result<bool> is_packed(std::string_view text);

// The JSON object for linears packed in groups of `group` columns.  ignored: full names of the modules that are not.
std::string to_packed_config(int group, const std::vector<std::string>& ignored);

}  // namespace facet
