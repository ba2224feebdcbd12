// tokenizer.h: text <-> token ids: Gemma 4's byte-pair encoding with byte fallback (docs/model/tokenizer.md).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "facet/status.h"

namespace facet {

enum class TokenKind : std::uint8_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

// What defines a tokenizer, as GGUF and tokenizer.json both store it.  Values of TokenKind are GGUF's token_type
// numbers.
struct Vocabulary {
  std::vector<std::string> pieces;  // raw: U+2581 for a space, newlines literal, "<0x41>" for bytes
  std::vector<TokenKind> kinds;
  std::vector<std::string> merges;  // "left right", best first
  int bos = 2, eos = 1, unknown = 3, pad = 0, mask = 4;
  bool operator==(const Vocabulary&) const = default;
};

//   Tokenizer t = *Tokenizer::from_json(text);
//   std::vector<int> ids = t.encode("hello", {.bos = true});
//   std::string s = t.decode(ids);
// Immutable; safe to use from many threads.  Copies share one table (it is large and never changes).
class Tokenizer {
 public:
  // The text of a tokenizer.json (BPE model with byte_fallback, Gemma's normalizer).  kCorrupt / kUnsupported
  // otherwise.
  static Result<Tokenizer> from_json(std::string_view text);
  static Result<Tokenizer> create(Vocabulary vocabulary);  // from GGUF metadata, or just trained
  std::string to_json() const;                             // tokenizer.json that Hugging Face tokenizers loads

  struct EncodeOptions {
    bool bos = false;
    bool parse_special = false;  // cut "<|turn>" and the like out of the text as control tokens
  };
  std::vector<int> encode(std::string_view text, EncodeOptions options) const;
  std::vector<int> encode(std::string_view text) const { return encode(text, EncodeOptions()); }
  // Control tokens are left out; bytes that are not UTF-8 come through as they are.
  std::string decode(std::span<const int> ids) const;
  // The bytes one token adds to a text.
  std::string_view piece_bytes(int id) const;

  const Vocabulary& vocabulary() const;
  int vocab_size() const { return static_cast<int>(vocabulary().pieces.size()); }
  int id_of(std::string_view piece) const;  // -1 when absent
  bool operator==(const Tokenizer& other) const { return vocabulary() == other.vocabulary(); }

 private:
  struct Table;
  class Encoder;
  explicit Tokenizer(std::shared_ptr<const Table> table) : table_(std::move(table)) {}
  std::shared_ptr<const Table> table_;
};

}  // namespace facet
