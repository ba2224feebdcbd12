#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "base/mapped_file.h"
#include "base/process.h"

namespace facet {
namespace {

namespace fs = std::filesystem;

std::string temp_path(const char* name) { return (fs::path(testing::TempDir()) / name).string(); }

TEST(AtomicFile, NothingAppearsBeforeCommit) {
  std::string path = temp_path("facet_atomic_test");
  fs::remove(path);
  {
    AtomicFile file;
    ASSERT_TRUE(file.open(path).ok());
    ASSERT_TRUE(file.write("half a fi").ok());
  }
  EXPECT_FALSE(fs::exists(path));
  EXPECT_FALSE(fs::exists(path + ".tmp"));
  ASSERT_TRUE(write_text_file(path, "whole").ok());
  EXPECT_EQ(*read_text_file(path), "whole");
}

TEST(AtomicFile, AFullDiskLeavesTheOldFileAndSaysSo) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full on this system";
  std::string path = temp_path("facet_full_test");
  ASSERT_TRUE(write_text_file(path, "old").ok());
  fs::remove(path + ".tmp");
  fs::create_symlink("/dev/full", path + ".tmp");
  Status status = write_text_file(path, "new");
  EXPECT_EQ(status.code(), Code::kNoResources) << status.message();
  EXPECT_EQ(exit_code(status), 5);
  EXPECT_EQ(*read_text_file(path), "old");
}

TEST(MappedFile, MissingAndEmptyFiles) {
  EXPECT_EQ(MappedFile::open("/no/such/file").status().code(), Code::kNotFound);
  EXPECT_FALSE(MappedFile::open("/").ok());
  std::string path = temp_path("facet_empty_test");
  ASSERT_TRUE(write_text_file(path, "").ok());
  EXPECT_EQ(MappedFile::open(path)->bytes().size(), 0u);
}

TEST(ByteReader, StopsAtTheEnd) {
  const std::uint32_t word = 0x04030201;
  ByteReader reader(std::as_bytes(std::span(&word, 1)));
  EXPECT_EQ(reader.read<std::uint16_t>(), 0x0201);
  EXPECT_EQ(reader.read<std::uint32_t>(), 0u);
  EXPECT_TRUE(reader.failed());
  EXPECT_TRUE(reader.take(1).empty());
}

TEST(Checked, OverflowIsSeen) {
  EXPECT_FALSE(checked_mul(1ull << 40, 1ull << 30));
  EXPECT_FALSE(checked_add(~0ull, 1));
  EXPECT_FALSE(checked_align_up(~0ull - 3, 32));
  EXPECT_EQ(*checked_align_up(33, 32), 64u);
  EXPECT_EQ(checked_narrow<std::int8_t>(-128), std::int8_t{-128});
  EXPECT_FALSE(checked_narrow<std::int8_t>(128u));
  EXPECT_FALSE(checked_narrow<std::uint32_t>(-1));
  constexpr std::int64_t kMost = INT64_MAX;
  auto size = [](std::uint64_t bytes, std::vector<std::int64_t> dims) { return checked_size(bytes, dims); };
  EXPECT_EQ(size(4, {3, 5}), 60u);
  EXPECT_EQ(size(4, {}), 4u);
  EXPECT_EQ(size(4, {3, 0}), 0u);
  EXPECT_EQ(size(1, {kMost}), static_cast<std::uint64_t>(kMost));
  EXPECT_FALSE(size(2, {kMost}));
  EXPECT_FALSE(size(1, {-1}));
  EXPECT_FALSE(size(4, {0, kMost}));
  EXPECT_FALSE(size(1, {1 << 30, 1 << 30, 1 << 30, 0}));
}

TEST(MappedFile, ReleasedPagesComeBackAsTheyWere) {
  const std::string path = temp_path("facet_release_test");
  const std::string text(std::size_t{8} << 20, 'x');
  ASSERT_TRUE(write_text_file(path, text).ok());
  auto file = MappedFile::open(path);
  ASSERT_TRUE(file.ok());
  auto sum = [&] {
    std::uint64_t total = 0;
    for (std::byte b : file->bytes()) total += static_cast<std::uint64_t>(b);
    return total;
  };
  const std::uint64_t before = sum(), resident = resident_bytes().file;
  file->release(file->bytes().subspan(1000, file->bytes().size() - 2000));
  EXPECT_LT(resident_bytes().file, resident - (std::size_t{7} << 20));
  EXPECT_EQ(sum(), before);
  // Memory of others is left alone.
  std::vector<std::byte> own(std::size_t{1} << 20, std::byte{7});
  file->release(own);
  EXPECT_EQ(own[500000], std::byte{7});
  fs::remove(path);
}

}  // namespace
}  // namespace facet
