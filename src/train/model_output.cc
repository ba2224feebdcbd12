#include "train/model_output.h"

#include <fcntl.h>
#include <stdio.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "model/checkpoint.h"
#include "model/drafter.h"

namespace facet::train {
namespace {

namespace fs = std::filesystem;

// HF folder or GGUF by the path's ending, under another name first.
Status write_replacing(const std::string& path, const Checkpoint& checkpoint, const Tokenizer& tokenizer,
                       const Companions& beside) {
  const bool drafter = checkpoint.config.is_drafter();
  if (path.ends_with(".gguf"))
    return drafter ? save_drafter(path, checkpoint, tokenizer) : save_gguf(path, checkpoint, tokenizer, {}, beside);
  std::string fresh = path + ".tmp";
  std::error_code ignored;
  fs::remove_all(fresh, ignored);  // left by a killed run
  Status status =
      drafter ? save_drafter(fresh, checkpoint, tokenizer) : save_hf(fresh, checkpoint, tokenizer, {}, beside);
  if (status.ok()) status = replace_folder(fresh, path);
  if (!status.ok()) fs::remove_all(fresh, ignored);
  return status;
}

}  // namespace

std::string model_path(const TrainConfig& config, const std::string& name) {
  return (fs::path(config.output_dir) / name).string();
}

std::string deployed_path(const TrainConfig& config, const std::string& name) {
  std::string path = model_path(config, name);
  switch (config.qat.scheme.kind) {
    case Scheme::Kind::kNone:
      return path;
    case Scheme::Kind::kMobile:
      return path + "-mobile";
    default:
      return path + "-" + std::string(name_of(config.qat.scheme.kind)) + ".gguf";
  }
}

Status replace_folder(const std::string& fresh, const std::string& path) {
  std::error_code error;
  if (!fs::exists(path, error)) {
    fs::rename(fresh, path, error);
    return error ? io_error(path + ": cannot rename: " + error.message()) : Status();
  }
#ifdef RENAME_EXCHANGE
  if (::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, path.c_str(), RENAME_EXCHANGE) == 0) {
    fs::remove_all(fresh, error);
    return {};
  }
#endif
  std::string old = path + ".old";
  fs::remove_all(old, error);
  fs::rename(path, old, error);
  if (!error) fs::rename(fresh, path, error);
  if (error) return io_error(path + ": cannot replace the folder: " + error.message());
  fs::remove_all(old, error);
  return {};
}

Status save_model(const TrainConfig& config, const std::string& name, std::int64_t step, const Graph& graph,
                  const TrainHooks& hooks, const Tokenizer& tokenizer, const Companions& beside) {
  Checkpoint floats = graph.to_checkpoint(config.save_dtype == "bf16" ? DType::kBF16 : DType::kF32);
  floats.metadata["facet.train_steps"] = std::to_string(step);
  FACET_TRY(write_replacing(model_path(config, name), floats, tokenizer, beside));
  if (config.qat.scheme.kind == Scheme::Kind::kNone) return {};
  FACET_ASSIGN(Checkpoint deployed, hooks.export_checkpoint(graph));
  deployed.metadata["facet.train_steps"] = std::to_string(step);
  return write_replacing(deployed_path(config, name), deployed, tokenizer, beside);
}

}  // namespace facet::train
