#include "formats/safetensors/safetensors.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "formats/safetensors/safetensors_writer.h"

namespace facet {
namespace {

class SafetensorsTest : public testing::Test {
 protected:
  SafetensorsTest() {
    folder_ = std::filesystem::temp_directory_path() / ("facet_safetensors_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  ~SafetensorsTest() override { std::filesystem::remove_all(folder_); }
  std::string path(const char* name) const { return (folder_ / name).string(); }
  void put(const char* name, std::string_view text) const { std::ofstream(path(name), std::ios::binary) << text; }
  static std::string slurp(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
  }

  std::filesystem::path folder_;
};

TEST_F(SafetensorsTest, BytesAreAsTheFormatSays) {
  std::vector<SafetensorsItem> items = {{"b", SafetensorsType::kU8, {3}, bytes_of("bbb")},
                                        {"a", SafetensorsType::kU8, {1, 1}, bytes_of("a")},
                                        {"z\"", SafetensorsType::kF32, {}, bytes_of("zzzz")}};
  ASSERT_TRUE(write_safetensors(path("a.safetensors"), items, {{"format", "pt"}}).ok());
  using namespace std::string_literals;
  std::string header =
      R"({"__metadata__":{"format":"pt"},"z\"":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
      R"("a":{"dtype":"U8","shape":[1,1],"data_offsets":[4,5]},"b":{"dtype":"U8","shape":[3],"data_offsets":[5,8]}})";
  header.append(64 - (8 + header.size()) % 64, ' ');
  std::string length = "\0\0\0\0\0\0\0\0"s;
  length[0] = static_cast<char>(header.size());
  ASSERT_LT(header.size(), 256u);
  EXPECT_EQ(slurp(path("a.safetensors")), length + header + "zzzzabbb");

  std::reverse(items.begin(), items.end());  // the order of calls does not matter
  ASSERT_TRUE(write_safetensors(path("b.safetensors"), items, {{"format", "pt"}}).ok());
  EXPECT_EQ(slurp(path("a.safetensors")), slurp(path("b.safetensors")));
}

TEST_F(SafetensorsTest, MatricesBeginAtCacheLines) {
  const std::string odd(7, 'o'), line(64, 'l'), lines(192, 'm'), number(4, 'n');
  const std::vector<SafetensorsItem> items = {{"a.scale", SafetensorsType::kF32, {}, bytes_of(number)},
                                              {"b.codes", SafetensorsType::kU8, {3, 64}, bytes_of(lines)},
                                              {"c.odd", SafetensorsType::kI8, {7}, bytes_of(odd)},
                                              {"d.vector", SafetensorsType::kF32, {16}, bytes_of(line)}};
  for (const char* note : {"", "a longer header", "one that is longer again, by more than a cache line of 64 bytes"}) {
    ASSERT_TRUE(write_safetensors(path("a.safetensors"), items, {{"note", note}}).ok());
    const std::string bytes = slurp(path("a.safetensors"));
    EXPECT_EQ((bytes.size() - 64 - 192 - 4 - 7) % 64, 0u);  // where data begins
    EXPECT_TRUE(bytes.ends_with(line + lines + number + odd));
  }
}

TEST_F(SafetensorsTest, EveryTypeSurvivesARoundTrip) {
  std::vector<std::string> data;
  std::vector<SafetensorsItem> items;
  for (int i = 0; i <= static_cast<int>(SafetensorsType::kC64); ++i)
    data.emplace_back(3 * element_bytes(SafetensorsType(i)), char('A' + i));
  for (int i = 0; i <= static_cast<int>(SafetensorsType::kC64); ++i) {
    auto type = static_cast<SafetensorsType>(i);
    EXPECT_EQ(safetensors_type(name_of(type)), type);
    items.push_back({"t." + std::string(name_of(type)), type, {3, 1}, bytes_of(data[i])});
  }
  items.push_back({"none", SafetensorsType::kBF16, {0, 7}, {}});
  std::map<std::string, std::string> metadata = {{"facet.scheme", "mobile"}, {"quote", "\"\n\\ \xc3\xa9"}};
  ASSERT_TRUE(write_safetensors(path("a.safetensors"), items, metadata).ok());

  auto file = read_safetensors(path("a.safetensors"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->metadata, metadata);
  EXPECT_EQ(file->tensors.size(), items.size());
  for (const SafetensorsItem& item : items) {
    const SafetensorsTensor* t = file->find(item.name);
    ASSERT_NE(t, nullptr) << item.name;
    EXPECT_EQ(t->type, item.type);
    EXPECT_EQ(t->shape, item.shape);
    EXPECT_TRUE(std::ranges::equal(t->bytes, item.bytes));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(t->bytes.data()) % element_bytes(t->type), 0u) << item.name;
    auto stored = file->tensor(item.name);
    EXPECT_EQ(stored.ok(), dtype_of(item.type).has_value());
    if (stored.ok()) {
      EXPECT_EQ(safetensors_type_of(stored->view.dtype), item.type);
      EXPECT_EQ(stored->view.bytes.data(), t->bytes.data());
    } else {
      EXPECT_EQ(stored.status().code(), Code::kUnsupported);
      EXPECT_NE(stored.status().message().find(name_of(item.type)), std::string::npos);
    }
  }
  EXPECT_EQ(file->find("absent"), nullptr);
  EXPECT_EQ(file->tensor("absent").status().code(), Code::kNotFound);

  std::vector<SafetensorsItem> again;
  for (const SafetensorsTensor& t : file->tensors) again.push_back({t.name, t.type, t.shape, t.bytes});
  ASSERT_TRUE(write_safetensors(path("b.safetensors"), again, file->metadata).ok());
  EXPECT_EQ(slurp(path("a.safetensors")), slurp(path("b.safetensors")));
}

TEST_F(SafetensorsTest, EmptyFile) {
  ASSERT_TRUE(write_safetensors(path("a.safetensors"), {}).ok());
  EXPECT_EQ(slurp(path("a.safetensors")), std::string("\x38\0\0\0\0\0\0\0{}", 10) + std::string(54, ' '));
  auto file = read_safetensors(path("a.safetensors"));
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE(file->tensors.empty());
}

// Others write odd-sized tensors before wide ones; what we hand out is aligned all the same.
TEST_F(SafetensorsTest, MisalignedFloatsAreCopied) {
  std::string json =
      R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"w":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}})";
  std::string text(8, '\0');
  text[0] = static_cast<char>(json.size());
  text += json + "x";
  float values[] = {1.25f, -7.0f};
  text.append(reinterpret_cast<const char*>(values), sizeof(values));
  for (std::size_t shift = 0; shift < 4; ++shift) {
    std::string moved = std::string(shift, ' ') + text;
    StoredTensor w;
    {
      auto file = parse_safetensors(bytes_of(moved).subspan(shift), "odd", nullptr);
      ASSERT_TRUE(file.ok()) << file.status().message();
      w = *file->tensor("w");
    }
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(w.view.bytes.data()) % 4, 0u);
    EXPECT_EQ(reinterpret_cast<const float*>(w.view.bytes.data())[1], -7.0f);
  }
}

