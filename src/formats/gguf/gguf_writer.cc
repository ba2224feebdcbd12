#include "formats/gguf/gguf_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>
#include <utility>

#include "base/check.h"
#include "base/checked.h"
#include "base/limits.h"
#include "base/printable.h"
#include "formats/gguf/gguf_layout.h"
#include "formats/name_order.h"

namespace facet {
namespace {

template <typename T>
requires std::is_arithmetic_v<T> || std::is_enum_v<T>
void append(std::string& out, T value) { out.append(reinterpret_cast<const char*>(&value), sizeof(value)); }
void append(std::string& out, std::string_view text) {
  append(out, static_cast<std::uint64_t>(text.size()));
  out.append(text);
}

template <typename T>
inline constexpr bool kIsArray = false;
template <typename T>
inline constexpr bool kIsArray<std::vector<T>> = true;

void append_value(std::string& out, const GgufValue& value) {
  std::visit(
      [&]<typename T>(const T& v) {
        if constexpr (kIsArray<T>) {
          append(out, gguf::kArray);
          append(out, gguf::TypeOf<typename T::value_type>::value);
          append(out, static_cast<std::uint64_t>(v.size()));
          for (typename T::value_type element : v) append(out, element);
        } else {
          append(out, gguf::TypeOf<T>::value);
          append(out, v);
        }
      },
      value);
}

// The largest string or the longest array in a value, against the limits of the reader.
Status check_limits(const GgufValue& value) {
  auto string_fits = [](std::string_view s) { return s.size() <= limits::kMaxStringBytes; };
  return std::visit(
      [&]<typename T>(const T& v) -> Status {
        if constexpr (std::is_same_v<T, std::string_view>) {
          if (!string_fits(v)) return invalid_argument(fmt::format("a string of {} bytes", v.size()));
        } else if constexpr (kIsArray<T>) {
          if (v.size() > limits::kMaxArrayElements)
            return invalid_argument(fmt::format("an array of {} elements", v.size()));
          if constexpr (std::is_same_v<T, std::vector<std::string_view>>)
            if (!std::all_of(v.begin(), v.end(), string_fits))
              return invalid_argument("an array with a string that is too long");
        }
        return {};
      },
      value);
}

}  // namespace

void GgufWriter::add(std::string_view key, const GgufValue& value) {
  auto fail = [&](const std::string& what) {
    if (first_error_.ok()) first_error_ = invalid_argument(fmt::format("key '{}' {}", printable(key), what));
  };
  if (key.empty() || key.size() > limits::kMaxStringBytes) fail(fmt::format("has {} bytes", key.size()));
  if (Status status = check_limits(value); !status.ok()) fail("has " + status.message() + ", too long for a GGUF file");
  if (key == gguf::kAlignmentKey) {
    const auto* alignment = std::get_if<std::uint32_t>(&value);
    if (alignment && gguf::is_valid_alignment(*alignment))
      alignment_ = *alignment;
    else
      fail(fmt::format("must be a u32, a power of two up to {}", limits::kMaxAlignment));
  }
  if (!first_error_.ok()) return;
  keys_.emplace_back(key);
  append(metadata_, key);
  append_value(metadata_, value);
}

void GgufWriter::add_tensor(std::string_view name, GgmlType type, const Shape& shape) {
  tensors_.push_back({std::string(name), type, shape});
}

Status GgufWriter::lay_out(std::string& header) {
  FACET_TRY(first_error_);
  if (keys_.size() > limits::kMaxKeys)
    return invalid_argument(fmt::format("{} metadata keys, at most {}", keys_.size(), limits::kMaxKeys));
  if (tensors_.size() > limits::kMaxTensors)
    return invalid_argument(fmt::format("{} tensors, at most {}", tensors_.size(), limits::kMaxTensors));
  constexpr auto itself = [](const std::string& key) -> const std::string& { return key; };
  if (auto twice = find_duplicate(keys_, order_by_name(keys_, itself), itself))
    return invalid_argument(fmt::format("key '{}' is given twice", printable(keys_[*twice])));
  constexpr auto name_of = [](const Announced& t) -> const std::string& { return t.name; };
  if (auto twice = find_duplicate(tensors_, order_by_name(tensors_, name_of), name_of))
    return invalid_argument(fmt::format("tensor '{}' is given twice", printable(tensors_[*twice].name)));

  header.append(gguf::kMagic);
  append(header, gguf::kVersion);
  append(header, static_cast<std::uint64_t>(tensors_.size()));
  append(header, static_cast<std::uint64_t>(keys_.size()));
  header += metadata_;
  std::uint64_t offset = 0;
  for (Announced& t : tensors_) {
    std::string prefix = fmt::format("tensor '{}'", printable(t.name));
    if (t.name.empty() || t.name.size() > limits::kMaxGgufNameBytes)
      return invalid_argument(
          fmt::format("{} has a name of {} bytes, expected 1 to {}", prefix, t.name.size(), limits::kMaxGgufNameBytes));
    Result<std::uint64_t> size = gguf::tensor_bytes(t.type, t.shape);
    if (!size.ok()) return invalid_argument(prefix + " " + size.status().message());
    t.size_bytes = *size;
    append(header, std::string_view(t.name));
    append(header, static_cast<std::uint32_t>(t.shape.size()));
    for (auto d = t.shape.rbegin(); d != t.shape.rend(); ++d) append(header, *d);
    append(header, t.type);
    append(header, offset);
    auto padded = checked_align_up(t.size_bytes, alignment_);
    auto next = padded ? checked_add(offset, *padded) : std::nullopt;
    if (!next) return invalid_argument(prefix + " makes the file too large");
    offset = *next;
  }
  header.append((alignment_ - header.size() % alignment_) % alignment_, '\0');
  return {};
}

Status GgufWriter::open(const std::string& path) {
  std::string header;
  FACET_TRY(lay_out(header).with_prefix(path));
  FACET_TRY(file_.open(path));
  return file_.write(header);
}

Status GgufWriter::write(std::span<const std::byte> bytes) {
  FACET_CHECK(n_written_ < tensors_.size(), "more tensors written than announced");
  const std::uint64_t size_bytes = tensors_[n_written_].size_bytes;
  bytes_of_next_ += bytes.size();
  FACET_CHECK(bytes_of_next_ <= size_bytes, "a smaller tensor was announced");
  FACET_TRY(file_.write(bytes));
  if (bytes_of_next_ < size_bytes) return {};
  ++n_written_;
  bytes_of_next_ = 0;
  return file_.write_zeros((alignment_ - size_bytes % alignment_) % alignment_);
}

Status GgufWriter::commit() {
  FACET_CHECK(n_written_ == tensors_.size(), "fewer tensors written than announced");
  return file_.commit();
}

}  // namespace facet
