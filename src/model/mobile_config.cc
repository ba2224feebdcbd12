#include "model/mobile_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/check.h"
#include "base/json.h"
#include "base/printable.h"

namespace facet {
namespace {

using nlohmann::ordered_json;

// Patterns come from a stranger's file: compiling and matching them must take neither exponential time nor a deep stack
// (std::regex recurses once per term and per group).  Files that exist have a dozen patterns of at most 80 bytes, and
// one lookahead in one of them.
constexpr std::size_t kMaxPatternBytes = 1024;   // of one
constexpr std::size_t kMaxRuleBytes = 16 << 10;  // of all that are searched for, which is quadratic in the name
constexpr std::size_t kMaxKeptBytes = 64 << 10;  // of all names that are kept
constexpr std::size_t kPatternCost = 16;         // a compiled pattern takes memory even when it is empty
constexpr std::size_t kMaxAssertions = 1;        // lookaheads in one: inside each other they are exponential

// libstdc++'s default way of matching is exponential; copying what groups matched is quadratic.
std::regex_constants::syntax_option_type pattern_options() {
#ifdef __GLIBCXX__
  return std::regex::ECMAScript | std::regex::nosubs | std::regex_constants::__polynomial;
#else
  return std::regex::ECMAScript | std::regex::nosubs;
#endif
}

// Counted repetition, which multiplies a pattern, is in no known file.
bool is_tame(const std::string& pattern) {
  std::size_t n_assertions = 0;
  for (std::size_t at = pattern.find("(?"); at != pattern.npos; at = pattern.find("(?", at + 2))
    n_assertions += pattern.compare(at, 3, "(?:") != 0;
  return pattern.size() <= kMaxPatternBytes && pattern.find('{') == pattern.npos && n_assertions <= kMaxAssertions;
}

Result<std::regex> compile(const std::string& pattern, std::size_t& bytes_left) {
  if (is_tame(pattern) && pattern.size() + kPatternCost <= bytes_left) {
    bytes_left -= pattern.size() + kPatternCost;
    try {
      return std::regex(pattern, pattern_options());
    } catch (const std::regex_error&) {
    }
  }
  return corrupt("config.json: quantization_config has a pattern that cannot be used: '" + printable(pattern) + "'");
}

Result<int> read_bits(const ordered_json& object, const std::string& where) {
  if (!object.is_object() || !object.contains("num_bits") || !object.at("num_bits").is_number_integer())
    return corrupt("config.json: " + where + " has no num_bits");
  const ordered_json& bits = object.at("num_bits");
  for (int known : {2, 4, 8})
    if (bits == known) return known;
  return unsupported(
      fmt::format("config.json: {} asks for {} bits, expected 2, 4 or 8", where, printable(bits.dump())));
}

}  // namespace

Result<std::optional<MobileConfig>> MobileConfig::find(std::string_view text) {
  FACET_ASSIGN(const ordered_json root, parse_json(text, "config.json"));
  if (!root.is_object()) return corrupt("config.json: not a JSON object");
  auto found = root.find("quantization_config");
  if (found == root.end() || !found->is_object() || !found->contains("quant_method"))
    return std::optional<MobileConfig>();
  const ordered_json& q = *found;
  if (q.at("quant_method") != "gemma")
    return unsupported(
        "config.json: quant_method is " + printable(q.at("quant_method").dump()) +
        ", Facet reads \"gemma\" (the mobile format), \"compressed-tensors\" (w4a16) and folders without "
        "one; take the bf16 or the GGUF release of this model");
  MobileConfig out;
  std::size_t kept_bytes_left = kMaxKeptBytes, rule_bytes_left = kMaxRuleBytes;
  if (q.contains("num_bits")) FACET_TRY(read_bits(q, "quantization_config").status());
  if (auto kept = q.find("modules_to_not_convert"); kept != q.end() && !kept->is_null()) {
    if (!kept->is_array()) return corrupt("config.json: modules_to_not_convert is not a list of names");
    for (const ordered_json& name : *kept) {
      if (!name.is_string()) return corrupt("config.json: modules_to_not_convert is not a list of names");
      FACET_ASSIGN(std::regex pattern, compile(name.get<std::string>(), kept_bytes_left));
      out.kept_.push_back({name.get<std::string>(), std::move(pattern)});
    }
  }
  if (auto rules = q.find("module_quant_configs"); rules != q.end() && !rules->is_null()) {
    if (!rules->is_object()) return corrupt("config.json: module_quant_configs is not an object of patterns");
    for (const auto& [pattern, value] : rules->items()) {
      FACET_ASSIGN(int bits, read_bits(value, "module_quant_configs '" + printable(pattern) + "'"));
      FACET_ASSIGN(std::regex compiled, compile(pattern, rule_bytes_left));
      out.rules_.push_back({std::move(compiled), bits});
    }
  }
  return std::optional(std::move(out));
}

std::optional<int> MobileConfig::bits_of(const std::string& module) const {
  for (const Kept& kept : kept_)
    if (module.ends_with(kept.literal) ||
        std::regex_search(module, kept.pattern, std::regex_constants::match_continuous))
      return 0;
  for (const Rule& rule : rules_)
    if (std::regex_search(module, rule.pattern)) return rule.bits;
  return std::nullopt;
}

namespace {

// "model.layers.3.mlp.up_proj" = head "model.layers.", layer 3, tail ".mlp.up_proj"; no layer: all of it is tail.
struct ModuleName {
  std::string head, tail;
  int layer = -1;
};

ModuleName split(const std::string& name) {
  static const std::regex kLayer(R"(^(.*layers\.)(\d+)(\..*)$)");
  std::smatch m;
  if (!std::regex_match(name, m, kLayer)) return {"", name, -1};
  return {m[1], m[3], std::stoi(m[2])};
}

std::string escape_dots(const std::string& name) {
  std::string out;
  for (char c : name) out += c == '.' ? std::string("\\.") : std::string(1, c);
  return out;
}

}  // namespace

std::string to_quantization_config(const std::map<std::string, int>& bits_by_module, std::set<std::string> kept) {
  // Modules that differ in their layer only, then their layers by bits.
  std::map<std::pair<std::string, std::string>, std::map<int, std::vector<int>>> families;
  for (const auto& [name, bits] : bits_by_module) {
    FACET_CHECK(bits == 0 || bits == 2 || bits == 4 || bits == 8, "the mobile format has 2, 4 and 8 bits");
    ModuleName parts = split(name);
    families[{parts.head, parts.tail}][bits].push_back(parts.layer);
  }
  std::map<std::string, int> patterns;  // sorted by bytes, as the released files are
  for (auto& [family, layers_by_bits] : families) {
    const auto& [head, tail] = family;
    for (auto& [bits, layers] : layers_by_bits) {
      std::sort(layers.begin(), layers.end());
      const bool all = layers_by_bits.size() == 1;
      if (bits != 0) {
        std::string layer = head.empty() ? "" : all ? R"(\d+)" : fmt::format("({})", fmt::join(layers, "|"));
        patterns["^" + escape_dots(head) + layer + escape_dots(tail) + "$"] = bits;
      } else if (all) {
        kept.insert(head.empty() ? tail.substr(tail.find('.') + 1) : tail.substr(1));
      } else {
        for (int layer : layers) kept.insert(fmt::format("layers.{}{}", layer, tail));
      }
    }
  }
  ordered_json q = {{"quant_method", "gemma"},
                    {"num_bits", 4},
                    {"quantize_embeddings", true},
                    {"module_quant_configs", ordered_json::object()},
                    {"modules_to_not_convert", kept}};
  for (const auto& [pattern, bits] : patterns) q["module_quant_configs"][pattern] = {{"num_bits", bits}};
  return q.dump();
}

}  // namespace facet