TEST_F(SafetensorsTest, WriterRefusesWhatTheReaderWould) {
  auto expect_refused = [&](std::vector<SafetensorsItem> items, const std::string& message) {
    Status status = write_safetensors(path("bad.safetensors"), items);
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_NE(status.message().find(message), std::string::npos) << status.message();
    EXPECT_TRUE(std::filesystem::is_empty(folder_));
  };
  expect_refused({{"", SafetensorsType::kU8, {0}, {}}}, "name that is not allowed");
  expect_refused({{"__metadata__", SafetensorsType::kU8, {0}, {}}}, "name that is not allowed");
  expect_refused({{"\xff", SafetensorsType::kU8, {0}, {}}}, "'\\xff' is not UTF-8");
  expect_refused({{"t", SafetensorsType::kU8, {0}, {}}, {"t", SafetensorsType::kI8, {0}, {}}}, "given twice");
  expect_refused({{"t", SafetensorsType::kU8, {2}, bytes_of("x")}}, "has 1 bytes, but U8 2 needs 2");
  expect_refused({{"t", SafetensorsType::kU8, {-1}, {}}}, "a dimension of -1");
  expect_refused({{"t", SafetensorsType::kU8, {1, 1, 1, 1, 1}, bytes_of("x")}}, "has 5 dimensions");
  expect_refused({{"t", SafetensorsType::kF64, {std::int64_t{1} << 61}, {}}}, "overflows");
}

