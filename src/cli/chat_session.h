// chat_session.h: a conversation with a model: what was said, and the session that has read it.
#pragma once

#include <atomic>
#include <functional>
#include <string_view>
#include <vector>

#include "chat/reply.h"
#include "chat/turns.h"
#include "engine/generate.h"
#include "engine/session.h"
#include "facet/generate_options.h"
#include "text/tokenizer.h"

namespace facet::cli {

//   ChatSession chat(tokenizer, std::move(session), format, {.thinking = true});
//   chat.conversation.messages.push_back({.speaker = chat::Speaker::kUser, .text = "Hi"});
//   FACET_ASSIGN(ChatSession::Answer answer, chat.answer(options, show, &interrupted));
// The conversation is the caller's to change at any time; an answer reads what the cache does not hold of it yet.  What
// the tokens are is decided by the conversation alone, so an answer does not depend on what was in the cache.
class ChatSession {
 public:
  // speculation: who drafts for that session; must outlive the conversation.  Answers are those without.
  ChatSession(const Tokenizer& tokenizer, Session session, chat::TurnFormat format, chat::TurnOptions options,
              const Speculation& speculation = {});

  struct Answer {
    chat::Reply reply;
    GenerateStats stats;
    int kept = 0;       // prompt tokens that were in the cache
    int forgotten = 0;  // messages that were dropped to make room
  };
  using Show = std::function<bool(chat::ReplyParser::Kind kind, std::string_view bytes)>;
  // Answers the last message, and appends the answer where there is any text or call.  When the prompt leaves less than
  // an eighth of the context, the oldest messages (but the system's) are dropped, a user's and what follows it at a
  // time, until it takes at most half; the last user's message always stays.
  // kInvalidArgument: that one alone does not fit.
  Result<Answer> answer(const GenerateOptions& options, const Show& show, const std::atomic<bool>* cancelled);

  int position() const { return session_.position(); }
  const Session& session() const { return session_; }

  chat::Conversation conversation;

 private:
  Result<std::vector<int>> prompt_that_fits(int& forgotten);

  const Tokenizer& tokenizer_;
  Session session_;
  chat::TurnFormat format_;
  chat::TurnOptions options_;
  Speculation speculation_;
  std::vector<int> held_;  // what the session has evaluated
};

}  // namespace facet::cli
