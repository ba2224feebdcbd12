// mobile_config.h: quantization_config of the mobile format ("quant_method": "gemma").  Law: docs/model/checkpoints.md.
#pragma once

#include <map>
#include <optional>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "facet/status.h"

namespace facet {

//   FACET_ASSIGN(std::optional<MobileConfig> mobile, MobileConfig::find(config_json));
//   if (mobile) std::optional<int> bits = mobile->bits_of("model.layers.0.mlp.up_proj");
class MobileConfig {
 public:
  // text: the whole config.json.  nullopt: no quantization_config, or one that names no method (some unquantized
  // repositories hold such a stub).  Another method is kUnsupported: its tensors read as floats would be plausible
  // nonsense.  Bits other than 2, 4 and 8 are kUnsupported, anything malformed kCorrupt.
  static Result<std::optional<MobileConfig>> find(std::string_view text);

  // Bits of a module by its full dotted name: the first pattern found anywhere in the name decides.  0: not converted;
  // nullopt: no pattern matches.
  std::optional<int> bits_of(const std::string& module) const;

 private:
  struct Kept {           // an entry of modules_to_not_convert; matches as transformers does:
    std::string literal;  // the end of a name, literally,
    std::regex pattern;   // or its beginning, as a pattern
  };
  struct Rule {
    std::regex pattern;
    int bits;
  };
  std::vector<Kept> kept_;
  std::vector<Rule> rules_;
};

// The JSON object for modules with the given bits (0 = float), by full name.  Every pattern matches the modules it was
// made for and no others, so that any reader's order of trying them gives each module its bits.  kept: begins of full
// names of further modules that stay float.
std::string to_quantization_config(const std::map<std::string, int>& bits_by_module, std::set<std::string> kept = {});

}  // namespace facet
