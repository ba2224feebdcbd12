// The path from bytes to a GgufFile.  Every number from the file is checked before it is used to allocate, to move or
// to multiply.
#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/limits.h"
#include "base/mapped_file.h"
#include "base/printable.h"
#include "formats/gguf/gguf.h"
#include "formats/gguf/gguf_layout.h"
#include "formats/name_order.h"

namespace facet {

namespace gguf {

bool is_valid_alignment(std::uint64_t alignment) {
  return std::has_single_bit(alignment) && alignment <= limits::kMaxAlignment;
}

Result<std::uint64_t> tensor_bytes(GgmlType type, const Shape& shape) {
  auto id = static_cast<std::uint32_t>(type);
  const GgmlTypeInfo* info = ggml_type_info(id);
  if (!info)
    return unsupported(ggml_type_retired(id) ? fmt::format("type {} was retired; convert the model again", id)
                                             : fmt::format("type {} is unknown to this version of facet", id));
  if (shape.empty() || shape.size() > limits::kMaxDims)
    return corrupt(fmt::format("has {} dimensions, expected 1 to {}", shape.size(), limits::kMaxDims));
  for (std::int64_t d : shape)
    if (d <= 0) return corrupt(fmt::format("has a dimension of {}, expected at least 1", d));
  auto cols = static_cast<std::uint64_t>(shape.back());
  if (cols % info->block != 0)
    return corrupt(fmt::format("has rows of {} elements, {} needs a multiple of {}", cols, info->name, info->block));
  // Elements too: a block of few bytes may hold many.
  const auto row_bytes = checked_mul(cols / info->block, info->block_bytes);
  const auto bytes = row_bytes ? checked_size(*row_bytes, std::span(shape).first(shape.size() - 1)) : std::nullopt;
  if (!bytes || !checked_size(1, shape)) return corrupt("has a shape whose size overflows");
  return *bytes;
}

}  // namespace gguf

namespace {

using gguf::ValueType;

class Parser {
 public:
  Parser(std::span<const std::byte> bytes, std::string path, std::shared_ptr<const void> owner)
      : bytes_(bytes), reader_(bytes) {
    out_.path = std::move(path);
    out_.owner = std::move(owner);
  }

  Result<GgufFile> run() {
    FACET_TRY(read_counts());
    FACET_TRY(read_metadata());
    FACET_TRY(read_tensor_list());
    FACET_TRY(place_tensors());
    return std::move(out_);
  }

 private:
  Status bad(std::uint64_t offset, const std::string& what) const {
    return corrupt(fmt::format("{} @{:#x}: {}", out_.path, offset, what));
  }
  Status ends_inside(const std::string& what) const {
    return bad(reader_.offset(),
               fmt::format("the file of {} bytes ends inside {} (truncated download?)", bytes_.size(), what));
  }

  Status read_counts() {
    std::string_view magic = reader_.take_string(gguf::kMagic.size());
    if (reader_.failed() || magic != gguf::kMagic)
      return bad(0, fmt::format("not a GGUF file: it begins with '{}', expected 'GGUF'",
                                printable({reinterpret_cast<const char*>(bytes_.data()),
                                           std::min<std::size_t>(bytes_.size(), 4)})));
    out_.version = reader_.read<std::uint32_t>();
    if (reader_.failed()) return ends_inside("the header");
    // Versions are small, so one that is a multiple of 65536 has its bytes the other way round.
    if (out_.version != 0 && (out_.version & 0xffffu) == 0)
      return unsupported(out_.path + " @0x4: a big-endian GGUF file; only little-endian is supported");
    if (out_.version == 0) return bad(4, "GGUF version 0 does not exist");
    if (out_.version < 2 || out_.version > gguf::kVersion)
      return unsupported(
          fmt::format("{} @0x4: GGUF version {}, expected 2 or 3; convert the model again", out_.path, out_.version));
    // The shortest tensor entry: a name of one byte, one dimension.  The shortest pair: a key of one byte, a u8.
    constexpr std::uint64_t kMinTensorEntry = 8 + 1 + 4 + 8 + 4 + 8, kMinPair = 8 + 1 + 4 + 1;
    n_tensors_ = reader_.read<std::uint64_t>();
    n_keys_ = reader_.read<std::uint64_t>();
    if (reader_.failed()) return ends_inside("the header");
    FACET_TRY(check_count(8, "tensors", n_tensors_, limits::kMaxTensors, kMinTensorEntry));
    return check_count(16, "metadata keys", n_keys_, limits::kMaxKeys, kMinPair);
  }