class ShardTest : public SafetensorsTest {
 protected:
  ShardTest() {
    std::vector<SafetensorsItem> one = {{"a", SafetensorsType::kF32, {1}, bytes_of("aaaa")},
                                        {"c", SafetensorsType::kF32, {1}, bytes_of("cccc")}};
    std::vector<SafetensorsItem> two = {{"b", SafetensorsType::kU8, {2}, bytes_of("bb")}};
    EXPECT_TRUE(write_safetensors(path("m-1.safetensors"), one, {{"format", "pt"}, {"n", "1"}}).ok());
    EXPECT_TRUE(write_safetensors(path("m-2.safetensors"), two, {{"n", "2"}}).ok());
  }
  Result<SafetensorsFile> read(std::string_view index) {
    put("model.safetensors.index.json", index);
    return read_safetensors_folder(folder_.string());
  }
  void expect_refused(std::string_view index, Code code, const std::string& message) {
    auto file = read(index);
    ASSERT_FALSE(file.ok());
    EXPECT_EQ(file.status().code(), code);
    EXPECT_NE(file.status().message().find(message), std::string::npos) << file.status().message();
  }
};

TEST_F(ShardTest, ShardsReadAsOneFile) {
  auto file = read(
      R"({"metadata":{"total_size":10,"x":[[{}],null,-1,1.5,true]},"weight_map":{"c":"m-1.safetensors","b":"m-2.safetensors","a":"m-1.safetensors"}})");
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_EQ(file->files.size(), 2u);
  ASSERT_EQ(file->tensors.size(), 3u);
  EXPECT_EQ(file->metadata, (std::map<std::string, std::string>{{"format", "pt"}, {"n", "1"}}));
  EXPECT_EQ(file->files[file->find("b")->file].path, path("m-2.safetensors"));
  StoredTensor c = *file->tensor("c");
  EXPECT_EQ(c.owner, file->owner(*file->find("a")));
  EXPECT_EQ(std::memcmp(c.view.bytes.data(), "cccc", 4), 0);
}

TEST_F(ShardTest, BadIndexesAreRefused) {
  expect_refused("", Code::kCorrupt, "the index is not valid JSON");
  expect_refused("[]", Code::kCorrupt, "the index is an array, expected an object");
  expect_refused("{}", Code::kCorrupt, "the index has no weight_map");
  expect_refused(R"({"weight_map":[]})", Code::kCorrupt, "has an array in its weight_map");
  expect_refused(R"({"weight_map":{"a":1}})", Code::kCorrupt, "has a number in its weight_map");
  expect_refused(R"({"weight_map":{"a":{}}})", Code::kCorrupt, "has an object in its weight_map");
  expect_refused(R"({"weight_map":{},"weight_map":{}})", Code::kCorrupt, "has two weight_map");
  for (const char* name : {"", ".", "..", "../m-1.safetensors", "/etc/passwd", "x\\\\y", "m\\u0000"})
    expect_refused(R"({"weight_map":{"a":")" + std::string(name) + "\"}}", Code::kCorrupt, "expected a plain name");
  expect_refused(R"({"weight_map":{"a":"m-3.safetensors"}})", Code::kNotFound, "m-3.safetensors");
  expect_refused(R"({"weight_map":{"a":"m-1.safetensors","x":"m-1.safetensors"}})", Code::kCorrupt,
                 "tensor 'x' is not in m-1.safetensors");
  expect_refused(R"({"weight_map":{"a":"m-2.safetensors","c":"m-1.safetensors"}})", Code::kCorrupt,
                 "tensor 'a' is not in m-2.safetensors");
  std::string deep = R"({"metadata":)";
  for (int i = 0; i < 100000; ++i) deep += '[';
  expect_refused(deep, Code::kCorrupt, "the index is nested deeper than 16");
  std::filesystem::copy_file(path("m-2.safetensors"), path("m-4.safetensors"));
  expect_refused(R"({"weight_map":{"b":"m-2.safetensors","b":"m-4.safetensors"}})", Code::kCorrupt, "tensor 'b' is in");
}

TEST_F(ShardTest, FolderWithoutAModel) {
  EXPECT_EQ(read_safetensors_folder(folder_.string()).status().code(), Code::kNotFound);
  EXPECT_EQ(read_safetensors_folder(path("absent")).status().code(), Code::kNotFound);
  std::filesystem::copy_file(path("m-2.safetensors"), path("model.safetensors"));
  EXPECT_TRUE(read_safetensors_folder(folder_.string()).ok());
}

}  // namespace
}  // namespace facet
