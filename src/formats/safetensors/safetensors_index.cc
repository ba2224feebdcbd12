// Sharded models: an index beside several safetensors files.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <set>
#include <system_error>
#include <utility>

#include "base/limits.h"
#include "base/mapped_file.h"
#include "base/printable.h"
#include "formats/safetensors/header_json.h"
#include "formats/safetensors/safetensors.h"

namespace facet {

Result<SafetensorsFile> read_safetensors_index(const std::string& index_path) {
  FACET_ASSIGN(std::string text, read_text_file(index_path, limits::kMaxJsonBytes));
  auto pairs = parse_shard_index(text);
  if (!pairs.ok()) return pairs.status().with_prefix(index_path);
  std::set<std::string> names;
  for (const auto& [tensor, file] : *pairs) names.insert(file);

  SafetensorsFile all;
  for (const std::string& name : names) {
    auto path = std::filesystem::path(index_path).parent_path() / name;
    FACET_ASSIGN(SafetensorsFile shard, read_safetensors(path.string()));
    auto number = static_cast<std::uint32_t>(all.files.size());
    for (SafetensorsTensor& t : shard.tensors) t.file = number;
    all.files.push_back(std::move(shard.files.front()));
    all.metadata.merge(shard.metadata);
    all.tensors.insert(all.tensors.end(), std::make_move_iterator(shard.tensors.begin()),
                       std::make_move_iterator(shard.tensors.end()));
    if (all.tensors.size() > limits::kMaxTensors)
      return corrupt(fmt::format("{}: more than {} tensors in its shards", index_path, limits::kMaxTensors));
  }
  std::stable_sort(all.tensors.begin(), all.tensors.end(),
                   [](const SafetensorsTensor& a, const SafetensorsTensor& b) { return a.name < b.name; });
  for (std::size_t i = 1; i < all.tensors.size(); ++i) {
    const SafetensorsTensor &a = all.tensors[i - 1], &b = all.tensors[i];
    if (a.name == b.name)
      return corrupt(fmt::format("{}: tensor '{}' is in {} and in {}", index_path, printable(a.name),
                                 all.files[a.file].path, all.files[b.file].path));
  }
  for (const auto& [name, file] : *pairs) {
    const SafetensorsTensor* t = all.find(name);
    if (!t || std::filesystem::path(all.files[t->file].path).filename() != file)
      return corrupt(fmt::format("{}: tensor '{}' is not in {}", index_path, printable(name), printable(file)));
  }
  return all;
}

Result<SafetensorsFile> read_safetensors_folder(const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code error;  // an unreadable folder reads as "not there"
  fs::path index = fs::path(folder) / "model.safetensors.index.json", single = fs::path(folder) / "model.safetensors";
  if (fs::exists(index, error)) return read_safetensors_index(index.string());
  if (fs::exists(single, error)) return read_safetensors(single.string());
  return not_found(folder + ": neither model.safetensors nor model.safetensors.index.json is there");
}

}  // namespace facet
