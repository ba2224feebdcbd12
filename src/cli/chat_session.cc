#include "cli/chat_session.h"

#include <algorithm>
#include <string>

#include "engine/continuation.h"
#include "engine/generate.h"

namespace facet::cli {
namespace {

using chat::Message;
using chat::Speaker;

// Drops the first exchange: what comes before the second user's message, the system's message aside.  Returns how many
// messages that were; 0 when there is no second user's message.
int drop_oldest(std::vector<Message>& messages) {
  auto is_user = [](const Message& m) { return m.speaker == Speaker::kUser; };
  auto first = messages.begin();
  if (first != messages.end() && (first->speaker == Speaker::kSystem || first->speaker == Speaker::kDeveloper)) ++first;
  auto user = std::find_if(first, messages.end(), is_user);
  if (user == messages.end()) return 0;
  auto next = user == first ? std::find_if(user + 1, messages.end(), is_user) : user;
  if (next == messages.end()) return 0;
  const int n = static_cast<int>(next - first);
  messages.erase(first, next);
  return n;
}

}  // namespace

ChatSession::ChatSession(const Tokenizer& tokenizer, Session session, chat::TurnFormat format,
                         chat::TurnOptions options, const Speculation& speculation)
    : tokenizer_(tokenizer),
      session_(std::move(session)),
      format_(format),
      options_(options),
      speculation_(speculation) {}

Result<std::vector<int>> ChatSession::prompt_that_fits(int& forgotten) {
  const auto context = static_cast<std::size_t>(session_.options().context);
  FACET_ASSIGN(std::vector<int> prompt, render(conversation, format_, options_).tokens(tokenizer_));
  if (prompt.size() + context / 8 <= context) return prompt;
  chat::Conversation shorter = conversation;
  int dropped = 0;
  while (prompt.size() > context / 2) {
    const int more = drop_oldest(shorter.messages);
    if (more == 0) break;
    dropped += more;
    FACET_ASSIGN(prompt, render(shorter, format_, options_).tokens(tokenizer_));
  }
  if (prompt.size() >= context)
    return invalid_argument("the message takes " + std::to_string(prompt.size()) +
                            " tokens with its turn, the context has " + std::to_string(context) +
                            "; shorten it or ask for a longer context with -c");
  conversation = std::move(shorter);
  forgotten = dropped;
  return prompt;
}

Result<ChatSession::Answer> ChatSession::answer(const GenerateOptions& options, const Show& show,
                                                const std::atomic<bool>* cancelled) {
  Answer out;
  FACET_ASSIGN(const std::vector<int> prompt, prompt_that_fits(out.forgotten));
  FACET_ASSIGN(out.kept, keep_prefix(session_, held_, prompt));
  chat::ReplyParser parser(tokenizer_, ends_in_thought(conversation, format_, options_));
  const std::span<const int> all(prompt);
  auto drawn = generate(
      session_, all.subspan(out.kept), options,
      [&](int token) {
        const chat::ReplyParser::Piece piece = parser.feed(token);
        return show(piece.kind, piece.bytes);
      },
      cancelled, all.first(out.kept), speculation_);
  held_ = prompt;
  if (drawn.ok()) held_.insert(held_.end(), drawn->tokens.begin(), drawn->tokens.end());
  held_.resize(session_.position());  // the last token drawn is not in the cache, nor is a prompt that was interrupted
  if (!drawn.ok()) return drawn.status();
  out.stats = drawn->stats;
  const chat::ReplyParser::Piece last = parser.flush();
  show(last.kind, last.bytes);
  out.reply = parser.finish();
  if (!out.reply.answer.empty() || !out.reply.calls.empty())
    conversation.messages.push_back(
        {.speaker = Speaker::kModel, .text = out.reply.answer, .thought = out.reply.thought, .calls = out.reply.calls});
  return out;
}

}  // namespace facet::cli
