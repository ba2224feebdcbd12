#include "train/train_state.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>
#include <vector>

#include "base/atomic_file.h"
#include "base/mapped_file.h"
#include "train/state_file.h"

namespace facet::train {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;
constexpr int kKeep = 2;
constexpr const char* kManifest = "manifest.json";

std::string folder_name(std::int64_t step) {
  char name[32];
  std::snprintf(name, sizeof(name), "step-%08lld", static_cast<long long>(step));
  return name;
}

// step-N folders, newest first.
std::vector<fs::path> saves(const std::string& dir) {
  std::vector<std::pair<long long, fs::path>> found;
  std::error_code error;
  for (fs::directory_iterator it(dir, error), end; !error && it != end; it.increment(error)) {
    long long step = 0;
    char rest = 0;
    std::string name = it->path().filename().string();
    if (std::sscanf(name.c_str(), "step-%lld%c", &step, &rest) == 1) found.emplace_back(step, it->path());
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<fs::path> paths;
  for (auto& [step, path] : found) paths.push_back(std::move(path));
  return paths;
}

Status make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (!error) return {};
  std::string message = path.string() + ": cannot create the folder: " + error.message();
  return error == std::errc::no_space_on_device ? no_resources(message) : io_error(message);
}

Result<TrainState> load_one(const fs::path& folder) {
  FACET_ASSIGN(std::string text, read_text_file((folder / kManifest).string(), 1 << 24));
  TrainState state;
  StateFileInfo parameters, optimizer, hooks;
  try {
    Json json = Json::parse(text);
    if (json.at("version").get<int>() != kVersion)
      return unsupported((folder / kManifest).string() + ": written by another version of this program");
    state.step = json.at("step").get<std::int64_t>();
    state.window = json.at("window").get<std::int64_t>();
    state.calibrations = json.at("calibrations").get<std::int64_t>();
    state.skipped_steps = json.at("skipped_steps").get<std::int64_t>();
    state.best_score = json.at("best_score").get<double>();
    state.best_step = json.at("best_step").get<std::int64_t>();
    state.best_stage = json.at("best_stage").get<int>();
    state.seconds = json.at("seconds").get<double>();
    state.config = json.at("config").get<std::string>();
    state.data_identity = json.at("data_identity").get<std::string>();
    for (auto [name, info] : {std::pair{"parameters", &parameters}, {"optimizer", &optimizer}, {"hooks", &hooks}}) {
      info->size_bytes = json.at("files").at(name).at("bytes").get<std::uint64_t>();
      info->checksum = json.at("files").at(name).at("checksum").get<std::uint64_t>();
    }
  } catch (const std::exception& e) {
    return corrupt((folder / kManifest).string() + ": " + e.what());
  }
  for (auto [name, map, info] : {std::tuple{"parameters.safetensors", &state.parameters, &parameters},
                                 {"optimizer.safetensors", &state.optimizer, &optimizer},
                                 {"hooks.safetensors", &state.hooks, &hooks}}) {
    FACET_ASSIGN(*map, read_state_file((folder / name).string(), *info));
  }
  return state;
}

}  // namespace

Status save_train_state(const std::string& dir, const TrainState& state) {
  fs::path folder = fs::path(dir) / folder_name(state.step);
  FACET_TRY(make_folder(folder));
  // A manifest left from an earlier save of this step would vouch for files about to be replaced.
  std::error_code ignored;
  fs::remove(folder / kManifest, ignored);
  Json files = Json::object();
  for (auto [name, map] :
       {std::pair{"parameters", &state.parameters}, {"optimizer", &state.optimizer}, {"hooks", &state.hooks}}) {
    FACET_ASSIGN(StateFileInfo info, write_state_file((folder / (std::string(name) + ".safetensors")).string(), *map));
    files[name] = {{"bytes", info.size_bytes}, {"checksum", info.checksum}};
  }
  Json manifest = {{"version", kVersion},
                   {"step", state.step},
                   {"window", state.window},
                   {"calibrations", state.calibrations},
                   {"skipped_steps", state.skipped_steps},
                   {"best_score", state.best_score},
                   {"best_step", state.best_step},
                   {"best_stage", state.best_stage},
                   {"seconds", state.seconds},
                   {"data_identity", state.data_identity},
                   {"files", files},
                   {"config", state.config}};
  FACET_TRY(write_text_file((folder / kManifest).string(), manifest.dump(1) + "\n"));

  // Only now may older saves go.  Newer ones belong to a run that was given up by resuming from before them.
  int complete = 0;
  for (const fs::path& path : saves(dir)) {
    bool newer = path.filename().string() > folder.filename().string();
    bool keep = !newer && fs::exists(path / kManifest, ignored) && complete < kKeep;
    complete += keep;
    if (!keep) fs::remove_all(path, ignored);
  }
  return {};
}

Result<TrainState> load_train_state(const std::string& dir, const std::function<void(std::string_view)>& warn) {
  std::error_code ignored;
  for (const fs::path& path : saves(dir)) {
    if (!fs::exists(path / kManifest, ignored)) {
      if (warn) warn(path.string() + ": an unfinished save; using the one before");
      continue;
    }
    Result<TrainState> state = load_one(path);
    if (state.ok()) return state;
    if (warn) warn(state.status().message() + "; using the save before");
  }
  return not_found(dir + ": no complete saved state to resume from; start without --resume");
}

bool has_train_state(const std::string& dir) {
  std::error_code ignored;
  for (const fs::path& path : saves(dir))
    if (fs::exists(path / kManifest, ignored)) return true;
  return false;
}

}  // namespace facet::train
