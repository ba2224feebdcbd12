// Looking things up in a GgufFile; gguf_parse.cc makes one.
#include "formats/gguf/gguf.h"

#include <fmt/format.h>

#include <type_traits>
#include <utility>

#include "base/checked.h"
#include "base/printable.h"
#include "formats/name_order.h"

namespace facet {
namespace {

template <typename T>
inline constexpr bool kIsInteger = std::is_integral_v<T> && !std::is_same_v<T, bool>;

Status missing(const GgufFile& file, std::string_view key) {
  return not_found(fmt::format("{}: key '{}' is missing", file.path, printable(key)));
}

Status wrong_type(const GgufFile& file, std::string_view key, const GgufValue& value, const char* expected) {
  return corrupt(
      fmt::format("{}: key '{}' is of type {}, expected {}", file.path, printable(key), type_name(value), expected));
}

// The value when it is exactly a T.
template <typename T>
Result<T> get_exact(const GgufFile& file, std::string_view key, const std::optional<T>& fallback,
                    const char* expected) {
  const GgufValue* value = file.find(key);
  if (!value) return fallback ? Result<T>(*fallback) : missing(file, key);
  if (const T* exact = std::get_if<T>(value)) return *exact;
  return wrong_type(file, key, *value, expected);
}

Status too_large(const GgufFile& file, std::string_view key, std::uint64_t value) {
  return corrupt(fmt::format("{}: key '{}' is {}, which is out of range", file.path, printable(key), value));
}

}  // namespace

const GgufValue* GgufFile::find(std::string_view key) const {
  const GgufEntry* entry = find_by_name(metadata, keys_by_name, key, [](const GgufEntry& e) { return e.key; });
  return entry ? &entry->value : nullptr;
}

const GgufTensor* GgufFile::find_tensor(std::string_view name) const {
  return find_by_name(tensors, tensors_by_name, name, [](const GgufTensor& t) { return t.name; });
}

Result<std::int64_t> GgufFile::get_int(std::string_view key, std::optional<std::int64_t> fallback) const {
  const GgufValue* value = find(key);
  if (!value) return fallback ? Result<std::int64_t>(*fallback) : missing(*this, key);
  return std::visit(
      [&]<typename T>(const T& v) -> Result<std::int64_t> {
        if constexpr (kIsInteger<T>) {
          if (auto n = checked_narrow<std::int64_t>(v)) return *n;
          return too_large(*this, key, static_cast<std::uint64_t>(v));
        } else {
          return wrong_type(*this, key, *value, "an integer");
        }
      },
      *value);
}

Result<double> GgufFile::get_float(std::string_view key, std::optional<double> fallback) const {
  const GgufValue* value = find(key);
  if (!value) return fallback ? Result<double>(*fallback) : missing(*this, key);
  if (const auto* f = std::get_if<float>(value)) return static_cast<double>(*f);
  if (const auto* d = std::get_if<double>(value)) return *d;
  return wrong_type(*this, key, *value, "f32 or f64");
}

Result<bool> GgufFile::get_bool(std::string_view key, std::optional<bool> fallback) const {
  return get_exact<bool>(*this, key, fallback, "bool");
}

Result<std::string_view> GgufFile::get_string(std::string_view key, std::optional<std::string_view> fallback) const {
  return get_exact<std::string_view>(*this, key, fallback, "string");
}

Result<std::vector<std::int64_t>> GgufFile::get_ints(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value) return missing(*this, key);
  return std::visit(
      [&]<typename T>(const T& v) -> Result<std::vector<std::int64_t>> {
        if constexpr (requires {
                        requires kIsInteger<typename T::value_type>;
                        typename T::allocator_type;
                      }) {
          std::vector<std::int64_t> out;
          out.reserve(v.size());
          for (auto element : v) {
            auto n = checked_narrow<std::int64_t>(element);
            if (!n) return too_large(*this, key, static_cast<std::uint64_t>(element));
            out.push_back(*n);
          }
          return out;
        } else {
          return wrong_type(*this, key, *value, "an array of integers");
        }
      },
      *value);
}

Result<std::vector<float>> GgufFile::get_floats(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value) return missing(*this, key);
  if (const auto* f = std::get_if<std::vector<float>>(value)) return *f;
  if (const auto* d = std::get_if<std::vector<double>>(value)) return std::vector<float>(d->begin(), d->end());
  return wrong_type(*this, key, *value, "an array of f32 or f64");
}

Result<std::vector<bool>> GgufFile::get_bools(std::string_view key) const {
  return get_exact<std::vector<bool>>(*this, key, std::nullopt, "an array of bool");
}

Result<std::span<const std::string_view>> GgufFile::get_strings(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value) return missing(*this, key);
  if (const auto* strings = std::get_if<std::vector<std::string_view>>(value))
    return std::span<const std::string_view>(*strings);
  return wrong_type(*this, key, *value, "an array of string");
}

Result<std::vector<std::int64_t>> GgufFile::get_ints_of(std::string_view key, std::size_t n) const {
  if (Result<std::int64_t> one = get_int(key); one.ok()) return std::vector<std::int64_t>(n, *one);
  Result<std::vector<std::int64_t>> many = get_ints(key);
  if (many.ok() && many->size() != n)
    return corrupt(fmt::format("{}: key '{}' has {} values, expected {}", path, printable(key), many->size(), n));
  return many;
}

Result<StoredTensor> GgufFile::tensor(std::string_view name) const {
  const GgufTensor* t = find_tensor(name);
  if (!t) return not_found(fmt::format("{}: tensor '{}' is missing", path, printable(name)));
  auto dtype = dtype_of(t->type);
  if (!dtype)
    return unsupported(
        fmt::format("{}: tensor '{}' is {}, expected F32, F16, BF16, Q8_0 or Q4_0; convert the model again "
                    "with one of these",
                    path, printable(name), ggml_type_name(t->type)));
  return make_stored_tensor(*dtype, t->shape, t->bytes, owner);
}

}  // namespace facet
