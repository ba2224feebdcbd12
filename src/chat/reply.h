// reply.h: what a model writes, token by token, taken apart into thought, answer and tool calls.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "chat/call_text.h"
#include "chat/conversation.h"
#include "text/tokenizer.h"

namespace facet::chat {

struct Reply {
  std::string thought, answer;  // without white space at their ends
  std::vector<ToolCall> calls;
  bool malformed_call = false;  // a call that could not be read stands in the answer as text
};

//   ReplyParser parser(tokenizer);
//   for (int token : generated) show(parser.feed(token));
//   show(parser.flush());
//   Reply reply = parser.finish();
// Decides by token, never by text: an answer that merely spells "<|channel>" stays an answer.  Small models may leave
// the thought out, or never end it.  tokenizer must outlive the parser.
class ReplyParser {
 public:
  // in_thought: the prompt ended inside a thought (ends_in_thought()).
  explicit ReplyParser(const Tokenizer& tokenizer, bool in_thought = false);

  enum class Kind { kThought, kAnswer, kCall };
  struct Piece {
    Kind kind;
    std::string_view bytes;  // maybe part of a character; valid until the next call
  };
  // The bytes this token adds; none for markers and a thought's first line, which is its name.  A call that cannot be
  // read comes as answer, whole, once it has ended.
  Piece feed(int token);
  // After the last token: what was held back.
  Piece flush();
  Reply finish();

 private:
  enum class State { kAnswer, kThoughtName, kThought, kCall };
  std::string_view end_thought_name();
  std::string_view end_call(bool complete);
  Piece end_part(State next);

  const Tokenizer& tokenizer_;
  int channel_, end_channel_, call_, end_call_, quote_, response_, end_response_;
  State state_;
  std::string name_, shown_;
  CallText call_text_;
  Reply reply_;
};

}  // namespace facet::chat
