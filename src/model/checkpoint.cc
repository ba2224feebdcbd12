#include "model/checkpoint.h"

#include <algorithm>
#include <filesystem>

#include "base/limits.h"
#include "base/mapped_file.h"
#include "model/gguf_load.h"
#include "model/hf_load.h"

namespace facet {

void Checkpoint::set(const std::string& name, Tensor tensor) {
  auto owned = std::make_shared<const Tensor>(std::move(tensor));
  tensors[name] = owned->view();
  owners.push_back(std::move(owned));
}

std::uint64_t Checkpoint::byte_size() const {
  std::uint64_t bytes = 0;
  for (const auto& [name, t] : tensors) bytes += t.bytes.size() + t.row_scales.size_bytes();
  return bytes;
}

DType Checkpoint::main_type() const {
  std::map<DType, std::int64_t> weights;
  for (const auto& [name, t] : tensors) weights[t.dtype] += element_count(t.shape);
  auto most = std::max_element(weights.begin(), weights.end(),
                               [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == weights.end() ? DType::kF32 : most->first;
}

double Checkpoint::bits_per_weight() const {
  double elements = 0;
  for (const auto& [name, t] : tensors) elements += double(element_count(t.shape));
  return elements == 0 ? 0 : 8.0 * double(byte_size()) / elements;
}

Result<Checkpoint> load_checkpoint(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return load_hf(path);
  if (std::filesystem::exists(path, error)) return load_gguf(path);
  return not_found(path + ": no such model (expected a folder with config.json, or a .gguf file)");
}

Result<Tokenizer> load_tokenizer(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return load_gguf_tokenizer(path);
  std::string file = (std::filesystem::path(path) / "tokenizer.json").string();
  FACET_ASSIGN(std::string text, read_text_file(file, limits::kMaxJsonBytes));
  auto tokenizer = Tokenizer::from_json(text);
  if (!tokenizer.ok()) return tokenizer.status().with_prefix(file);
  return tokenizer;
}

Status save_checkpoint(const std::string& path, const Checkpoint& checkpoint, const Tokenizer& tokenizer,
                       const TensorStream& stream, const Companions& beside) {
  return path.ends_with(".gguf") ? save_gguf(path, checkpoint, tokenizer, stream, beside)
                                 : save_hf(path, checkpoint, tokenizer, stream, beside);
}

}  // namespace facet
