// json.h: a JSON text from a stranger's file as a tree: the only door through which one becomes one.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "facet/status.h"

namespace facet {

//   FACET_ASSIGN(nlohmann::ordered_json root, parse_json(text, "config.json"));
// Members keep their order.  kCorrupt, with `where` in front: not JSON; longer, deeper or with longer strings than
// limits.h allows (copying, printing and destroying a tree recurse); an object that names a key twice, which readers
// disagree about.  Takes n log n, whatever the keys are, and memory of at most some thirty times the text.
Result<nlohmann::ordered_json> parse_json(std::string_view text, std::string_view where);

}  // namespace facet
