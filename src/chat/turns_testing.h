// turns_testing.h: the golden conversations, and a tokenizer that knows Gemma 4's markers.  Tests only.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "chat/turns.h"
#include "text/tokenizer.h"

namespace facet::chat::testing {

struct Golden {
  std::string name, format_name, expected;
  Conversation conversation;
  TurnFormat format;
  TurnOptions options;
};

inline TurnFormat format_named(const std::string& name) {
  return {.revision = name.starts_with("first") ? Revision::kFirst : Revision::k20260709,
          .empty_thought = name.ends_with("big")};
}

// Every text of tests/golden/turns/turns.json (made by tools/reference/turns.py).
inline std::vector<Golden> goldens() {
  const Json root =
      Json::parse(*read_text_file(std::string(FACET_SOURCE_DIR) + "/tests/golden/turns/turns.json"), nullptr, false);
  std::vector<Golden> out;
  for (const Json& one : root["cases"]) {
    auto conversation = conversation_from_json(one.dump());
    EXPECT_TRUE(conversation.ok()) << one["name"] << ": " << conversation.status().message();
    if (!conversation.ok()) continue;
    for (const auto& [format, text] : one["expected"].items())
      out.push_back({one["name"],
                     format,
                     text,
                     *conversation,
                     format_named(format),
                     {.thinking = one["thinking"],
                      .generation_prompt = one["generation_prompt"],
                      .preserve_thinking = one["preserve_thinking"]}});
  }
  return out;
}

// Markers, bytes and nothing else: a text's tokens are its bytes.
inline Tokenizer byte_tokenizer() {
  Vocabulary v;
  auto add = [&](std::string piece, TokenKind kind) {
    v.pieces.push_back(std::move(piece));
    v.kinds.push_back(kind);
  };
  for (const char* piece :
       {"<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<|tool>", "<tool|>", "<|think|>", "<|turn>", "<turn|>"})
    add(piece, TokenKind::kControl);
  for (const char* piece :
       {"<|tool_call>", "<tool_call|>", "<|tool_response>", "<tool_response|>", "<|\"|>", "<|channel>", "<channel|>"})
    add(piece, TokenKind::kUserDefined);
  for (unsigned b = 0; b < 256; ++b) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", b);
    add(name, TokenKind::kByte);
  }
  return *Tokenizer::create(std::move(v));
}

}  // namespace facet::chat::testing
