#include "model/chat_template.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/mapped_file.h"
#include "formats/gguf/gguf.h"

namespace facet {
namespace {
constexpr std::size_t kMaxBytes = std::size_t{16} << 20;
}

Result<std::string> load_chat_template(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    FACET_ASSIGN(GgufFile file, read_gguf(path));
    FACET_ASSIGN(std::string_view text, file.get_string("tokenizer.chat_template", ""));
    return std::string(text);
  }
  const fs::path own = fs::path(path) / "chat_template.jinja", config = fs::path(path) / "tokenizer_config.json";
  if (fs::exists(own, error)) return read_text_file(own.string(), kMaxBytes);
  if (!fs::exists(config, error)) return std::string();
  FACET_ASSIGN(std::string text, read_text_file(config.string(), kMaxBytes));
  FACET_ASSIGN(const nlohmann::ordered_json json, parse_json(text, config.string()));
  if (!json.is_object()) return corrupt(config.string() + ": not a JSON object");
  const auto found = json.find("chat_template");
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace facet
