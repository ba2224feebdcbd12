#include "model/packed_config.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/printable.h"

namespace facet {
namespace {

using nlohmann::ordered_json;

Status only(const ordered_json& object, const char* key, const ordered_json& wanted, const std::string& where) {
  const auto found = object.find(key);
  if (found != object.end() && (*found == wanted || (found->is_null() && wanted == false))) return {};
  if (found == object.end() && (wanted.is_null() || wanted == false)) return {};
  const std::string value = found == object.end() ? "missing" : printable(found->dump());
  return unsupported(fmt::format("config.json: {}: {} is {}, Facet reads {}", where, key, value, wanted.dump()));
}

Status check_group(const ordered_json& group, const std::string& where) {
  if (!group.is_object() || !group.contains("weights") || !group.at("weights").is_object())
    return corrupt("config.json: " + where + " has no weights");
  const ordered_json& weights = group.at("weights");
  FACET_TRY(only(weights, "num_bits", 4, where));
  FACET_TRY(only(weights, "type", "int", where));
  FACET_TRY(only(weights, "symmetric", true, where));
  FACET_TRY(only(weights, "strategy", "group", where));
  FACET_TRY(only(weights, "dynamic", false, where));
  FACET_TRY(only(weights, "actorder", nullptr, where));
  FACET_TRY(only(group, "input_activations", nullptr, where));
  return only(group, "output_activations", nullptr, where);
}

}  // namespace

Result<bool> is_packed(std::string_view text) {
  FACET_ASSIGN(const ordered_json root, parse_json(text, "config.json"));
  if (!root.is_object()) return corrupt("config.json: not a JSON object");
  const auto q = root.find("quantization_config");
  if (q == root.end() || !q->is_object() || !q->contains("quant_method") ||
      q->at("quant_method") != "compressed-tensors")
    return false;
  FACET_TRY(only(*q, "format", "pack-quantized", "quantization_config"));
  const auto groups = q->find("config_groups");
  if (groups == q->end() || !groups->is_object() || groups->empty())
    return corrupt("config.json: quantization_config has no config_groups");
  for (const auto& [name, group] : groups->items()) FACET_TRY(check_group(group, printable(name)));
  return true;
}

std::string to_packed_config(int group, const std::vector<std::string>& ignored) {
  const ordered_json weights = {
      {"num_bits", 4},       {"type", "int"},    {"symmetric", true},   {"strategy", "group"},
      {"group_size", group}, {"dynamic", false}, {"actorder", nullptr}, {"observer", "memoryless_minmax"}};
  const ordered_json q = {{"quant_method", "compressed-tensors"},
                          {"format", "pack-quantized"},
                          {"quantization_status", "compressed"},
                          {"config_groups",
                           {{"group_0",
                             {{"targets", {"Linear"}},
                              {"weights", weights},
                              {"input_activations", nullptr},
                              {"output_activations", nullptr},
                              {"format", "pack-quantized"}}}}},
                          {"ignore", ignored},
                          {"kv_cache_scheme", nullptr}};
  return q.dump();
}

}  // namespace facet
