#include "train/data.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <numeric>
#include <set>

#include "base/atomic_file.h"
#include "text/test_vocabulary.h"
#include "train/loss.h"

namespace facet::train {
namespace {

// Ids 10, 11, 12, ... so that a token tells where it stands.
TokenStream counting_stream(int n) {
  TokenStream stream;
  stream.ids.resize(static_cast<std::size_t>(n));
  std::iota(stream.ids.begin(), stream.ids.end(), 10);
  return stream;
}

Windows make(const TokenStream& stream, int context, bool window_bos, std::uint64_t seed = 1) {
  Result<Windows> windows = Windows::create(stream, context, window_bos, seed, "test");
  EXPECT_TRUE(windows.ok()) << windows.status().message();
  return *std::move(windows);
}

TEST(Windows, AnEpochSeesEachWindowOnce) {
  TokenStream stream = counting_stream(1003);
  Windows windows = make(stream, 10, true);
  EXPECT_EQ(windows.per_epoch(), 99);
  std::set<std::int64_t> offsets;
  for (std::int64_t epoch = 0; epoch < 8; ++epoch) {
    std::set<std::int64_t> starts;
    for (std::int64_t i = 0; i < windows.per_epoch(); ++i)
      starts.insert(windows.start_of(epoch * windows.per_epoch() + i));
    EXPECT_EQ(starts.size(), 99u);
    EXPECT_GE(*starts.begin(), 0);
    EXPECT_LE(*starts.rbegin() + 10, 1003);
    std::int64_t offset = *starts.begin();
    for (std::int64_t start : starts) EXPECT_EQ((start - offset) % 10, 0);
    offsets.insert(offset);
  }
  EXPECT_GT(offsets.size(), 2u);
}

TEST(Windows, OrderIsAFunctionOfSeedAndIndex) {
  TokenStream stream = counting_stream(500);
  Windows a = make(stream, 8, true, 5), b = make(stream, 8, true, 5), c = make(stream, 8, true, 6);
  std::vector<std::int64_t> forward, backward(200), other;
  for (std::int64_t i = 0; i < 200; ++i) forward.push_back(a.start_of(i));
  for (std::int64_t i = 199; i >= 0; --i) backward[static_cast<std::size_t>(i)] = b.start_of(i);
  for (std::int64_t i = 0; i < 200; ++i) other.push_back(c.start_of(i));
  EXPECT_EQ(forward, backward);
  EXPECT_NE(forward, other);
}

TEST(Windows, LabelsAreTheNextTokens) {
  TokenStream stream = counting_stream(100);
  for (bool window_bos : {true, false}) {
    Windows windows = make(stream, 10, window_bos);
    Batch batch = windows.training(0, 3);
    EXPECT_EQ(batch.n_labels, 30);
    for (int row = 0; row < 3; ++row) {
      std::int64_t start = windows.start_of(row);
      EXPECT_EQ(batch.tokens[row][0].item<std::int64_t>(), window_bos ? 2 : start + 10);
      for (int t = 0; t < 10; ++t) {
        EXPECT_EQ(batch.labels[row][t].item<std::int64_t>(), start + t + (window_bos ? 10 : 11));
        if (t == 0) continue;
        EXPECT_EQ(batch.tokens[row][t].item<std::int64_t>(), batch.labels[row][t - 1].item<std::int64_t>());
      }
    }
  }
}

TEST(Windows, NoLossForPredictingThatADocumentBegins) {
  TokenStream stream;
  stream.ids = {2, 20, 21, 1, 2, 30, 31, 1};
  Batch batch = make(stream, 8, true).validation(0, 1, 1);
  EXPECT_EQ(batch.n_labels, 6);
  EXPECT_EQ(batch.labels[0][0].item<std::int64_t>(), kNoLabel);
  EXPECT_EQ(batch.labels[0][4].item<std::int64_t>(), kNoLabel);
  EXPECT_EQ(batch.tokens[0][5].item<std::int64_t>(), 2);
}

TEST(Windows, ShortTextIsAnErrorWithNumbers) {
  TokenStream stream = counting_stream(10);
  EXPECT_TRUE(Windows::create(stream, 10, true, 1, "a.txt").ok());
  EXPECT_TRUE(Windows::create(stream, 9, false, 1, "a.txt").ok());
  Result<Windows> r = Windows::create(stream, 10, false, 1, "a.txt");
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.status().code(), Code::kInvalidArgument);
  EXPECT_EQ(r.status().message(),
            "a.txt: 10 tokens are fewer than one context of 11; give more text or a smaller context");
  // The smallest legal stream stays inside its bounds whatever the epoch.
  Windows tight = make(stream, 9, false);
  for (std::int64_t i = 0; i < 50; ++i) EXPECT_EQ(tight.training(i, 1).n_labels, 9);
  for (int n = 10; n < 40; ++n) {
    TokenStream some = counting_stream(n);
    for (bool bos : {true, false}) {
      Windows w = make(some, 9, bos);
      for (std::int64_t i = 0; i < 60; ++i) EXPECT_LE(w.start_of(i) + 9 + (bos ? 0 : 1), n);
    }
  }
}

TEST(Windows, ValidationSpreadsOverTheText) {
  TokenStream stream = counting_stream(1000);
  Windows windows = make(stream, 10, true);
  EXPECT_EQ(windows.n_validation(), 100);
  Batch batch = windows.validation(0, 4, 4);
  for (int row = 0; row < 4; ++row) EXPECT_EQ(batch.labels[row][0].item<std::int64_t>(), 10 + row * 250);
}

TEST(Windows, CalibrationRoundsDiffer) {
  TokenStream stream = counting_stream(1000);
  Windows windows = make(stream, 10, true);
  EXPECT_TRUE(windows.calibration(0, 0, 8).tokens.equal(windows.calibration(0, 0, 8).tokens));
  EXPECT_TRUE(windows.calibration(0, 2, 3).tokens.equal(windows.calibration(0, 0, 8).tokens.slice(0, 2, 5)));
  EXPECT_FALSE(windows.calibration(0, 0, 8).tokens.equal(windows.calibration(1, 0, 8).tokens));
}

TEST(TokenStream, DocumentsAreFramed) {
  Tokenizer tokenizer = *Tokenizer::create(testing::small_vocabulary({"a", "b"}, {"a b"}));
  std::vector<std::int32_t> expected;
  for (const char* document : {"ab a", "b\nab"}) {
    expected.push_back(2);
    for (int id : tokenizer.encode(document)) expected.push_back(id);
    expected.push_back(1);
  }
  for (int threads : {1, 3})
    EXPECT_EQ(tokenize("ab a\n<|endoftext|>\nb\nab\n<|endoftext|>\n", tokenizer, threads).ids, expected);
  EXPECT_EQ(tokenize("", tokenizer, 1).n_tokens(), 0u);
}

TEST(TokenStream, IdFilesAreChecked) {
  Tokenizer tokenizer = *Tokenizer::create(testing::small_vocabulary({"a"}, {}));
  std::string path = ::testing::TempDir() + "facet_ids.u32";
  auto write = [&](std::string_view bytes) { ASSERT_TRUE(write_text_file(path, bytes).ok()); };
  write(std::string_view("\x05\0\0\0\x02\x01\0\0", 8));
  Result<TokenStream> stream = load_tokens(path, tokenizer, 1);
  ASSERT_TRUE(stream.ok()) << stream.status().message();
  EXPECT_EQ(stream->ids, (std::vector<std::int32_t>{5, 258}));
  for (std::string_view bad :
       {std::string_view("\x05\0\0", 3), std::string_view("\0\0\1\0", 4), std::string_view("\xff\xff\xff\xff", 4)}) {
    write(bad);
    EXPECT_EQ(load_tokens(path, tokenizer, 1).status().code(), Code::kInvalidArgument);
  }
  std::filesystem::remove(path);
  EXPECT_FALSE(load_tokens(path, tokenizer, 1).ok());
}

TEST(TokenStream, IdentityTellsStreamsApart) {
  TokenStream a = counting_stream(10), b = counting_stream(10);
  EXPECT_EQ(identity(a), identity(b));
  std::swap(b.ids[3], b.ids[4]);
  EXPECT_NE(identity(a), identity(b));
}

}  // namespace
}  // namespace facet::train