  Status check_count(std::uint64_t offset, const char* what, std::uint64_t n, std::uint64_t limit,
                     std::uint64_t min_bytes) const {
    if (n > limit) return bad(offset, fmt::format("announces {} {}, at most {} are allowed", n, what, limit));
    if (auto bytes = checked_mul(n, min_bytes); !bytes || *bytes > reader_.remaining())
      return bad(offset, fmt::format("announces {} {}, too many for a file of {} bytes", n, what, bytes_.size()));
    return {};
  }

  // what: for messages.
  Status read_string(std::string_view& out, const std::string& what) {
    std::uint64_t offset = reader_.offset();
    auto size = reader_.read<std::uint64_t>();
    if (reader_.failed()) return ends_inside(what);
    if (size > limits::kMaxStringBytes)
      return bad(offset, fmt::format("{} has {} bytes, at most {} are allowed", what, size, limits::kMaxStringBytes));
    if (size > reader_.remaining())
      return bad(offset, fmt::format("{} has {} bytes, but only {} are left (truncated download?)", what, size,
                                     reader_.remaining()));
    out = reader_.take_string(size);
    return {};
  }

  Status read_metadata() {
    out_.metadata.reserve(n_keys_);
    for (std::uint64_t i = 0; i < n_keys_; ++i) {
      GgufEntry& entry = out_.metadata.emplace_back();
      std::uint64_t offset = reader_.offset();
      FACET_TRY(read_string(entry.key, fmt::format("metadata key {}", i)));
      if (entry.key.empty()) return bad(offset, fmt::format("metadata key {} is empty", i));
      what_ = "the value of '" + printable(entry.key) + "'";
      auto type = reader_.read<std::int32_t>();
      FACET_TRY(type == gguf::kArray ? read_array(entry.value) : read_scalar(type, entry.value));
    }
    constexpr auto key_of = [](const GgufEntry& e) { return e.key; };
    out_.keys_by_name = order_by_name(out_.metadata, key_of);
    if (auto twice = find_duplicate(out_.metadata, out_.keys_by_name, key_of))
      return bad(offset_of(out_.metadata[*twice].key),
                 fmt::format("key '{}' appears twice", printable(out_.metadata[*twice].key)));
    return read_alignment();
  }

  std::uint64_t offset_of(std::string_view view) const {
    return static_cast<std::uint64_t>(reinterpret_cast<const std::byte*>(view.data()) - bytes_.data());
  }

  Status read_alignment() {
    out_.alignment = gguf::kDefaultAlignment;
    const GgufValue* value = out_.find(gguf::kAlignmentKey);
    if (!value) return {};
    const auto* alignment = std::get_if<std::uint32_t>(value);
    if (!alignment)
      return corrupt(fmt::format("{}: '{}' is a {}, expected u32", out_.path, gguf::kAlignmentKey, type_name(*value)));
    if (!gguf::is_valid_alignment(*alignment))
      return corrupt(fmt::format("{}: '{}' is {}, expected a power of two up to {}", out_.path, gguf::kAlignmentKey,
                                 *alignment, limits::kMaxAlignment));
    out_.alignment = *alignment;
    return {};
  }

  Status unknown_value_type(std::int32_t type) const {
    if (reader_.failed()) return ends_inside(what_);
    return bad(reader_.offset() - sizeof(type), fmt::format("{} has the unknown type {}", what_, type));
  }

