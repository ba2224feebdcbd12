#include "model/companions.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/limits.h"
#include "base/mapped_file.h"
#include "base/printable.h"
#include "model/chat_template.h"
#include "model/hf_names.h"

namespace facet {
namespace {

namespace fs = std::filesystem;

// What a save would write by itself is here too: the tokenizer's own files know more than we read of them.
constexpr const char* kFiles[] = {"generation_config.json",        "tokenizer.json",        "tokenizer_config.json",
                                  "special_tokens_map.json",       "processor_config.json", "preprocessor_config.json",
                                  "video_preprocessor_config.json"};

}  // namespace

std::string_view name_of(Tower tower) { return tower == Tower::kVision ? "vision" : "audio"; }

bool Companions::has_codes() const {
  return std::ranges::any_of(
      towers, [](const auto& t) { return t.first.ends_with(".weight_scale") || t.first.ends_with(".weight_packed"); });
}

Companions::Size Companions::size_of(Tower tower) const {
  Size out;
  for (const auto& [name, t] : towers)
    if (t.tower == tower) ++out.n_tensors, out.bytes += t.bytes.size();
  return out;
}

std::string Companions::describe_towers() const {
  std::string out;
  for (const Tower tower : {Tower::kVision, Tower::kAudio})
    if (const Size size = size_of(tower); size.n_tensors > 0)
      out += fmt::format("{}{} {} tensors ({:.1f} MB)", out.empty() ? "" : " and ", size.n_tensors, name_of(tower),
                         double(size.bytes) / 1e6);
  return out;
}

Result<Companions> load_companions(const std::string& path) {
  Companions out;
  FACET_ASSIGN(out.chat_template, load_chat_template(path));
  std::error_code error;
  if (!fs::is_directory(path, error)) return out;
  for (const char* name : kFiles) {
    const std::string file = (fs::path(path) / name).string();
    if (!fs::exists(file, error)) continue;
    FACET_ASSIGN(out.files[name], read_text_file(file, limits::kMaxJsonBytes));
  }
  FACET_ASSIGN(const SafetensorsFile tensors, read_safetensors_folder(path));
  for (const SafetensorsTensor& t : tensors.tensors) {
    const std::optional<TowerName> name = tower_name(t.name);
    if (!name) continue;
    if (!out.towers.emplace(name->name, Companions::Tensor{name->tower, t.type, t.shape, t.bytes}).second)
      return corrupt(fmt::format("{}: tensor '{}' is there under another name too", path, printable(t.name)));
  }
  if (out.towers.empty()) return out;
  for (const auto& shard : tensors.files) out.owners.push_back(shard.owner);
  FACET_ASSIGN(out.config, read_text_file((fs::path(path) / "config.json").string(), limits::kMaxJsonBytes));
  return out;
}

}  // namespace facet
