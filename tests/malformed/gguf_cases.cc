#include <cstdint>

#include "malformed.h"

namespace facet::malformed {
namespace {

constexpr std::int32_t kU8 = 0, kU32 = 4, kF32 = 6, kBool = 7, kString = 8, kArray = 9, kU64 = 10;
constexpr std::uint32_t kTypeF32 = 0, kTypeQ4_0 = 2;

// A file: counts, then what `metadata` and `tensors` hold, the padding and `data`.
struct File {
  std::int64_t n_tensors = 0, n_keys = 0;
  Bytes metadata = {}, tensors = {};
  std::string data = {};
  std::uint32_t version = 3;

  std::string text() const {
    Bytes out;
    out.raw("GGUF").put(version).put(n_tensors).put(n_keys).raw(metadata.text()).raw(tensors.text());
    if (n_tensors > 0) out.pad(32);
    return out.raw(data).text();
  }
};

// One metadata pair: its key, then whatever `value` writes.
template <typename F>
std::string with_value(F value, std::string_view key = "k") {
  File file{.n_keys = 1};
  file.metadata.str(key);
  value(file.metadata);
  file.metadata.raw(std::string(32, '\0'));  // so that the count of pairs is plausible
  return file.text();
}

struct TensorEntry {
  std::string name = "t";
  std::vector<std::int64_t> ne = {8};
  std::uint32_t type = kTypeF32;
  std::uint64_t offset = 0;
};

// Tensors of 32 bytes each unless told otherwise.
std::string with_tensors(const std::vector<TensorEntry>& entries, std::size_t data_bytes) {
  File file{.n_tensors = static_cast<std::int64_t>(entries.size())};
  for (const TensorEntry& e : entries) {
    file.tensors.str(e.name).put(static_cast<std::uint32_t>(e.ne.size()));
    for (std::int64_t n : e.ne) file.tensors.put(n);
    file.tensors.put(e.type).put(e.offset);
  }
  file.data.assign(data_bytes, 'd');
  return file.text();
}

std::string with_alignment(std::uint32_t alignment) {
  return with_value([&](Bytes& b) { b.put(kU32).put(alignment); }, "general.alignment");
}

void add_header_cases(std::vector<Case>& out) {
  auto version = [](std::uint32_t v) { return File{.version = v}.text(); };
  auto counts = [](std::int64_t tensors, std::int64_t keys) {
    return File{.n_tensors = tensors, .n_keys = keys}.text();
  };
  out.insert(out.end(),
             {{"empty", "", Code::kCorrupt, "not a GGUF file: it begins with ''"},
              {"magic_cut", "GGU", Code::kCorrupt, "not a GGUF file"},
              {"magic_wrong", "GGML" + version(3).substr(4), Code::kCorrupt, "not a GGUF file: it begins with 'GGML'"},
              {"magic_with_escape", "\x1b[2J" + version(3).substr(4), Code::kCorrupt, "begins with '\\x1b[2J'"},
              {"version_cut", "GGUF\x03", Code::kCorrupt, "ends inside the header"},
              {"version_0", version(0), Code::kCorrupt, "version 0"},
              {"version_1", version(1), Code::kUnsupported, "GGUF version 1, expected 2 or 3"},
              {"version_4", version(4), Code::kUnsupported, "GGUF version 4, expected 2 or 3"},
              {"version_byte_swapped", version(0x03000000), Code::kUnsupported, "big-endian"},
              {"counts_cut", version(3).substr(0, 20), Code::kCorrupt, "ends inside the header"},
              {"tensor_count_beyond_file", counts(1000, 0), Code::kCorrupt,
               "announces 1000 tensors, too many for a file of 32 bytes"},
              {"tensor_count_above_limit", counts(65537, 0), Code::kCorrupt, "at most 65536"},
              {"tensor_count_negative", counts(-1, 0), Code::kCorrupt, "at most 65536"},
              {"tensor_count_wraps", counts(std::int64_t{1} << 59, 0), Code::kCorrupt, "at most 65536"},
              {"key_count_beyond_file", counts(0, 1000), Code::kCorrupt, "announces 1000 metadata keys, too many"},
              {"key_count_above_limit", counts(0, 65537), Code::kCorrupt, "at most 65536"},
              {"key_count_negative", counts(0, INT64_MIN), Code::kCorrupt, "at most 65536"}});
}

void add_metadata_cases(std::vector<Case>& out) {
  auto key_length = [](std::uint64_t n) {
    File file{.n_keys = 1};
    file.metadata.put(n).raw("key with no more than forty bytes after it");
    return file.text();
  };
  File twice{.n_keys = 3};
  for (const char* key : {"a", "b", "a"}) twice.metadata.str(key).put(kU8).put(std::uint8_t{1});
  out.insert(
      out.end(),
      {{"key_empty", with_value([](Bytes& b) { b.put(kU8).put(std::uint8_t{1}); }, ""), Code::kCorrupt,
        "metadata key 0 is empty"},
       {"key_length_past_end", key_length(1000), Code::kCorrupt, "metadata key 0 has 1000 bytes, but only 42 are left"},
       {"key_length_overflow", key_length(UINT64_MAX), Code::kCorrupt, "at most 67108864"},
       {"key_twice", twice.text(), Code::kCorrupt, "key 'a' appears twice"},
       {"value_missing", with_value([](Bytes&) {}).substr(0, 33), Code::kCorrupt, "too many for a file"}});

  auto value = [&](const char* name, auto write, std::string message) {
    out.push_back({name, with_value(write), Code::kCorrupt, std::move(message)});
  };
  value(
      "value_type_13", [](Bytes& b) { b.put(std::int32_t{13}); }, "'k' has the unknown type 13");
  value(
      "value_type_negative", [](Bytes& b) { b.put(std::int32_t{-1}); }, "unknown type -1");
  value(
      "value_bool_2", [](Bytes& b) { b.put(kBool).put(std::uint8_t{2}); }, "bool stored as 2");
  value(
      "string_length_past_end", [](Bytes& b) { b.put(kString).put(std::uint64_t{33}); },
      "has 33 bytes, but only 32 are left");
  value(
      "string_length_above_limit", [](Bytes& b) { b.put(kString).put((std::uint64_t{64} << 20) + 1); },
      "at most 67108864");
  value(
      "string_length_overflow", [](Bytes& b) { b.put(kString).put(UINT64_MAX - 7); }, "at most 67108864");
  value(
      "array_of_arrays", [](Bytes& b) { b.put(kArray).put(kArray).put(std::uint64_t{1}); }, "array of arrays");
  value(
      "array_type_unknown", [](Bytes& b) { b.put(kArray).put(std::int32_t{13}).put(std::uint64_t{1}); },
      "array of the unknown type 13");
  value(
      "array_type_unknown_and_empty", [](Bytes& b) { b.put(kArray).put(std::int32_t{-9}).put(std::uint64_t{0}); },
      "unknown type -9");
  value(
      "array_count_wraps", [](Bytes& b) { b.put(kArray).put(kU64).put(std::uint64_t{1} << 61); },
      "at most 67108864 are allowed");
  value(
      "array_count_negative", [](Bytes& b) { b.put(kArray).put(kF32).put(std::int64_t{-1}); },
      "at most 67108864 are allowed");
  value(
      "array_count_past_end", [](Bytes& b) { b.put(kArray).put(kF32).put(std::uint64_t{9}); },
      "has 9 elements, too many for the 32 bytes left");
  value(
      "array_of_strings_count_past_end", [](Bytes& b) { b.put(kArray).put(kString).put(std::uint64_t{5}); },
      "5 elements, too many");
  value(
      "array_of_strings_element_past_end",
      [](Bytes& b) { b.put(kArray).put(kString).put(std::uint64_t{2}).str("x").put(std::uint64_t{99}); },
      "has 99 bytes, but only");
  value(
      "array_of_bool_2",
      [](Bytes& b) { b.put(kArray).put(kBool).put(std::uint64_t{2}).put(std::uint8_t{1}).put(std::uint8_t{2}); },
      "bool stored as 2");

  for (std::uint32_t a : {0u, 24u, 33u, 131072u, 1u << 31})
    out.push_back(
        {"alignment_" + std::to_string(a), with_alignment(a), Code::kCorrupt, "expected a power of two up to 65536"});
  out.push_back({"alignment_u64", with_value([](Bytes& b) { b.put(kU64).put(std::uint64_t{32}); }, "general.alignment"),
                 Code::kCorrupt, "'general.alignment' is a u64, expected u32"});
}

void add_tensor_cases(std::vector<Case>& out) {
  auto one = [&](const char* name, const TensorEntry& entry, std::string message, Code code = Code::kCorrupt) {
    out.push_back({name, with_tensors({entry}, 64), code, std::move(message)});
  };
  std::string name_64(64, 'n');
  one("name_empty", {.name = ""}, "tensor 0 has an empty name");
  one("name_64_bytes", {.name = name_64}, "has a name of 64 bytes, at most 63");
  one("dims_0", {.ne = {}}, "has 0 dimensions, expected 1 to 4");
  one("dims_5", {.ne = {1, 1, 1, 1, 8}}, "has 5 dimensions, expected 1 to 4");
  one("dim_zero", {.ne = {8, 0}}, "has a dimension of 0");
  one("dim_negative", {.ne = {8, -1}}, "has a dimension of -1");
  one("dim_most_negative", {.ne = {INT64_MIN}}, "has a dimension of -9223372036854775808");
  one("product_overflow_2", {.ne = {std::int64_t{1} << 32, std::int64_t{1} << 32}}, "size overflows");
  one("product_overflow_to_small", {.ne = {8, std::int64_t{1} << 62, 4}}, "size overflows");
  one("product_overflow_row", {.ne = {INT64_MAX}}, "size overflows");
  one("product_huge", {.ne = {std::int64_t{1} << 40, 1 << 20}}, "ends at byte 4611686018427388000");
  one("type_unknown", {.type = 43}, "type 43 is unknown", Code::kUnsupported);
  one("type_negative", {.type = 0xffffffffu}, "type 4294967295 is unknown", Code::kUnsupported);
  for (std::uint32_t retired : {4u, 5u, 31u, 32u, 33u, 36u, 37u, 38u})
    one(("type_retired_" + std::to_string(retired)).c_str(), {.type = retired}, "was retired", Code::kUnsupported);
  one("row_not_of_whole_blocks", {.ne = {33}, .type = kTypeQ4_0},
      "has rows of 33 elements, Q4_0 needs a multiple of 32");
  one("row_not_of_whole_blocks_though_tensor_is", {.ne = {16, 2}, .type = kTypeQ4_0}, "needs a multiple of 32");
  one("offset_of_first_not_0", {.offset = 32}, "leaves a hole of 32 bytes");
  one("data_past_end", {.ne = {17}}, "the file has 128 bytes (truncated download?)");

  auto many = [&](const char* name, const std::vector<TensorEntry>& entries, std::size_t data_bytes,
                  std::string message) {
    out.push_back({name, with_tensors(entries, data_bytes), Code::kCorrupt, std::move(message)});
  };
  many("name_twice", {{.name = "a"}, {.name = "b", .offset = 32}, {.name = "a", .offset = 64}}, 96,
       "tensor 'a' appears twice");
  many("offset_hole", {{.name = "a"}, {.name = "b", .offset = 64}}, 96,
       "offset 64, which leaves a hole of 32 bytes before it; expected 32");
  many("offset_overlap", {{.name = "a", .ne = {16}}, {.name = "b", .offset = 32}}, 96,
       "overlaps the tensor before it; expected 64");
  many("offset_same", {{.name = "a"}, {.name = "b"}}, 64, "overlaps");
  many("offset_misaligned", {{.name = "a"}, {.name = "b", .offset = 40}}, 96, "not a multiple of the alignment 32");
  many("offset_wraps", {{.name = "a"}, {.name = "b", .offset = UINT64_MAX - 31}}, 96, "leaves a hole");
  many("order_reversed", {{.name = "a", .offset = 32}, {.name = "b"}}, 64, "leaves a hole");
  many("data_missing", {{.name = "a"}}, 0, "ends at byte 96 but the file has 64 bytes");
  many("data_of_last_missing", {{.name = "a"}, {.name = "b", .offset = 32}}, 32, "tensor 'b' ends at byte");

  Bytes cut;
  cut.put(std::uint64_t{1}).raw("t").put(std::uint32_t{4}).raw(std::string(20, '\1'));
  File file{.n_tensors = 1};
  file.tensors = cut;
  std::string text = "GGUF" + file.text().substr(4, 20) + cut.text();
  out.push_back({"entry_cut", text, Code::kCorrupt, "ends inside the entry of tensor 't'"});
  File long_name{.n_tensors = 1};
  long_name.tensors.put(UINT64_MAX).raw(std::string(40, 'x'));
  out.push_back({"name_length_overflow", long_name.text(), Code::kCorrupt, "at most 67108864"});
}

template <typename T>
void put_pair(Bytes& out, std::int32_t type, T value) {
  std::string key = "scalar." + std::to_string(type);
  out.str(key).put(type).put(value);
  out.str("array." + std::to_string(type)).put(kArray).put(type).put(std::uint64_t{3}).put(value).put(T{0}).put(value);
  out.str("empty." + std::to_string(type)).put(kArray).put(type).put(std::uint64_t{0});
}

}  // namespace

std::string good_gguf() {
  File file{.n_tensors = 3, .n_keys = 3 * 12};
  Bytes& m = file.metadata;
  put_pair<std::uint8_t>(m, 0, 200);
  put_pair<std::int8_t>(m, 1, -100);
  put_pair<std::uint16_t>(m, 2, 65535);
  put_pair<std::int16_t>(m, 3, -32768);
  put_pair<std::uint32_t>(m, 4, 4294967295u);
  put_pair<std::int32_t>(m, 5, -2147483647);
  put_pair<float>(m, 6, 1.5f);
  put_pair<bool>(m, 7, true);
  put_pair<std::uint64_t>(m, 10, UINT64_MAX);
  put_pair<std::int64_t>(m, 11, INT64_MIN);
  put_pair<double>(m, 12, -0.1);
  m.str("scalar.8").put(kString).str("gemma");
  m.str("array.8").put(kArray).put(kString).put(std::uint64_t{3}).str("a").str("").str("\xe2\x96\x81the");
  m.str("empty.8").put(kArray).put(kString).put(std::uint64_t{0});

  auto tensor = [&](const char* name, std::vector<std::int64_t> ne, std::uint32_t type, std::uint64_t offset) {
    file.tensors.str(name).put(static_cast<std::uint32_t>(ne.size()));
    for (std::int64_t n : ne) file.tensors.put(n);
    file.tensors.put(type).put(offset);
  };
  tensor("blk.0.attn_q.weight", {32, 3}, kTypeQ4_0, 0);  // 54 bytes
  tensor("blk.0.attn_norm.weight", {5}, kTypeF32, 64);   // 20 bytes
  tensor("experts", {2, 3, 4, 1}, 30 /* BF16 */, 96);    // 48 bytes
  Bytes data;
  for (int i = 0; i < 160; ++i) {
    bool padding = (i >= 54 && i < 64) || (i >= 84 && i < 96) || i >= 144;
    data.put(static_cast<std::uint8_t>(padding ? 0 : i + 1));
  }
  file.data = data.text();
  return file.text();
}

std::vector<Case> gguf_cases() {
  std::vector<Case> out;
  add_header_cases(out);
  add_metadata_cases(out);
  add_tensor_cases(out);
  return out;
}

}  // namespace facet::malformed
