// test_vocabulary.h: vocabularies for this room's tests.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/mapped_file.h"
#include "base/rng.h"
#include "text/tokenizer.h"

namespace facet::testing {

// A hand-made vocabulary: five specials, a few control and user-defined tokens, 256 bytes, newline and space runs, the
// characters of `alphabet`, then `merges` ("left right") and what they make.
inline Vocabulary small_vocabulary(const std::vector<std::string>& alphabet, const std::vector<std::string>& merges) {
  Vocabulary v;
  auto add = [&](const std::string& piece, TokenKind kind) {
    for (const std::string& p : v.pieces)
      if (p == piece) return;
    v.pieces.push_back(piece);
    v.kinds.push_back(kind);
  };
  for (const char* piece : {"<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<|turn>", "<turn|>"})
    add(piece, TokenKind::kControl);
  for (const char* piece : {"<|channel>", "<|\"|>", "<|turn>x"}) add(piece, TokenKind::kUserDefined);
  for (int b = 0; b < 256; ++b) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", static_cast<unsigned>(b));
    add(name, TokenKind::kByte);
  }
  for (const char* piece : {"\n", "\n\n", "\u2581"}) add(piece, TokenKind::kNormal);
  for (const std::string& piece : alphabet) add(piece, TokenKind::kNormal);
  for (const std::string& merge : merges) {
    std::string joined = merge;
    joined.erase(joined.find(' '), 1);
    add(joined, TokenKind::kNormal);
  }
  v.merges = merges;
  return v;
}

// A random vocabulary over `alphabet`: each merge joins two pieces that exist by then.
inline Vocabulary random_vocabulary(const std::vector<std::string>& alphabet, int n_merges, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<std::string> pieces = alphabet, merges;
  pieces.push_back("\u2581");
  for (int i = 0; i < n_merges; ++i) {
    auto pick = [&] { return pieces[rng.below(static_cast<std::uint32_t>(pieces.size()))]; };
    std::string left = pick(), right = pick();
    if (left.size() + right.size() > 24) continue;
    merges.push_back(left + " " + right);
    pieces.push_back(left + right);
  }
  return small_vocabulary(alphabet, merges);
}

// The shared folder that lies beside the source tree on developers' machines ($FACET_SHARED elsewhere).
inline std::string shared_file(const std::string& name) {
  const char* folder = std::getenv("FACET_SHARED");
  return (folder ? std::string(folder) : std::string(FACET_SOURCE_DIR) + "/../shared") + "/" + name;
}

// The tokenizer keys of a GGUF file; just enough of a reader for a file we trust.
inline Vocabulary read_gguf_vocabulary(const std::string& path) {
  Result<MappedFile> file = MappedFile::open(path);
  if (!file.ok()) return {};
  ByteReader in(file->bytes());
  Vocabulary out;
  auto string = [&] { return in.take_string(in.read<std::uint64_t>()); };
  auto scalar_size = [](std::uint32_t type) {
    constexpr std::uint64_t kSizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return type < 13 ? kSizes[type] : 0;
  };
  in.take(16);  // magic, version, tensor count
  for (auto n_keys = in.read<std::uint64_t>(); n_keys > 0 && !in.failed(); --n_keys) {
    std::string_view key = string();
    auto type = in.read<std::uint32_t>();
    if (type == 8) {
      string();
    } else if (type != 9) {
      in.take(scalar_size(type));
    } else {
      type = in.read<std::uint32_t>();
      auto n = in.read<std::uint64_t>();
      if (type != 8 && key != "tokenizer.ggml.token_type") {
        in.take(n * scalar_size(type));
        continue;
      }
      for (std::uint64_t i = 0; i < n && !in.failed(); ++i) {
        if (type != 8) {
          out.kinds.push_back(static_cast<TokenKind>(in.read<std::int32_t>()));
        } else {
          std::string_view value = string();
          if (key == "tokenizer.ggml.tokens") out.pieces.emplace_back(value);
          if (key == "tokenizer.ggml.merges") out.merges.emplace_back(value);
        }
      }
    }
  }
  return out;
}

// Rank BPE from the definition, quadratic and plain: the twin that the fast encoder is compared with.
class Definition {
 public:
  explicit Definition(const Tokenizer& tokenizer);
  std::vector<int> encode(std::string_view text) const;

 private:
  void encode_chunk(std::string_view chunk, std::vector<int>& ids) const;
  Tokenizer tokenizer_;
  std::map<std::pair<std::string, std::string>, int> ranks_;
};

// tests/golden/tokenizer/, which make.py there describes: a file's lines, and the texts that they are about.
std::vector<std::string> golden_lines(const std::string& name);
std::vector<std::string> golden_texts();

// What decoding gives back of a text: itself, with U+2581 as the space it stands for.
std::string as_spaces(std::string text);

// Text made to hurt: characters of every plane, runs of spaces and newlines, special tokens, broken UTF-8.
std::string hostile_text(Rng& rng, std::size_t n_parts, std::span<const std::string> words);

}  // namespace facet::testing
