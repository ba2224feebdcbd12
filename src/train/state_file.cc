#include "train/state_file.h"

#include <array>
#include <bit>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "base/mapped_file.h"
#include "formats/safetensors/safetensors_writer.h"

namespace facet::train {
namespace {

struct TypePair {
  torch::Dtype torch;
  SafetensorsType file;
};
constexpr std::array<TypePair, 8> kTypes{{{torch::kFloat32, SafetensorsType::kF32},
                                          {torch::kFloat64, SafetensorsType::kF64},
                                          {torch::kBFloat16, SafetensorsType::kBF16},
                                          {torch::kFloat16, SafetensorsType::kF16},
                                          {torch::kInt64, SafetensorsType::kI64},
                                          {torch::kInt32, SafetensorsType::kI32},
                                          {torch::kUInt8, SafetensorsType::kU8},
                                          {torch::kBool, SafetensorsType::kBool}}};

// A 64-bit checksum over words, the tail padded with zeros and the length mixed in.  Each step is invertible in the
// hash and in the word, so a change of any one word always shows.
std::uint64_t checksum_of(std::span<const std::byte> bytes) {
  std::uint64_t hash = 0x243F6A8885A308D3u;
  auto mix = [&](std::uint64_t word) { hash = std::rotl((hash ^ word) * 0x9E3779B97F4A7C15u, 29); };
  mix(bytes.size());
  for (std::size_t i = 0; i < bytes.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, std::min<std::size_t>(8, bytes.size() - i));
    mix(word);
  }
  return hash;
}

}  // namespace

Result<StateFileInfo> state_file_info(const std::string& path) {
  FACET_ASSIGN(MappedFile file, MappedFile::open(path));
  return StateFileInfo{file.bytes().size(), checksum_of(file.bytes())};
}

Result<StateFileInfo> write_state_file(const std::string& path, const StateMap& tensors) {
  torch::NoGradGuard no_grad;
  SafetensorsWriter writer;
  for (const auto& [name, tensor] : tensors) {
    const TypePair* type = nullptr;
    for (const TypePair& t : kTypes)
      if (t.torch == tensor.scalar_type()) type = &t;
    if (!type) return internal_error(path + ": tensor '" + name + "' has a type that state files do not hold");
    writer.add_tensor(name, type->file, tensor.sizes().vec());
  }
  FACET_TRY(writer.open(path));
  for (const std::string& name : writer.order()) {
    torch::Tensor plain = tensors.at(name).detach().cpu().contiguous();
    FACET_TRY(writer.write({static_cast<const std::byte*>(plain.data_ptr()), plain.nbytes()}));
  }
  FACET_TRY(writer.commit());
  return state_file_info(path);
}

Result<StateMap> read_state_file(const std::string& path, const StateFileInfo& expected) {
  FACET_ASSIGN(StateFileInfo found, state_file_info(path));
  if (found.size_bytes != expected.size_bytes)
    return corrupt(path + ": " + std::to_string(found.size_bytes) + " bytes, the manifest says " +
                   std::to_string(expected.size_bytes));
  if (found != expected) return corrupt(path + ": the checksum differs from the manifest's");
  FACET_ASSIGN(SafetensorsFile file, read_safetensors(path));
  StateMap tensors;
  for (const SafetensorsTensor& stored : file.tensors) {
    const TypePair* type = nullptr;
    for (const TypePair& t : kTypes)
      if (t.file == stored.type) type = &t;
    if (!type)
      return corrupt(path + ": tensor '" + stored.name + "' has the type " + std::string(name_of(stored.type)) +
                     ", which no saved state has");
    torch::Tensor tensor = torch::empty(stored.shape, torch::TensorOptions().dtype(type->torch));
    if (!stored.bytes.empty()) std::memcpy(tensor.data_ptr(), stored.bytes.data(), stored.bytes.size());
    tensors[stored.name] = std::move(tensor);
  }
  return tensors;
}

}  // namespace facet::train
