// turns.h: a conversation as Gemma 4 reads it.  Law: docs/model/turns.md.
#pragma once

#include <string_view>
#include <vector>

#include "chat/conversation.h"
#include "chat/prompt.h"
#include "facet/status.h"
#include "text/tokenizer.h"

namespace facet::chat {

// The official template was published twice; a model's file says which it was made with.
enum class Revision { kFirst, k20260709 };

struct TurnFormat {
  Revision revision = Revision::k20260709;
  // An answer without thinking begins with an empty thought.  12B, 26B-A4B and 31B want that, E2B and E4B must not.
  bool empty_thought = false;
};

// What a model's own template says.  kUnsupported: a template of another model family.
Result<TurnFormat> format_of_template(std::string_view jinja);

struct TurnOptions {
  bool thinking = false;
  bool generation_prompt = true;   // ends where the model's answer begins
  bool preserve_thinking = false;  // keep the thoughts of earlier turns that called tools (k20260709)
};

//   Conversation c{.messages = {{.speaker = Speaker::kUser, .text = "Hi there"}}};
//   render(c, {}, {}).to_string();   // "<bos><|turn>user\nHi there<turn|>\n<|turn>model\n"
// The official template's text, character for character; what users, tools and files say stays text in tokens().
Prompt render(const Conversation& conversation, const TurnFormat& format, const TurnOptions& options);

// Whether render() ended inside a thought, so that the model's first tokens belong to it.
bool ends_in_thought(const Conversation& conversation, const TurnFormat& format, const TurnOptions& options);

// Tokens that end the model's part: <eos>, <turn|>, and <|tool_response>, where the host is to answer a call.  Those
// that the vocabulary has.
std::vector<int> stop_tokens(const Tokenizer& tokenizer);

}  // namespace facet::chat
