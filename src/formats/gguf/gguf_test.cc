#include "formats/gguf/gguf.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>

#include "formats/gguf/gguf_writer.h"

namespace facet {
namespace {

class GgufTest : public testing::Test {
 protected:
  GgufTest() {
    folder_ = std::filesystem::temp_directory_path() / ("facet_gguf_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  ~GgufTest() override { std::filesystem::remove_all(folder_); }
  std::string path(const char* name) const { return (folder_ / name).string(); }
  static std::string slurp(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
  }

  std::filesystem::path folder_;
};

// Writes `file` again, in its own order.
Status rewrite(const GgufFile& file, const std::string& path) {
  GgufWriter out;
  for (const GgufEntry& e : file.metadata) out.add(e.key, e.value);
  for (const GgufTensor& t : file.tensors) out.add_tensor(t.name, t.type, t.shape);
  FACET_TRY(out.open(path));
  for (const GgufTensor& t : file.tensors) FACET_TRY(out.write(t.bytes));
  return out.commit();
}

TEST_F(GgufTest, BytesAreAsTheFormatSays) {
  GgufWriter out;
  out.add("n", std::uint32_t{7});
  out.add("s", std::string_view("hi"));
  out.add("b", std::vector<bool>{true, false});
  out.add_tensor("w", GgmlType::kF16, {2, 3});
  out.add_tensor("v", GgmlType::kF32, {1});
  ASSERT_TRUE(out.open(path("a.gguf")).ok());
  ASSERT_TRUE(out.write(bytes_of("twelve bytes")).ok());
  ASSERT_TRUE(out.write(bytes_of("four")).ok());
  ASSERT_TRUE(out.commit().ok());

  using namespace std::string_literals;
  std::string expected =
      "GGUF\3\0\0\0\2\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0"s             // magic, version, 2 tensors, 3 pairs
      "\1\0\0\0\0\0\0\0n\4\0\0\0\7\0\0\0"s                        // u32
      "\1\0\0\0\0\0\0\0s\x08\0\0\0\2\0\0\0\0\0\0\0hi"s            // string
      "\1\0\0\0\0\0\0\0b\x09\0\0\0\7\0\0\0\2\0\0\0\0\0\0\0\1\0"s  // array of bool
      "\1\0\0\0\0\0\0\0w\2\0\0\0\3\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0"s  // the fast dimension first
      "\1\0\0\0\0\0\0\0v\1\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\x20\0\0\0\0\0\0\0"s;               // offset 32
  expected.append((32 - expected.size() % 32) % 32, '\0');
  expected += "twelve bytes" + std::string(20, '\0') + "four" + std::string(28, '\0');
  EXPECT_EQ(slurp(path("a.gguf")), expected);
}

TEST_F(GgufTest, EveryValueTypeSurvivesARoundTrip) {
  GgufWriter out;
  out.add("u8", std::uint8_t{255});
  out.add("i8", std::int8_t{-128});
  out.add("u16", std::uint16_t{65535});
  out.add("i16", std::int16_t{-32768});
  out.add("u32", std::uint32_t{4294967295u});
  out.add("i32", std::int32_t{-5});
  out.add("f32", 0.1f);
  out.add("bool", true);
  out.add("string", std::string_view("\xe2\x96\x81\0x", 5));
  out.add("u64", std::numeric_limits<std::uint64_t>::max());
  out.add("i64", std::numeric_limits<std::int64_t>::min());
  out.add("f64", 0.1);
  out.add("a.u8", std::vector<std::uint8_t>{1, 2});
  out.add("a.i8", std::vector<std::int8_t>{-1});
  out.add("a.u16", std::vector<std::uint16_t>{3});
  out.add("a.i16", std::vector<std::int16_t>{-3});
  out.add("a.u32", std::vector<std::uint32_t>{});
  out.add("a.i32", std::vector<std::int32_t>{6144, 12288});
  out.add("a.f32", std::vector<float>{0.5f, -1});
  out.add("a.bool", std::vector<bool>{true, true, false});
  out.add("a.string", std::vector<std::string_view>{"a", "", "bc"});
  out.add("a.u64", std::vector<std::uint64_t>{std::numeric_limits<std::uint64_t>::max()});
  out.add("a.i64", std::vector<std::int64_t>{-9});
  out.add("a.f64", std::vector<double>{0.25});
  ASSERT_TRUE(out.open(path("a.gguf")).ok());
  ASSERT_TRUE(out.commit().ok());

  auto file = read_gguf(path("a.gguf"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_EQ(file->metadata.size(), std::variant_size_v<GgufValue>);
  for (std::size_t i = 0; i < file->metadata.size(); ++i) {  // added in the order of the variant
    EXPECT_EQ(file->metadata[i].value.index(), i);
    std::string key(file->metadata[i].key), type(type_name(file->metadata[i].value));
    EXPECT_EQ(key.starts_with("a.") ? "array of " + key.substr(2) : key, type);
  }
  EXPECT_EQ(file->get_int("u64").status().code(), Code::kCorrupt);  // does not fit an int64
  EXPECT_EQ(*file->get_int("i64"), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(*file->get_string("string"), std::string_view("\xe2\x96\x81\0x", 5));
  EXPECT_EQ(*file->get_ints("a.i32"), (std::vector<std::int64_t>{6144, 12288}));
  EXPECT_EQ(*file->get_bools("a.bool"), (std::vector<bool>{true, true, false}));
  EXPECT_EQ(*file->get_floats("a.f64"), (std::vector<float>{0.25f}));
  EXPECT_EQ((*file->get_strings("a.string"))[2], "bc");

  ASSERT_TRUE(rewrite(*file, path("b.gguf")).ok());
  EXPECT_EQ(slurp(path("a.gguf")), slurp(path("b.gguf")));
}

TEST_F(GgufTest, EveryTensorTypeIsListedAndCopied) {
  GgufWriter out;
  std::vector<std::string> data;
  std::vector<GgmlType> types;
  for (std::uint32_t id = 0; id < 100; ++id) {
    const GgmlTypeInfo* info = ggml_type_info(id);
    if (!info) continue;
    EXPECT_FALSE(ggml_type_retired(id));
    types.push_back(static_cast<GgmlType>(id));
    out.add_tensor("t." + std::string(info->name), types.back(), {3, info->block});
    data.emplace_back(3 * info->block_bytes, static_cast<char>(id + 1));
  }
  EXPECT_EQ(types.size(), 35u);
  ASSERT_TRUE(out.open(path("a.gguf")).ok());
  for (const std::string& d : data) ASSERT_TRUE(out.write(bytes_of(d)).ok());
  ASSERT_TRUE(out.commit().ok());
  EXPECT_EQ(std::filesystem::file_size(path("a.gguf")) % 32, 0u);

  auto file = read_gguf(path("a.gguf"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  int decoded = 0;
  for (std::size_t i = 0; i < types.size(); ++i) {
    const GgufTensor& t = file->tensors[i];
    EXPECT_EQ(t.type, types[i]);
    EXPECT_EQ(t.file_offset % 32, 0u);
    ASSERT_EQ(t.bytes.size(), data[i].size());
    EXPECT_EQ(std::memcmp(t.bytes.data(), data[i].data(), data[i].size()), 0);
    EXPECT_EQ(file->find_tensor(t.name), &t);
    auto stored = file->tensor(t.name);
    EXPECT_EQ(stored.ok(), dtype_of(t.type).has_value());
    if (!stored.ok()) {
      EXPECT_EQ(stored.status().code(), Code::kUnsupported);
      EXPECT_NE(stored.status().message().find(ggml_type_name(t.type)), std::string::npos);
      continue;
    }
    ++decoded;
    EXPECT_EQ(ggml_type_of(stored->view.dtype), t.type);
    EXPECT_EQ(info(stored->view.dtype).block_bytes, ggml_type_info(t.type)->block_bytes);
    EXPECT_EQ(stored->view.bytes.data(), t.bytes.data());  // in place
    EXPECT_EQ(stored->owner, file->owner);
  }
  EXPECT_EQ(decoded, 13);
  ASSERT_TRUE(rewrite(*file, path("b.gguf")).ok());
  EXPECT_EQ(slurp(path("a.gguf")), slurp(path("b.gguf")));
}

TEST_F(GgufTest, ViewsOutliveTheFileStruct) {
  GgufWriter out;
  out.add_tensor("w", GgmlType::kF32, {1, 2});
  ASSERT_TRUE(out.open(path("a.gguf")).ok());
  float values[] = {1.5f, -2.0f};
  ASSERT_TRUE(out.write(std::as_bytes(std::span(values))).ok());
  ASSERT_TRUE(out.commit().ok());
  StoredTensor w;
  {
    auto file = read_gguf(path("a.gguf"));
    ASSERT_TRUE(file.ok());
    w = *file->tensor("w");
  }
  EXPECT_EQ(w.view.shape, (Shape{1, 2}));
  EXPECT_EQ(reinterpret_cast<const float*>(w.view.bytes.data())[1], -2.0f);
}

TEST_F(GgufTest, GettersNameKeyAndTypes) {
  GgufWriter out;
  out.add("a.string", "text");
  out.add("a.count", std::uint32_t{4});
  out.add("a.negative", -3);
  out.add("a.float", 0.5f);
  out.add("a.list", std::vector<std::int32_t>{1, 2, 3});
  out.add("a.huge", std::vector<std::uint64_t>{std::uint64_t{1} << 63});
  ASSERT_TRUE(out.open(path("a.gguf")).ok());
  ASSERT_TRUE(out.commit().ok());
  GgufFile file = *read_gguf(path("a.gguf"));

  EXPECT_EQ(*file.get_int("a.count"), 4);
  EXPECT_EQ(*file.get_int("a.negative"), -3);
  EXPECT_EQ(*file.get_int("absent", 9), 9);
  EXPECT_EQ(*file.get_float("a.float"), 0.5);
  EXPECT_EQ(*file.get_float("absent", 30.0), 30.0);
  EXPECT_EQ(*file.get_bool("absent", true), true);
  EXPECT_EQ(*file.get_string("absent", "x"), "x");
  EXPECT_EQ(*file.get_ints_of("a.count", 3), (std::vector<std::int64_t>{4, 4, 4}));
  EXPECT_EQ(*file.get_ints_of("a.list", 3), (std::vector<std::int64_t>{1, 2, 3}));

  auto expect = [&](const Status& status, Code code, const std::string& message) {
    EXPECT_EQ(status.code(), code);
    EXPECT_EQ(status.message(), path("a.gguf") + ": " + message);
  };
  expect(file.get_int("absent").status(), Code::kNotFound, "key 'absent' is missing");
  expect(file.get_int("a.string").status(), Code::kCorrupt, "key 'a.string' is of type string, expected an integer");
  expect(file.get_int("a.string", 5).status(), Code::kCorrupt, "key 'a.string' is of type string, expected an integer");
  expect(file.get_int("a.list").status(), Code::kCorrupt, "key 'a.list' is of type array of i32, expected an integer");
  expect(file.get_float("a.count").status(), Code::kCorrupt, "key 'a.count' is of type u32, expected f32 or f64");
  expect(file.get_bool("a.count").status(), Code::kCorrupt, "key 'a.count' is of type u32, expected bool");
  expect(file.get_string("a.count").status(), Code::kCorrupt, "key 'a.count' is of type u32, expected string");
  expect(file.get_strings("a.list").status(), Code::kCorrupt,
         "key 'a.list' is of type array of i32, expected an array of string");
  expect(file.get_ints("a.count").status(), Code::kCorrupt,
         "key 'a.count' is of type u32, expected an array of integers");
  expect(file.get_ints("a.string").status(), Code::kCorrupt,
         "key 'a.string' is of type string, expected an array of integers");
  expect(file.get_ints("a.huge").status(), Code::kCorrupt,
         "key 'a.huge' is 9223372036854775808, which is out of range");
  expect(file.get_floats("a.list").status(), Code::kCorrupt,
         "key 'a.list' is of type array of i32, expected an array of f32 or f64");
  expect(file.get_bools("a.list").status(), Code::kCorrupt,
         "key 'a.list' is of type array of i32, expected an array of bool");
  expect(file.get_ints_of("a.list", 4).status(), Code::kCorrupt, "key 'a.list' has 3 values, expected 4");
  expect(file.tensor("w").status(), Code::kNotFound, "tensor 'w' is missing");
}

TEST_F(GgufTest, Version2ReadsLike3AndAlignmentIsObeyed) {
  GgufWriter out;
  out.add("general.alignment", std::uint32_t{1});
  out.add("pad", std::string_view("odd"));
  out.add_tensor("codes", static_cast<GgmlType>(24), {3});  // I8
  out.add_tensor("w", GgmlType::kF32, {2});
  ASSERT_TRUE(out.open(path("a.gguf")).ok());
  ASSERT_TRUE(out.write(bytes_of("abc")).ok());
  float values[] = {3.0f, 4.0f};
  ASSERT_TRUE(out.write(std::as_bytes(std::span(values))).ok());
  ASSERT_TRUE(out.commit().ok());
  std::string text = slurp(path("a.gguf"));
  text[4] = 2;
  auto file = parse_gguf(bytes_of(text), "two", nullptr);
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->version, 2u);
  EXPECT_EQ(file->alignment, 1u);
  // Wherever the floats lie, the view of them is aligned.
  for (std::size_t shift = 0; shift < 4; ++shift) {
    std::string moved = std::string(shift, 'x') + text;
    auto again = parse_gguf(bytes_of(moved).subspan(shift), "moved", nullptr);
    ASSERT_TRUE(again.ok());
    StoredTensor w = *again->tensor("w");
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(w.view.bytes.data()) % 4, 0u);
    EXPECT_EQ(reinterpret_cast<const float*>(w.view.bytes.data())[1], 4.0f);
  }
}

TEST_F(GgufTest, WriterRefusesWhatTheReaderWould) {
  auto expect_refused = [&](GgufWriter& out, const std::string& message) {
    Status status = out.open(path("bad.gguf"));
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_NE(status.message().find(message), std::string::npos) << status.message();
    EXPECT_TRUE(std::filesystem::is_empty(folder_));
  };
  auto with_tensor = [&](std::string name, GgmlType type, Shape shape, const std::string& message) {
    GgufWriter out;
    out.add_tensor(name, type, shape);
    expect_refused(out, message);
  };
  with_tensor(std::string(64, 'n'), GgmlType::kF32, {1}, "a name of 64 bytes");
  with_tensor("", GgmlType::kF32, {1}, "a name of 0 bytes");
  with_tensor("t", GgmlType::kF32, {}, "has 0 dimensions");
  with_tensor("t", GgmlType::kF32, {1, 1, 1, 1, 1}, "has 5 dimensions");
  with_tensor("t", GgmlType::kF32, {2, 0}, "a dimension of 0");
  with_tensor("t", GgmlType::kQ4_0, {2, 33}, "a multiple of 32");
  with_tensor("t", GgmlType::kF32, {std::int64_t{1} << 40, std::int64_t{1} << 40}, "overflows");
  with_tensor("t", static_cast<GgmlType>(4), {32}, "retired");
  GgufWriter same_key, same_name, alignment, empty_key;
  same_key.add("k", 1);
  same_key.add("k", 2);
  expect_refused(same_key, "key 'k' is given twice");
  same_name.add_tensor("t", GgmlType::kF32, {1});
  same_name.add_tensor("t", GgmlType::kF16, {1});
  expect_refused(same_name, "tensor 't' is given twice");
  alignment.add("general.alignment", std::uint32_t{24});
  expect_refused(alignment, "power of two");
  empty_key.add("", 1);
  expect_refused(empty_key, "has 0 bytes");
}

TEST_F(GgufTest, AnUnfinishedFileIsNeverSeen) {
  {
    std::ofstream(path("a.gguf")) << "old";
    GgufWriter out;
    out.add_tensor("t", GgmlType::kF32, {1});
    ASSERT_TRUE(out.open(path("a.gguf")).ok());
  }
  EXPECT_EQ(slurp(path("a.gguf")), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(GgufTest, AFileThatIsNotThere) {
  EXPECT_EQ(read_gguf(path("absent.gguf")).status().code(), Code::kNotFound);
  EXPECT_EQ(read_gguf(folder_.string()).status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace facet
