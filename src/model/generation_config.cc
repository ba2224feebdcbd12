#include "model/generation_config.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "base/json.h"

namespace facet {
namespace {

using nlohmann::ordered_json;

// One id or a list of them.
Status read_tokens(const ordered_json& root, const char* key, std::vector<int>& out) {
  auto found = root.find(key);
  if (found == root.end() || found->is_null()) return {};
  std::vector<int> ids;
  for (const ordered_json& id : found->is_array() ? *found : ordered_json::array({*found})) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() > std::numeric_limits<int>::max())
      return corrupt(std::string("generation_config.json: '") + key + "' is neither a token id nor a list of them");
    ids.push_back(id.get<int>());
  }
  out = std::move(ids);
  return {};
}

}  // namespace

Status apply_generation_config(std::string_view text, GemmaConfig& config) {
  FACET_ASSIGN(const ordered_json root, parse_json(text, "generation_config.json"));
  if (!root.is_object()) return corrupt("generation_config.json: not a JSON object");
  FACET_TRY(read_tokens(root, "eos_token_id", config.eos_tokens));
  FACET_TRY(read_tokens(root, "suppress_tokens", config.suppressed_tokens));
  return config.validate();
}

std::string to_generation_config(const GemmaConfig& c) {
  ordered_json j = {{"bos_token_id", c.bos_token},
                    {"pad_token_id", c.pad_token},
                    {"eos_token_id", c.eos_tokens},
                    {"do_sample", true},
                    {"temperature", 1.0},
                    {"top_k", 64},
                    {"top_p", 0.95}};
  if (!c.suppressed_tokens.empty()) j["suppress_tokens"] = c.suppressed_tokens;
  return j.dump(2) + "\n";
}

}  // namespace facet
