#include "formats/safetensors/safetensors_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "base/checked.h"
#include "base/limits.h"
#include "base/printable.h"

namespace facet {
namespace {

constexpr std::uint64_t kCacheLine = 64;  // bytes

// As a JSON string; kInvalidArgument when it is not UTF-8.
Status append_quoted(std::string& out, const std::string& text) {
  try {
    out += nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    return invalid_argument("'" + printable(text) + "' is not UTF-8");
  }
  return {};
}

Result<std::uint64_t> size_of(SafetensorsType type, const Shape& shape) {
  if (shape.size() > limits::kMaxDims)
    return invalid_argument(fmt::format("has {} dimensions, at most {}", shape.size(), limits::kMaxDims));
  for (std::int64_t d : shape)
    if (d < 0) return invalid_argument(fmt::format("has a dimension of {}", d));
  const auto size = checked_size(static_cast<std::uint64_t>(element_bytes(type)), shape);
  if (!size) return invalid_argument("has a shape whose size overflows");
  return *size;
}

}  // namespace

void SafetensorsWriter::set_metadata(std::string_view key, std::string_view value) {
  metadata_.insert_or_assign(std::string(key), std::string(value));
}

void SafetensorsWriter::add_tensor(std::string_view name, SafetensorsType type, Shape shape) {
  tensors_.push_back({std::string(name), type, std::move(shape)});
}

Status SafetensorsWriter::lay_out(std::string& header) {
  if (tensors_.size() > limits::kMaxTensors)
    return invalid_argument(fmt::format("{} tensors, at most {}", tensors_.size(), limits::kMaxTensors));
  if (metadata_.size() > limits::kMaxKeys)
    return invalid_argument(fmt::format("{} metadata keys, at most {}", metadata_.size(), limits::kMaxKeys));
  for (Announced& t : tensors_) {
    const std::string prefix = "tensor '" + printable(t.name) + "'";
    if (t.name.empty() || t.name == "__metadata__") return invalid_argument(prefix + " has a name that is not allowed");
    Result<std::uint64_t> size = size_of(t.type, t.shape);
    if (!size.ok()) return invalid_argument(prefix + " " + size.status().message());
    t.size_bytes = *size;
  }
  auto place = [](const Announced& t) {
    return std::make_tuple(t.size_bytes % kCacheLine != 0, -element_bytes(t.type), std::string_view(t.name));
  };
  std::sort(tensors_.begin(), tensors_.end(),
            [&](const Announced& a, const Announced& b) { return place(a) < place(b); });

  header = "{";
  if (!metadata_.empty()) {
    header += R"("__metadata__":{)";
    for (const auto& [key, value] : metadata_) {
      FACET_TRY(append_quoted(header, key));
      header += ':';
      FACET_TRY(append_quoted(header, value));
      header += ',';
    }
    header.back() = '}';
    header += ',';
  }
  std::uint64_t offset = 0;
  for (const Announced& t : tensors_) {
    auto end = checked_add(offset, t.size_bytes);
    if (!end) return invalid_argument("tensor '" + printable(t.name) + "' makes the file too large");
    FACET_TRY(append_quoted(header, t.name));
    header += fmt::format(R"(:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}},)", name_of(t.type),
                          fmt::join(t.shape, ","), offset, *end);
    offset = *end;
    order_.push_back(t.name);
  }
  auto names = order_;
  std::sort(names.begin(), names.end());
  if (auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end())
    return invalid_argument("tensor '" + printable(*twice) + "' is given twice");
  if (header.back() == ',')
    header.back() = '}';
  else
    header += '}';
  const std::uint64_t begin = sizeof(std::uint64_t) + header.size();  // behind the header's own length
  header.append((kCacheLine - begin % kCacheLine) % kCacheLine, ' ');
  if (header.size() > limits::kMaxJsonBytes)
    return invalid_argument(fmt::format("a header of {} bytes, at most {}", header.size(), limits::kMaxJsonBytes));
  return {};
}

Status SafetensorsWriter::open(const std::string& path) {
  std::string header;
  order_.clear();
  FACET_TRY(lay_out(header).with_prefix(path));
  FACET_TRY(file_.open(path));
  std::uint64_t header_bytes = header.size();
  FACET_TRY(file_.write(std::as_bytes(std::span(&header_bytes, 1))));
  return file_.write(header);
}

Status SafetensorsWriter::write(std::span<const std::byte> bytes) {
  FACET_CHECK(n_written_ < tensors_.size(), "more tensors written than announced");
  bytes_of_next_ += bytes.size();
  FACET_CHECK(bytes_of_next_ <= tensors_[n_written_].size_bytes, "a smaller tensor was announced");
  if (bytes_of_next_ == tensors_[n_written_].size_bytes) {
    ++n_written_;
    bytes_of_next_ = 0;
  }
  return file_.write(bytes);
}

Status SafetensorsWriter::commit() {
  FACET_CHECK(n_written_ == tensors_.size(), "fewer tensors written than announced");
  return file_.commit();
}

Status write_safetensors(const std::string& path, std::span<const SafetensorsItem> items,
                         const std::map<std::string, std::string>& metadata) {
  SafetensorsWriter out;
  std::map<std::string_view, std::span<const std::byte>> bytes;
  for (const auto& [key, value] : metadata) out.set_metadata(key, value);
  for (const SafetensorsItem& item : items) {
    Result<std::uint64_t> size = size_of(item.type, item.shape);
    if (size.ok() && *size != item.bytes.size())
      return invalid_argument(fmt::format("{}: tensor '{}' has {} bytes, but {} {} needs {}", path,
                                          printable(item.name), item.bytes.size(), name_of(item.type),
                                          to_string(item.shape), *size));
    out.add_tensor(item.name, item.type, item.shape);
    bytes[item.name] = item.bytes;
  }
  FACET_TRY(out.open(path));
  for (const std::string& name : out.order()) FACET_TRY(out.write(bytes.at(name)));
  return out.commit();
}

}  // namespace facet
