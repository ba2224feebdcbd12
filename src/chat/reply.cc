#include "chat/reply.h"

#include <algorithm>

#include "chat/template_text.h"

namespace facet::chat {

ReplyParser::ReplyParser(const Tokenizer& tokenizer, bool in_thought)
    : tokenizer_(tokenizer),
      channel_(tokenizer.id_of("<|channel>")),
      end_channel_(tokenizer.id_of("<channel|>")),
      call_(tokenizer.id_of("<|tool_call>")),
      end_call_(tokenizer.id_of("<tool_call|>")),
      quote_(tokenizer.id_of("<|\"|>")),
      response_(tokenizer.id_of("<|tool_response>")),
      end_response_(tokenizer.id_of("<tool_response|>")),
      state_(in_thought ? State::kThought : State::kAnswer) {}

// "thought", as a rule.  A channel without a line of its own, or of another name, keeps that line as thought.
std::string_view ReplyParser::end_thought_name() {
  shown_.clear();
  if (state_ != State::kThoughtName) return shown_;
  if (!reply_.thought.empty()) shown_ = "\n";
  const std::size_t line = std::min(name_.find('\n'), name_.size());
  if (strip(name_.substr(0, line)) != "thought") shown_ += name_.substr(0, line);
  if (line < name_.size()) shown_ += name_.substr(line + 1);
  name_.clear();
  reply_.thought += shown_;
  state_ = State::kThought;
  return shown_;
}

// The call's text when it cannot be read.
std::string_view ReplyParser::end_call(bool complete) {
  shown_.clear();
  auto call = parse_call(call_text_);
  if (call.ok()) {
    reply_.calls.push_back(std::move(*call));
  } else {
    reply_.malformed_call = true;
    shown_ = "<|tool_call>";
    std::size_t done = 0;
    for (std::size_t quote : call_text_.quotes) {
      shown_ += call_text_.text.substr(done, quote - done) + "<|\"|>";
      done = quote;
    }
    shown_ += call_text_.text.substr(done) + (complete ? "<tool_call|>" : "");
    reply_.answer += shown_;
  }
  call_text_ = {};
  return shown_;
}

ReplyParser::Piece ReplyParser::end_part(State next) {
  const bool is_call = state_ == State::kCall;
  const std::string_view held = is_call ? end_call(next == State::kAnswer) : end_thought_name();
  state_ = next;
  return {is_call ? Kind::kAnswer : Kind::kThought, held};
}

ReplyParser::Piece ReplyParser::feed(int token) {
  const std::string_view bytes = tokenizer_.piece_bytes(token);
  auto is = [&](int marker) { return token >= 0 && token == marker; };
  if (state_ == State::kCall) {
    if (is(end_call_)) return end_part(State::kAnswer);
    if (is(quote_))
      call_text_.quotes.push_back(call_text_.text.size());
    else
      call_text_.text += bytes;
    return {Kind::kCall, bytes};
  }
  if (is(channel_)) return end_part(State::kThoughtName);
  if (is(call_)) return end_part(State::kCall);
  if (is(end_channel_)) return end_part(State::kAnswer);
  if (is(end_call_) || is(quote_) || is(response_) || is(end_response_)) return {Kind::kAnswer, {}};  // astray
  switch (state_) {
    case State::kThoughtName:
      name_ += bytes;
      return {Kind::kThought, bytes.find('\n') == bytes.npos ? std::string_view() : end_thought_name()};
    case State::kThought:
      reply_.thought += bytes;
      return {Kind::kThought, bytes};
    default:
      reply_.answer += bytes;
      return {Kind::kAnswer, bytes};
  }
}

ReplyParser::Piece ReplyParser::flush() { return end_part(State::kThought); }

Reply ReplyParser::finish() {
  flush();
  reply_.thought = std::string(strip(reply_.thought));
  reply_.answer = std::string(strip(reply_.answer));
  return std::move(reply_);
}

}  // namespace facet::chat
