// The fuzz targets without a fuzzer: every seed and some thousand mutations of them go through the same entry points,
// and none may take more memory than a small multiple of its size.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "corpora.h"
#include "counting_allocator.h"
#include "malformed.h"

// fuzz/CMakeLists.txt gives each target's entry point its own name here.
extern "C" int fuzz_gguf(const std::uint8_t* data, std::size_t size);
extern "C" int fuzz_safetensors(const std::uint8_t* data, std::size_t size);
extern "C" int fuzz_config(const std::uint8_t* data, std::size_t size);
extern "C" int fuzz_quantization(const std::uint8_t* data, std::size_t size);
extern "C" int fuzz_drafter(const std::uint8_t* data, std::size_t size);
extern "C" int fuzz_tokenizer(const std::uint8_t* data, std::size_t size);
extern "C" int fuzz_blocks(const std::uint8_t* data, std::size_t size);

namespace facet {
namespace {

struct Target {
  const char* name;
  int (*entry)(const std::uint8_t*, std::size_t);
  int n_mutations;
  // Memory an input may take: so many times its size, and so much besides.
  std::size_t times, besides;
};
// Small inputs are dominated by messages and fixed buffers.  A tree of JSON takes 24 bytes for "[],", twice over while
// its list grows; config.json is written out and read again, a thousand layers of it; compiled patterns are limited.
constexpr Target kTargets[] = {
    {"gguf", fuzz_gguf, 4000, 16, 16 << 10},      {"safetensors", fuzz_safetensors, 4000, 16, 16 << 10},
    {"config", fuzz_config, 4000, 32, 512 << 10}, {"quantization", fuzz_quantization, 2000, 32, 4 << 20},
    {"drafter", fuzz_drafter, 2000, 64, 1 << 20}, {"tokenizer", fuzz_tokenizer, 500, 64, 64 << 10},
    {"blocks", fuzz_blocks, 2000, 1, 2 << 20}};
const Target& target(std::string_view name) {
  return *std::find_if(std::begin(kTargets), std::end(kTargets), [&](const Target& t) { return t.name == name; });
}

void feed(const Target& t, const std::string& bytes) {
  // Exactly as large as the input, so that the address sanitizer sees a read past the end.
  auto block = std::make_unique<std::uint8_t[]>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), block.get());
  std::size_t before = live_heap_bytes();
  reset_peak_heap_bytes();
  t.entry(block.get(), bytes.size());
  ASSERT_LE(peak_heap_bytes() - before, t.times * bytes.size() + t.besides);
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

class Replay : public testing::TestWithParam<Corpus> {};

TEST_P(Replay, SeedsAndMutations) {
  const Corpus& corpus = GetParam();
  const Target& t = target(corpus.target);
  std::vector<const Seed*> small;  // to be broken further
  for (const auto* seeds : {&corpus.good, &corpus.malformed})
    for (const Seed& seed : *seeds) {
      SCOPED_TRACE(seed.name);
      feed(t, seed.bytes);
      if (seeds == &corpus.malformed && seed.bytes.size() <= 10000) small.push_back(&seed);
    }
  Rng rng(2026);
  auto one_of = [&](const auto& list) -> decltype(auto) {
    return list[rng.below(static_cast<std::uint32_t>(list.size()))];
  };
  for (int i = 0; i < t.n_mutations && !HasFatalFailure(); ++i) {
    SCOPED_TRACE(i);
    const bool broken = i % 4 == 0 && !small.empty();
    feed(t, mutate(broken ? one_of(small)->bytes : one_of(corpus.good).bytes, rng));
  }
}
INSTANTIATE_TEST_SUITE_P(Fuzz, Replay, testing::ValuesIn(corpora()),
                         [](const auto& info) { return info.param.target; });

// Memory is bounded for large files of the cheapest entries too, not only for small broken ones.
TEST(Memory, GgufOfManySmallEntries) {
  malformed::Bytes keys, strings, tensors;
  keys.raw("GGUF").put(std::uint32_t{3}).put(std::uint64_t{0}).put(std::uint64_t{20000});
  for (std::uint32_t i = 0; i < 20000; ++i) keys.str(std::to_string(i)).put(std::int32_t{0}).put(std::uint8_t{1});
  feed(target("gguf"), keys.text());
  strings.raw("GGUF").put(std::uint32_t{3}).put(std::uint64_t{0}).put(std::uint64_t{1});
  strings.str("a").put(std::int32_t{9}).put(std::int32_t{8}).put(std::uint64_t{100000}).raw(std::string(800000, '\0'));
  feed(target("gguf"), strings.text());
  tensors.raw("GGUF").put(std::uint32_t{3}).put(std::uint64_t{20000}).put(std::uint64_t{0});
  for (std::uint64_t i = 0; i < 20000; ++i)
    tensors.str(std::to_string(i)).put(std::uint32_t{1}).put(std::uint64_t{1}).put(std::uint32_t{24}).put(i * 32);
  tensors.pad(32).raw(std::string(32 * 20000, '\0'));
  feed(target("gguf"), tensors.text());
}

TEST(Memory, SafetensorsOfManySmallEntries) {
  std::string json = "{";
  for (int i = 0; i < 20000; ++i)
    json += "\"" + std::to_string(i) + R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)";
  json.back() = '}';
  feed(target("safetensors"), malformed::Bytes().put<std::uint64_t>(json.size()).raw(json).text());
}

// The cheapest values of a JSON text.
TEST(Memory, JsonOfManySmallValues) {
  for (const char* value : {"0,", "[],", "{},", "\"\","}) {
    std::string list;
    for (int i = 0; i < 50000; ++i) list += value;
    list.back() = ']';
    for (const char* name : {"config", "quantization", "tokenizer"}) feed(target(name), "{\"x\":[" + list + "}");
  }
  std::string members;
  for (int i = 0; i < 50000; ++i) members += "\"" + std::to_string(i) + "\":0,";
  members.back() = '}';
  for (const char* name : {"config", "quantization", "tokenizer"}) feed(target(name), "{" + members);
}

}  // namespace
}  // namespace facet
