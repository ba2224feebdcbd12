// The fuzz targets without a fuzzer: every seed, every named malformed file and some thousand seeded mutations of the
// good files go through the same entry points, and none may take more memory than a small multiple of its size.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>

#include "base/rng.h"
#include "counting_allocator.h"
#include "malformed.h"

// fuzz/CMakeLists.txt gives each target's entry point its own name here.
extern "C" int fuzz_gguf(const std::uint8_t* data, std::size_t size);
extern "C" int fuzz_safetensors(const std::uint8_t* data, std::size_t size);

namespace facet::malformed {
namespace {

using Entry = int (*)(const std::uint8_t*, std::size_t);

void feed(Entry entry, const std::string& bytes) {
  // Exactly as large as the input, so that the address sanitizer sees a read past the end.
  auto block = std::make_unique<std::uint8_t[]>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), block.get());
  std::size_t before = live_heap_bytes();
  reset_peak_heap_bytes();
  entry(block.get(), bytes.size());
  // Small inputs are dominated by messages and fixed buffers.
  ASSERT_LE(peak_heap_bytes() - before, 16 * bytes.size() + 16384);
}

// Numbers that matter to a parser.
constexpr std::uint64_t kTelling[] = {0,          1,
                                      7,          8,
                                      31,         32,
                                      63,         64,
                                      127,        128,
                                      255,        256,
                                      65535,      65536,
                                      0x7fffffff, 0x80000000,
                                      0xffffffff, std::uint64_t{1} << 61,
                                      INT64_MAX,  std::uint64_t{1} << 63,
                                      UINT64_MAX};

std::string mutate(std::string bytes, Rng& rng) {
  for (std::uint32_t n = 1 + rng.below(4); n-- > 0 && !bytes.empty();) {
    std::size_t at = rng.below(static_cast<std::uint32_t>(bytes.size()));
    switch (rng.below(7)) {
      case 0:
        bytes[at] = static_cast<char>(rng.next_u32());
        break;
      case 1:
        bytes[at] = static_cast<char>(bytes[at] ^ 1 << rng.below(8));
        break;
      case 2:
        bytes.resize(at);
        break;
      case 3:
        bytes.insert(at, bytes.substr(rng.below(static_cast<std::uint32_t>(bytes.size())), rng.below(40)));
        break;
      case 4:
        bytes.erase(at, 1 + rng.below(20));
        break;
      case 5:
        bytes[at] = "0123456789-{}[]\",:.e"[rng.below(20)];
        break;
      default:
        std::uint64_t value = kTelling[rng.below(std::size(kTelling))];
        for (std::size_t i = 0, width = std::size_t{1} << rng.below(4); i < width && at + i < bytes.size(); ++i)
          bytes[at + i] = static_cast<char>(value >> 8 * i);
    }
  }
  return bytes;
}

void replay(Entry entry, const std::string& good, const std::vector<Case>& cases, int n_mutations) {
  feed(entry, good);
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    feed(entry, c.bytes);
  }
  Rng rng(2026);
  for (int i = 0; i < n_mutations; ++i) {
    SCOPED_TRACE(i);
    feed(entry, mutate(i % 4 == 0 ? cases[rng.below(static_cast<std::uint32_t>(cases.size()))].bytes : good, rng));
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(Replay, Gguf) { replay(fuzz_gguf, good_gguf(), gguf_cases(), 4000); }

TEST(Replay, Safetensors) {
  auto cases = safetensors_cases();
  std::erase_if(cases, [](const Case& c) { return c.bytes.size() > 10000; });  // the deeply nested ones, below
  replay(fuzz_safetensors, good_safetensors(), cases, 4000);
  for (const Case& c : safetensors_cases()) feed(fuzz_safetensors, c.bytes);
}

// Memory is bounded for large files of the cheapest entries too, not only for small broken ones.
TEST(Memory, GgufOfManySmallEntries) {
  Bytes keys, strings, tensors;
  keys.raw("GGUF").put(std::uint32_t{3}).put(std::uint64_t{0}).put(std::uint64_t{20000});
  for (std::uint32_t i = 0; i < 20000; ++i) keys.str(std::to_string(i)).put(std::int32_t{0}).put(std::uint8_t{1});
  feed(fuzz_gguf, keys.text());
  strings.raw("GGUF").put(std::uint32_t{3}).put(std::uint64_t{0}).put(std::uint64_t{1});
  strings.str("a").put(std::int32_t{9}).put(std::int32_t{8}).put(std::uint64_t{100000}).raw(std::string(800000, '\0'));
  feed(fuzz_gguf, strings.text());
  tensors.raw("GGUF").put(std::uint32_t{3}).put(std::uint64_t{20000}).put(std::uint64_t{0});
  for (std::uint64_t i = 0; i < 20000; ++i)
    tensors.str(std::to_string(i)).put(std::uint32_t{1}).put(std::uint64_t{1}).put(std::uint32_t{24}).put(i * 32);
  tensors.pad(32).raw(std::string(32 * 20000, '\0'));
  feed(fuzz_gguf, tensors.text());
}

TEST(Memory, SafetensorsOfManySmallEntries) {
  std::string json = "{";
  for (int i = 0; i < 20000; ++i)
    json += "\"" + std::to_string(i) + R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)";
  json.back() = '}';
  feed(fuzz_safetensors, Bytes().put<std::uint64_t>(json.size()).raw(json).text());
}

}  // namespace
}  // namespace facet::malformed
