#include "model/mobile_config.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <regex>
#include <set>

namespace facet {

using nlohmann::ordered_json;

Result<MobileConfig> find_mobile_config(std::string_view text) {
  ordered_json root = ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!root.is_object()) return corrupt("config.json: not a JSON object");
  if (!root.contains("quantization_config") || !root["quantization_config"].is_object()) return MobileConfig{};
  const ordered_json& q = root["quantization_config"];
  if (!q.contains("quant_method")) return MobileConfig{};
  if (q["quant_method"] != "gemma")
    return unsupported("config.json: quant_method is " + q["quant_method"].dump().substr(0, 60) +
                       ", this build reads \"gemma\" (the mobile format) and unquantized folders");
  return MobileConfig{true, q.dump()};
}

Result<int> bits_of_module(const MobileConfig& config, const std::string& full_name) {
  // Parsing again per module would be quadratic in the size of the config; the last one is kept per thread.
  thread_local std::string cached_text;
  thread_local std::vector<std::pair<std::regex, int>> rules;
  if (cached_text != config.json) {
    rules.clear();
    cached_text.clear();
    ordered_json q = ordered_json::parse(config.json, nullptr, false);
    try {
      if (q.contains("modules_to_not_convert") && q["modules_to_not_convert"].is_array())
        for (const auto& name : q["modules_to_not_convert"])
          if (name.is_string()) rules.emplace_back(std::regex(name.get<std::string>()), 0);
      if (q.contains("module_quant_configs") && q["module_quant_configs"].is_object())
        for (const auto& [pattern, value] : q["module_quant_configs"].items()) {
          if (!value.is_object() || !value.contains("num_bits") || !value["num_bits"].is_number_integer())
            return corrupt("config.json: module_quant_configs '" + pattern + "' has no num_bits");
          int bits = value["num_bits"].get<int>();
          if (bits != 2 && bits != 4 && bits != 8)
            return unsupported(fmt::format("config.json: module_quant_configs '{}' asks for {} bits", pattern, bits));
          rules.emplace_back(std::regex(pattern), bits);
        }
    } catch (const std::regex_error&) {
      return corrupt("config.json: a pattern of quantization_config is not a regular expression");
    }
    cached_text = config.json;
  }
  for (const auto& [pattern, bits] : rules)
    if (std::regex_search(full_name, pattern)) return bits;
  return -1;
}

std::string make_mobile_config(const std::map<std::string, int>& bits_by_full_name) {
  // Each module's dotted name with its numbers turned into \d+; where modules of one shape differ in bits, the exact
  // names.
  auto escape = [](const std::string& name, bool generalize) {
    std::string out = "^";
    for (std::size_t i = 0; i < name.size(); ++i) {
      bool digit = std::isdigit(static_cast<unsigned char>(name[i])) != 0;
      if (generalize && digit && name[i - 1] == '.') {
        while (i + 1 < name.size() && std::isdigit(static_cast<unsigned char>(name[i + 1]))) ++i;
        out += "\\d+";
      } else if (name[i] == '.') {
        out += "\\.";
      } else {
        out += name[i];
      }
    }
    return out + "$";
  };
  std::map<std::string, std::set<int>> shapes;
  for (const auto& [name, bits] : bits_by_full_name) shapes[escape(name, true)].insert(bits);
  std::map<std::string, int> patterns;
  std::set<std::string> not_converted;
  for (const auto& [name, bits] : bits_by_full_name) {
    std::string general = escape(name, true), pattern = shapes[general].size() == 1 ? general : escape(name, false);
    if (bits == 0)
      not_converted.insert(pattern);
    else
      patterns[pattern] = bits;
  }
  ordered_json q = {{"quant_method", "gemma"},
                    {"num_bits", 4},
                    {"quantize_embeddings", true},
                    {"module_quant_configs", ordered_json::object()},
                    {"modules_to_not_convert", not_converted}};
  for (const auto& [pattern, bits] : patterns) q["module_quant_configs"][pattern] = {{"num_bits", bits}};
  return q.dump();
}

}  // namespace facet