  // Calls f with a value of the C++ type of a scalar's type number; false when there is none.
  template <typename F>
  static bool dispatch(std::int32_t type, F f) {
    switch (type) {
      case gguf::kU8:
        f(std::uint8_t{});
        return true;
      case gguf::kI8:
        f(std::int8_t{});
        return true;
      case gguf::kU16:
        f(std::uint16_t{});
        return true;
      case gguf::kI16:
        f(std::int16_t{});
        return true;
      case gguf::kU32:
        f(std::uint32_t{});
        return true;
      case gguf::kI32:
        f(std::int32_t{});
        return true;
      case gguf::kF32:
        f(float{});
        return true;
      case gguf::kBool:
        f(bool{});
        return true;
      case gguf::kString:
        f(std::string_view{});
        return true;
      case gguf::kU64:
        f(std::uint64_t{});
        return true;
      case gguf::kI64:
        f(std::int64_t{});
        return true;
      case gguf::kF64:
        f(double{});
        return true;
      default:
        return false;
    }
  }

  Status read_scalar(std::int32_t type, GgufValue& out) {
    Status status;
    bool known = !reader_.failed() && dispatch(type, [&]<typename T>(T value) {
      status = read_one(value);
      out = value;
    });
    return known ? status : unknown_value_type(type);
  }

  Status read_one(std::string_view& out) { return read_string(out, what_); }
  Status read_one(bool& out) {
    auto byte = reader_.read<std::uint8_t>();
    if (reader_.failed()) return ends_inside(what_);
    if (byte > 1)
      return bad(reader_.offset() - 1, fmt::format("{} is a bool stored as {}, expected 0 or 1", what_, byte));
    out = byte != 0;
    return {};
  }
  template <typename T>
  Status read_one(T& out) {
    out = reader_.read<T>();
    return reader_.failed() ? ends_inside(what_) : Status();
  }

  Status read_array(GgufValue& out) {
    auto type = reader_.read<std::int32_t>();
    std::uint64_t offset = reader_.offset();
    if (!reader_.failed() && type == gguf::kArray)
      return bad(offset - 4, what_ + " is an array of arrays, which is not allowed");
    auto count = reader_.read<std::uint64_t>();
    if (reader_.failed()) return ends_inside(what_);
    if (count > limits::kMaxArrayElements)
      return bad(offset,
                 fmt::format("{} has {} elements, at most {} are allowed", what_, count, limits::kMaxArrayElements));
    Status status;
    bool known = dispatch(type, [&]<typename T>(T) {
      constexpr std::uint64_t kMinBytes = std::is_same_v<T, std::string_view> ? sizeof(std::uint64_t) : sizeof(T);
      if (auto bytes = checked_mul(count, kMinBytes); !bytes || *bytes > reader_.remaining()) {
        status = bad(offset, fmt::format("{} has {} elements, too many for the {} bytes left (truncated download?)",
                                         what_, count, reader_.remaining()));
        return;
      }
      std::vector<T> values(count);
      status = read_elements(values);
      out = std::move(values);
    });
    return known ? status : bad(offset - 4, fmt::format("{} is an array of the unknown type {}", what_, type));
  }

  // The caller has checked that the bytes are there.
  template <typename T>
  Status read_elements(std::vector<T>& values) {
    auto raw = reader_.take(values.size() * sizeof(T));
    if (!raw.empty()) std::memcpy(values.data(), raw.data(), raw.size());
    return {};
  }
  Status read_elements(std::vector<bool>& values) {
    for (auto&& value : values) {
      bool element = false;
      FACET_TRY(read_one(element));
      value = element;
    }
    return {};
  }
  Status read_elements(std::vector<std::string_view>& values) {
    for (std::string_view& value : values) FACET_TRY(read_one(value));
    return {};
  }

