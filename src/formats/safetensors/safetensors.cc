#include "formats/safetensors/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <tuple>
#include <utility>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/limits.h"
#include "base/mapped_file.h"
#include "base/printable.h"
#include "formats/name_order.h"
#include "formats/safetensors/header_json.h"

namespace facet {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are used as they lie in the file");

// The tensors, in order of their offsets, must cover the data exactly.
Status check_cover(std::vector<HeaderEntry>& entries, std::uint64_t data_bytes) {
  std::sort(entries.begin(), entries.end(), [](const HeaderEntry& a, const HeaderEntry& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  });
  std::uint64_t at = 0;
  for (const HeaderEntry& e : entries) {
    auto bad = [&](const std::string& what) { return corrupt("tensor '" + printable(e.name) + "' " + what); };
    const auto size = checked_size(static_cast<std::uint64_t>(element_bytes(e.type)), e.shape);
    if (!size) return bad("has a shape whose size overflows");
    if (e.begin > e.end) return bad(fmt::format("ends at {} before it begins at {}", e.end, e.begin));
    if (e.end > data_bytes)
      return bad(fmt::format("ends at byte {} of the data but there are {} (truncated download?)", e.end, data_bytes));
    if (e.end - e.begin != *size)
      return bad(
          fmt::format("has {} bytes, but {} {} needs {}", e.end - e.begin, name_of(e.type), to_string(e.shape), *size));
    if (e.begin < at) return bad(fmt::format("begins at byte {} of the data, inside the tensor before it", e.begin));
    if (e.begin > at)
      return bad(fmt::format("begins at byte {} of the data, which leaves a hole from {}", e.begin, at));
    at = e.end;
  }
  if (at != data_bytes) return corrupt(fmt::format("{} bytes of data belong to no tensor", data_bytes - at));
  return {};
}

}  // namespace

const SafetensorsTensor* SafetensorsFile::find(std::string_view name) const {
  auto it = std::lower_bound(tensors.begin(), tensors.end(), name,
                             [](const SafetensorsTensor& t, std::string_view wanted) { return t.name < wanted; });
  return it != tensors.end() && it->name == name ? &*it : nullptr;
}

Result<StoredTensor> SafetensorsFile::tensor(std::string_view name) const {
  const SafetensorsTensor* t = find(name);
  if (!t)
    return not_found(
        fmt::format("{}: tensor '{}' is missing", files.empty() ? "" : files.front().path, printable(name)));
  auto dtype = dtype_of(t->type);
  if (!dtype)
    return unsupported(fmt::format("{}: tensor '{}' is {}, expected F32, F16 or BF16", files[t->file].path,
                                   printable(name), name_of(t->type)));
  return make_stored_tensor(*dtype, t->shape, t->bytes, owner(*t));
}

Result<SafetensorsFile> parse_safetensors(std::span<const std::byte> bytes, std::string path,
                                          std::shared_ptr<const void> owner) {
  ByteReader reader(bytes);
  auto header_bytes = reader.read<std::uint64_t>();
  if (reader.failed())
    return corrupt(
        fmt::format("{}: {} bytes are too few for a safetensors file (truncated download?)", path, bytes.size()));
  if (header_bytes > limits::kMaxJsonBytes)
    return corrupt(
        fmt::format("{} @0x0: announces a header of {} bytes, at most {} are allowed (is it a safetensors file?)", path,
                    header_bytes, limits::kMaxJsonBytes));
  if (header_bytes > reader.remaining())
    return corrupt(fmt::format("{} @0x0: announces a header of {} bytes, but only {} are left (truncated download?)",
                               path, header_bytes, reader.remaining()));
  std::string_view json = reader.take_string(header_bytes);
  if (!json.starts_with('{'))
    return corrupt(fmt::format("{} @0x8: the header of {} bytes does not begin with '{{'", path, header_bytes));
  auto data = reader.take(reader.remaining());

  Result<SafetensorsHeader> header = parse_safetensors_header(json);
  if (!header.ok()) return header.status().with_prefix(path);
  FACET_TRY(check_cover(header->entries, data.size()).with_prefix(path));

  SafetensorsFile file;
  file.metadata = std::move(header->metadata);
  file.tensors.reserve(header->entries.size());
  for (HeaderEntry& e : header->entries)
    file.tensors.push_back({std::move(e.name), e.type, std::move(e.shape), data.subspan(e.begin, e.end - e.begin), 0});
  std::sort(file.tensors.begin(), file.tensors.end(),
            [](const SafetensorsTensor& a, const SafetensorsTensor& b) { return a.name < b.name; });
  for (std::size_t i = 1; i < file.tensors.size(); ++i)
    if (file.tensors[i - 1].name == file.tensors[i].name)
      return corrupt(fmt::format("{}: tensor '{}' appears twice", path, printable(file.tensors[i].name)));
  file.files.push_back({std::move(path), std::move(owner), nullptr});
  return file;
}

Result<SafetensorsFile> read_safetensors(const std::string& path) {
  FACET_ASSIGN(MappedFile mapped, MappedFile::open(path));
  auto file = std::make_shared<const MappedFile>(std::move(mapped));
  FACET_ASSIGN(SafetensorsFile parsed, parse_safetensors(file->bytes(), path, file));
  parsed.files.front().mapping = std::move(file);
  return parsed;
}

}  // namespace facet
