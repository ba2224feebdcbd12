// call_text.h: reads a tool call as the model writes it.  Law: docs/model/turns.md.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "chat/conversation.h"
#include "facet/status.h"

namespace facet::chat {

// What the model wrote between <|tool_call> and <tool_call|>: its text, and where in it <|"|> tokens stood.
struct CallText {
  std::string text;
  std::vector<std::size_t> quotes;  // offsets into text, rising
};
// "call:NAME{key:value,...}".  Lenient where small models are careless: white space, keys and texts in JSON quotes,
// words without quotes (taken as texts).  kInvalidArgument: anything else, or deeper than 64 levels.
Result<ToolCall> parse_call(const CallText& call);

}  // namespace facet::chat