  Status read_tensor_list() {
    out_.tensors.reserve(n_tensors_);
    for (std::uint64_t i = 0; i < n_tensors_; ++i) {
      GgufTensor& t = out_.tensors.emplace_back();
      std::uint64_t offset = reader_.offset();
      FACET_TRY(read_string(t.name, fmt::format("the name of tensor {}", i)));
      if (t.name.empty()) return bad(offset, fmt::format("tensor {} has an empty name", i));
      if (t.name.size() > limits::kMaxGgufNameBytes)
        return bad(offset, fmt::format("tensor '{}' has a name of {} bytes, at most {} are allowed", printable(t.name),
                                       t.name.size(), limits::kMaxGgufNameBytes));
      auto n_dims = reader_.read<std::uint32_t>();
      if (n_dims > limits::kMaxDims)
        return bad(offset, fmt::format("tensor '{}' has {} dimensions, expected 1 to {}", printable(t.name), n_dims,
                                       limits::kMaxDims));
      t.shape.resize(n_dims);
      for (std::uint32_t d = n_dims; d-- > 0;) t.shape[d] = reader_.read<std::int64_t>();  // the fastest comes first
      t.type = static_cast<GgmlType>(reader_.read<std::uint32_t>());
      t.file_offset = reader_.read<std::uint64_t>();  // from the start of the data section, for now
      if (reader_.failed()) return ends_inside("the entry of tensor '" + printable(t.name) + "'");
      if (auto size = gguf::tensor_bytes(t.type, t.shape); !size.ok())
        return Status(size.status().code(), fmt::format("{} @{:#x}: tensor '{}' {}", out_.path, offset,
                                                        printable(t.name), size.status().message()));
    }
    constexpr auto name_of = [](const GgufTensor& t) { return t.name; };
    out_.tensors_by_name = order_by_name(out_.tensors, name_of);
    if (auto twice = find_duplicate(out_.tensors, out_.tensors_by_name, name_of))
      return bad(offset_of(out_.tensors[*twice].name),
                 fmt::format("tensor '{}' appears twice", printable(out_.tensors[*twice].name)));
    return {};
  }

  // Tensors lie one after another, each padded to the alignment: no holes, no overlap, no other order.
  Status place_tensors() {
    auto data_begin = checked_align_up(reader_.offset(), out_.alignment);
    std::uint64_t expected = 0;
    for (GgufTensor& t : out_.tensors) {
      FACET_ASSIGN(std::uint64_t size, gguf::tensor_bytes(t.type, t.shape));
      if (t.file_offset != expected) return wrong_offset(t, expected);
      auto begin = data_begin ? checked_add(*data_begin, expected) : std::nullopt;
      auto end = begin ? checked_add(*begin, size) : std::nullopt;
      auto padded = checked_align_up(size, out_.alignment);
      auto next = padded ? checked_add(expected, *padded) : std::nullopt;
      if (!end || !next || *end > bytes_.size())
        return corrupt(fmt::format("{}: tensor '{}' ends at byte {} but the file has {} bytes (truncated download?)",
                                   out_.path, printable(t.name), end ? *end : UINT64_MAX, bytes_.size()));
      t.file_offset = *begin;
      t.bytes = bytes_.subspan(*begin, size);
      expected = *next;
    }
    return {};
  }

  Status wrong_offset(const GgufTensor& t, std::uint64_t expected) const {
    std::string why;
    if (t.file_offset % out_.alignment != 0)
      why = fmt::format("which is not a multiple of the alignment {}", out_.alignment);
    else if (t.file_offset > expected)
      why = fmt::format("which leaves a hole of {} bytes before it", t.file_offset - expected);
    else
      why = "which overlaps the tensor before it";
    return corrupt(fmt::format("{}: tensor '{}' has the offset {}, {}; expected {}", out_.path, printable(t.name),
                               t.file_offset, why, expected));
  }

  std::span<const std::byte> bytes_;
  ByteReader reader_;
  GgufFile out_;
  std::uint64_t n_tensors_ = 0, n_keys_ = 0;
  std::string what_;  // the value being read, for messages
};

}  // namespace

Result<GgufFile> parse_gguf(std::span<const std::byte> bytes, std::string path, std::shared_ptr<const void> owner) {
  return Parser(bytes, std::move(path), std::move(owner)).run();
}

Result<GgufFile> read_gguf(const std::string& path) {
  FACET_ASSIGN(MappedFile mapped, MappedFile::open(path));
  auto file = std::make_shared<const MappedFile>(std::move(mapped));
  FACET_ASSIGN(GgufFile parsed, parse_gguf(file->bytes(), path, file));
  parsed.mapping = std::move(file);
  return parsed;
}

}  // namespace facet
