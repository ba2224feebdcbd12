#include "train/state_file.h"

#include <array>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>
#include <vector>

#include "base/atomic_file.h"
#include "base/checked.h"
#include "base/mapped_file.h"

namespace facet::train {
namespace {

using Json = nlohmann::ordered_json;

struct TypeName {
  torch::Dtype type;
  const char* name;
};
constexpr std::array<TypeName, 8> kTypes{{{torch::kFloat32, "F32"},
                                          {torch::kFloat64, "F64"},
                                          {torch::kBFloat16, "BF16"},
                                          {torch::kFloat16, "F16"},
                                          {torch::kInt64, "I64"},
                                          {torch::kInt32, "I32"},
                                          {torch::kUInt8, "U8"},
                                          {torch::kBool, "BOOL"}}};

// Streaming 64-bit checksum over little-endian words; the tail is zero-padded and the length mixed in.
class Checksum {
 public:
  void add(std::span<const std::byte> bytes) {
    size_ += bytes.size();
    while (!bytes.empty()) {
      if (fill_ == 0 && bytes.size() >= 8) {
        std::uint64_t word;
        std::memcpy(&word, bytes.data(), 8);
        mix(word);
        bytes = bytes.subspan(8);
        continue;
      }
      tail_ |= std::to_integer<std::uint64_t>(bytes[0]) << (8 * fill_);
      bytes = bytes.subspan(1);
      if (++fill_ == 8) {
        mix(tail_);
        tail_ = 0;
        fill_ = 0;
      }
    }
  }
  std::uint64_t value() const {
    Checksum end = *this;
    end.mix(tail_);
    end.mix(size_);
    return end.hash_ ^ (end.hash_ >> 32);
  }

 private:
  void mix(std::uint64_t word) {
    hash_ = std::rotl((hash_ ^ word) * 0x9E3779B97F4A7C15u, 29);  // each step is invertible: no word is lost
  }
  std::uint64_t hash_ = 0x243F6A8885A308D3u, tail_ = 0, size_ = 0;
  int fill_ = 0;
};

std::uint64_t checksum_of(std::span<const std::byte> bytes) {
  Checksum checksum;
  checksum.add(bytes);
  return checksum.value();
}

}  // namespace

std::uint64_t state_file_checksum(const std::string& path) {
  Result<MappedFile> file = MappedFile::open(path);
  return file.ok() ? checksum_of(file->bytes()) : 0;
}

Result<StateFileInfo> write_state_file(const std::string& path, const StateMap& tensors) {
  torch::NoGradGuard no_grad;
  Json header = Json::object();
  std::uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    const char* type = nullptr;
    for (const TypeName& t : kTypes)
      if (t.type == tensor.scalar_type()) type = t.name;
    if (!type) return internal_error(path + ": tensor '" + name + "' has a type that state files do not hold");
    header[name] = {
        {"dtype", type}, {"shape", tensor.sizes().vec()}, {"data_offsets", {offset, offset + tensor.nbytes()}}};
    offset += tensor.nbytes();
  }
  std::string text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
  while (text.size() % 8 != 0) text += ' ';

  AtomicFile file;
  Checksum checksum;
  FACET_TRY(file.open(path));
  auto write = [&](std::span<const std::byte> bytes) {
    checksum.add(bytes);
    return file.write(bytes);
  };
  std::uint64_t length = text.size();
  FACET_TRY(write(std::as_bytes(std::span(&length, 1))));
  FACET_TRY(write(std::as_bytes(std::span(text))));
  for (const auto& [name, tensor] : tensors) {
    torch::Tensor plain = tensor.detach().cpu().contiguous();
    FACET_TRY(write({static_cast<const std::byte*>(plain.data_ptr()), plain.nbytes()}));
  }
  StateFileInfo info{file.size_bytes(), checksum.value()};
  FACET_TRY(file.commit());
  return info;
}

Result<StateMap> read_state_file(const std::string& path, const StateFileInfo& expected) {
  FACET_ASSIGN(MappedFile file, MappedFile::open(path));
  std::span<const std::byte> bytes = file.bytes();
  if (bytes.size() != expected.size_bytes)
    return corrupt(path + ": " + std::to_string(bytes.size()) + " bytes, the manifest says " +
                   std::to_string(expected.size_bytes));
  if (checksum_of(bytes) != expected.checksum) return corrupt(path + ": the checksum differs from the manifest's");

  auto bad = [&](const std::string& what) { return corrupt(path + ": " + what); };
  std::uint64_t length = 0;
  if (bytes.size() < 8) return bad("too short for a header");
  std::memcpy(&length, bytes.data(), 8);
  if (length > bytes.size() - 8) return bad("the header is longer than the file");
  std::span<const std::byte> data = bytes.subspan(8 + length);
  StateMap tensors;
  try {
    const char* begin = reinterpret_cast<const char*>(bytes.data()) + 8;
    Json header = Json::parse(begin, begin + length);
    for (const auto& [name, entry] : header.items()) {
      auto type_name = entry.at("dtype").get<std::string>();
      auto shape = entry.at("shape").get<std::vector<std::int64_t>>();
      auto range = entry.at("data_offsets").get<std::array<std::uint64_t, 2>>();
      const TypeName* type = nullptr;
      for (const TypeName& t : kTypes)
        if (type_name == t.name) type = &t;
      if (!type) return bad("tensor '" + name + "' has the unknown type " + type_name);
      std::optional<std::uint64_t> size = torch::elementSize(type->type);
      for (std::int64_t dim : shape)
        size = dim < 0 || !size ? std::nullopt : checked_mul(*size, static_cast<std::uint64_t>(dim));
      if (!size || range[0] > range[1] || range[1] > data.size() || range[1] - range[0] != *size)
        return bad("tensor '" + name + "' does not fit its bytes");
      torch::Tensor tensor = torch::empty(shape, torch::TensorOptions().dtype(type->type));
      if (*size > 0) std::memcpy(tensor.data_ptr(), data.data() + range[0], *size);
      tensors[name] = std::move(tensor);
    }
  } catch (const std::exception& e) {
    return bad(std::string("bad header: ") + e.what());
  }
  return tensors;
}

}  // namespace facet::train
