// header_json.h: the two JSON texts of the safetensors world, read as a stream of events into plain lists.  No tree of
// JSON values is built, so hostile nesting costs nothing and memory stays within a few times the text.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "facet/status.h"
#include "formats/safetensors/safetensors.h"

namespace facet {

// One tensor as the header tells it; offsets count from the start of the data.
struct HeaderEntry {
  std::string name;
  SafetensorsType type = SafetensorsType::kU8;
  Shape shape;
  std::uint64_t begin = 0, end = 0;
};
struct SafetensorsHeader {
  std::vector<HeaderEntry> entries;
  std::map<std::string, std::string> metadata;
};
// {"__metadata__": {string: string}, name: {"dtype": string, "shape": [n...], "data_offsets": [begin, end]}, ...},
// nothing else and nothing twice (the names of tensors excepted: the caller sorts them anyway).  Messages begin with
// what is wrong.
Result<SafetensorsHeader> parse_safetensors_header(std::string_view json);

// {"metadata": anything, "weight_map": {tensor: file}} -> pairs in the order of the text.  File names are plain: no
// folder.
Result<std::vector<std::pair<std::string, std::string>>> parse_shard_index(std::string_view json);

}  // namespace facet
