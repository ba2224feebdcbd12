#include "corpora.h"

#include <cstddef>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "malformed.h"

namespace facet {
namespace {

std::vector<Seed> seeds(std::initializer_list<std::pair<std::string, std::vector<malformed::Case>>> lists) {
  std::vector<Seed> out;
  for (const auto& [prefix, cases] : lists)
    for (const malformed::Case& c : cases) out.push_back({prefix + c.name, c.bytes});
  return out;
}

// Inputs of blocks_fuzz.cc: an op, flags, sizes less one, and operands of one repeated pattern; without a pattern they
// are pseudo-random.
std::vector<Seed> blocks() {
  constexpr int kNOps = 23;
  std::vector<Seed> out;
  auto add = [&](int op, int flags, std::string_view sizes, std::string_view pattern, std::string name) {
    std::string bytes{static_cast<char>(op), static_cast<char>(flags)};
    bytes += sizes;
    for (std::size_t i = 0; !pattern.empty() && i < 6000; i += pattern.size()) bytes += pattern;
    out.push_back({"op_" + std::to_string(op) + "_" + name, std::move(bytes)});
  };
  constexpr std::string_view kOne("\x00\x00\x00", 3), kOdd("\x02\x06\x02", 3), kLarge("\x04\x12\x14", 3);
  for (int op = 0; op < kNOps; ++op) {
    add(op, 0x43, kOne, "", "one_row");
    add(op, 0x83, kOdd, "", "tame");
    add(op, 0xc7, kLarge, "", "large");
    add(op, 0x0b, kOdd, "", "strange_activation");
    add(op, 0x01, kOdd, "", "any_scales");
    add(op, 0x00, kOdd, "", "any_floats");
    add(op, 0x03, kLarge, "\x80", "lowest_codes");
    add(op, 0x03, kLarge, "\x7f", "highest_codes");
    add(op, 0x00, kOdd, std::string_view("\0", 1), "zeros");
    add(op, 0x00, kOdd, "\xff", "all_nan");
    add(op, 0x01, kOdd, std::string_view("\x00\x7c", 2), "infinite_halves");
    add(op, 0x01, kOdd, std::string_view("\x00\xfe\x11", 3), "nan_halves");
    add(op, 0x00, kOdd, std::string_view("\x7f\x80\x00\x00", 4), "infinite_floats");
    add(op, 0x00, kOdd, std::string_view("\x00\x00\x00\x01\x80", 5), "subnormals");
  }
  return out;
}

}  // namespace

std::vector<Corpus> corpora() {
  using namespace malformed;
  return {
      {"gguf", {{"good", good_gguf()}}, seeds({{"", gguf_cases()}})},
      {"safetensors", {{"good", good_safetensors()}}, seeds({{"", safetensors_cases()}})},
      {"config",
       {{"good", good_config()},
        {"good_drafter", good_drafter_config()},
        {"good_generation", good_generation_config()}},
       seeds({{"", config_cases()}, {"drafter_", drafter_config_cases()}, {"generation_", generation_config_cases()}})},
      {"quantization",
       {{"good", good_quantization()}, {"good_packed", good_packed()}},
       seeds({{"", quantization_cases()}, {"packed_", packed_cases()}})},
      {"drafter", {{"good", good_drafter_gguf()}}, seeds({{"", drafter_gguf_cases()}})},
      {"tokenizer", {{"good", good_tokenizer()}}, seeds({{"", tokenizer_cases()}})},
      {"blocks", blocks(), {}}};
}

}  // namespace facet
