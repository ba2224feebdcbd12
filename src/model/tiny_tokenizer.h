// tiny_tokenizer.h: a tokenizer of exactly the size a tiny config wants (tiny_configs.h), for tests: specials, the 256
// byte tokens, space and newline, the lower-case letters, a few merges, and unused entries up to vocab_size.
#pragma once

#include <cstdio>

#include "base/check.h"
#include "text/tokenizer.h"

namespace facet {

inline Tokenizer tiny_tokenizer(int vocab_size = 384) {
  Vocabulary v;
  auto add = [&](std::string piece, TokenKind kind) {
    v.pieces.push_back(std::move(piece));
    v.kinds.push_back(kind);
  };
  for (const char* piece : {"<pad>", "<eos>", "<bos>", "<unk>", "<mask>"}) add(piece, TokenKind::kControl);
  for (unsigned b = 0; b < 256; ++b) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", b);
    add(name, TokenKind::kByte);
  }
  add("\u2581", TokenKind::kNormal);
  add("\n", TokenKind::kNormal);
  for (char c = 'a'; c <= 'z'; ++c) add(std::string(1, c), TokenKind::kNormal);
  const char* const merges[][2] = {{"t", "h"}, {"th", "e"}, {"\u2581", "the"},
                                   {"a", "n"}, {"an", "d"}, {"\u2581", "a"}};
  for (const auto& [left, right] : merges) {
    v.merges.push_back(std::string(left) + " " + right);
    add(std::string(left) + right, TokenKind::kNormal);
  }
  FACET_CHECK(static_cast<int>(v.pieces.size()) <= vocab_size, "a tiny vocabulary has room for these");
  for (int i = 0; static_cast<int>(v.pieces.size()) < vocab_size; ++i)
    add("<unused" + std::to_string(i) + ">", TokenKind::kNormal);
  return *Tokenizer::create(std::move(v));
}

}  // namespace facet
