// Any bytes, read as tokenizer.json: refused, or a tokenizer that encodes and decodes, and is the same after it was
// written and read again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "refusal.h"
#include "text/tokenizer.h"

namespace {

using facet::Tokenizer;
using facet::TokenKind;

bool has_all_bytes(const Tokenizer& tokenizer) {
  for (unsigned b = 0; b < 256; ++b) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", b);
    const int id = tokenizer.id_of(name);
    if (id < 0 || tokenizer.vocabulary().kinds[static_cast<std::size_t>(id)] != TokenKind::kByte) return false;
  }
  return true;
}

// To the encoder a U+2581 is a space.
std::string with_spaces(std::string_view text) {
  constexpr std::string_view kSpace = "\u2581";
  std::string out;
  for (std::size_t at; (at = text.find(kSpace)) != text.npos; text.remove_prefix(at + kSpace.size()))
    out.append(text.substr(0, at)) += ' ';
  return out.append(text);
}

void use(const Tokenizer& tokenizer, std::string_view text, bool round_trip) {
  for (const bool special : {false, true}) {
    const std::vector<int> ids = tokenizer.encode(text, {.bos = special, .parse_special = special});
    if (std::any_of(ids.begin(), ids.end(), [&](int id) { return id < 0 || id >= tokenizer.vocab_size(); }))
      std::abort();
    const std::string decoded = tokenizer.decode(ids);
    if (!special && round_trip && decoded != with_spaces(text)) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const facet::Result<Tokenizer> tokenizer = Tokenizer::from_json(text);
  if (!tokenizer.ok()) {
    facet::expect_refusal(tokenizer.status());
    return 0;
  }
  const bool round_trip = has_all_bytes(*tokenizer);
  use(*tokenizer, "the hand and\n\n<bos><|turn>\u2581a \u00e9\xff\xe2\x96", round_trip);
  use(*tokenizer, text.substr(0, 300), round_trip);
  use(*tokenizer, text.substr(size / 2, 100), round_trip);
  for (int id = -1; id <= tokenizer->vocab_size(); ++id) (void)tokenizer->piece_bytes(id);
  const facet::Result<Tokenizer> again = Tokenizer::from_json(tokenizer->to_json());
  if (!again.ok() || again->vocabulary().pieces != tokenizer->vocabulary().pieces ||
      again->vocabulary().merges != tokenizer->vocabulary().merges)
    std::abort();
  return 0;
}
