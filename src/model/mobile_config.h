// mobile_config.h: the quantization_config of the mobile format ("quant_method": "gemma"; docs/formats/mobile.md).
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "facet/status.h"

namespace facet {

struct MobileConfig {
  bool present = false;  // false: config.json names no quantization
  std::string json;      // the object's text, for bits_of_module
};

// text: the whole config.json.  A quantization_config of another method is kUnsupported: reading it as something else
// would give plausible nonsense.  One without quant_method counts as absent.
Result<MobileConfig> find_mobile_config(std::string_view text);

// Bits of a module by the config's ordered patterns (searched in the full dotted name); 0 = not converted, -1 = no
// pattern matches.
Result<int> bits_of_module(const MobileConfig& config, const std::string& full_name);

// The object for modules with the given bits (0 = float): patterns are written so that the first match in byte order of
// the patterns gives every module its bits.
std::string make_mobile_config(const std::map<std::string, int>& bits_by_full_name);

}  // namespace facet
