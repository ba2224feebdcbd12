// prompt.h: a prompt as control tokens and plain text, kept apart so that no text can turn into a control token.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "facet/status.h"
#include "text/tokenizer.h"

namespace facet::chat {

//   Prompt p;
//   p.control("<|turn>");
//   p.text("user\n");
//   p.text(what_the_user_typed);
//   FACET_ASSIGN(std::vector<int> ids, p.tokens(tokenizer));
class Prompt {
 public:
  void control(std::string_view piece) { parts_.push_back({true, std::string(piece)}); }
  // Texts without a control token between them are encoded as one, as if they had been written in one go.
  void text(std::string_view more);
  // Everything end to end, as the official template writes it.
  std::string to_string() const;
  // Control tokens by their names, text without looking for special tokens in it.  kUnsupported: the vocabulary lacks
  // one of the control tokens.
  Result<std::vector<int>> tokens(const Tokenizer& tokenizer) const;

 private:
  struct Part {
    bool control;
    std::string text;
  };
  std::vector<Part> parts_;
};

}  // namespace facet::chat
