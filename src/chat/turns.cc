#include "chat/turns.h"

#include <span>

#include "chat/template_text.h"
#include "chat/tool_syntax.h"

namespace facet::chat {
namespace {

// Thoughts out of an answer: each "<|channel>" to the next "<channel|>".  An end without a beginning is dropped too.
std::string without_thoughts(std::string_view text) {
  constexpr std::string_view kOpen = "<|channel>", kClose = "<channel|>";
  std::string out;
  while (true) {
    const std::size_t end = text.find(kClose);
    const std::string_view part = text.substr(0, end);
    out += part.substr(0, part.find(kOpen));
    if (end == text.npos) return std::string(strip(out));
    text.remove_prefix(end + kClose.size());
  }
}

bool is_system(const Message& message) {
  return message.speaker == Speaker::kSystem || message.speaker == Speaker::kDeveloper;
}

const char* name_of(Speaker speaker) {
  switch (speaker) {
    case Speaker::kSystem:
      return "system";
    case Speaker::kDeveloper:
      return "developer";
    case Speaker::kUser:
      return "user";
    default:
      return "model";
  }
}

class Renderer {
 public:
  Renderer(const Conversation& conversation, const TurnFormat& format, const TurnOptions& options)
      : tools_(conversation.tools),
        messages_(conversation.messages),
        format_(format),
        options_(options),
        newer_(format.revision == Revision::k20260709) {}

  Prompt run() {
    out_.control("<bos>");
    system_turn();
    for (std::size_t i = 0; i < messages_.size(); ++i)
      if (messages_[i].speaker == Speaker::kUser) last_user_ = static_cast<std::ptrdiff_t>(i);
    for (std::size_t i = 0; i < messages_.size(); ++i) newer_ ? message(i) : first_message(messages_[i]);
    if (options_.generation_prompt) newer_ ? generation_prompt() : first_generation_prompt();
    return std::move(out_);
  }

 private:
  enum class Last { kText, kCall, kResponse };

  void open(std::string_view name) {
    out_.control("<|turn>");
    out_.text(std::string(name) + "\n");
  }
  void close() {
    out_.control("<turn|>");
    out_.text("\n");
  }
  void begin_thought() {
    out_.control("<|channel>");
    out_.text("thought\n");
  }
  void empty_thought() {
    if (options_.thinking || !format_.empty_thought) return;
    begin_thought();
    out_.control("<channel|>");
  }

  void system_turn() {
    const bool given = !messages_.empty() && is_system(messages_[0]);
    if (!options_.thinking && tools_.empty() && !given) return;
    open("system");
    if (options_.thinking) {
      out_.control("<|think|>");
      if (newer_) out_.text("\n");
    }
    if (given) {
      out_.text(strip(messages_[0].text));
      messages_ = messages_.subspan(1);
    }
    for (const Json& function : tools_) {
      out_.control("<|tool>");
      write_declaration(out_, function, format_.revision);
      out_.control("<tool|>");
    }
    close();
  }

  void calls_and_responses(const Message& m) {
    for (const ToolCall& call : m.calls) {
      out_.control("<|tool_call>");
      out_.text("call:" + call.name + "{");
      write_entries(out_, call.arguments, format_.revision);
      out_.text("}");
      out_.control("<tool_call|>");
      last_ = Last::kCall;
    }
    for (const ToolResponse& response : m.responses) {
      out_.control("<|tool_response>");
      out_.text("response:" + response.name + "{");
      if (response.value.is_object()) {
        write_entries(out_, response.value, format_.revision);
      } else {
        out_.text("value:");
        write_value(out_, response.value, /*quote_keys=*/false, format_.revision);
      }
      out_.text("}");
      out_.control("<tool_response|>");
      last_ = Last::kResponse;
    }
  }

  static std::string content(const Message& m) {
    return m.speaker == Speaker::kModel ? without_thoughts(m.text) : std::string(strip(m.text));
  }

  // The model's messages that follow each other are one turn; a call without its response leaves the turn open where
  // the response belongs.
  void message(std::size_t i) {
    const Message& m = messages_[i];
    const bool is_model = m.speaker == Speaker::kModel;
    auto model_at = [&](std::size_t at) { return at < messages_.size() && messages_[at].speaker == Speaker::kModel; };
    if (!(is_model && i > 0 && model_at(i - 1))) open(name_of(m.speaker));
    last_ = Last::kText;
    const bool keeps_thought =
        static_cast<std::ptrdiff_t>(i) > last_user_ || (options_.preserve_thinking && !m.calls.empty());
    if (!m.thought.empty() && keeps_thought) {
      begin_thought();
      out_.text(m.thought + "\n");
      out_.control("<channel|>");
    }
    calls_and_responses(m);
    const std::string text = content(m);
    out_.text(text);
    const bool is_last = i + 1 == messages_.size(), responded = !m.responses.empty();
    if (last_ == Last::kCall)
      out_.control("<|tool_response>");
    else if (!(is_model && model_at(i + 1)) && !(responded && text.empty() && is_last))
      close();
  }

  void generation_prompt() {
    if (last_ == Last::kText) {
      open("model");
      empty_thought();
    } else if (last_ == Last::kResponse && options_.thinking) {
      begin_thought();
    }
  }

  // As the first template had it: a turn for each message, no thoughts, the empty one even after a response.
  void first_message(const Message& m) {
    open(name_of(m.speaker));
    last_ = Last::kText;
    calls_and_responses(m);
    out_.text(content(m));
    if (m.responses.empty() || !m.text.empty()) close();
  }

  void first_generation_prompt() {
    if (last_ != Last::kResponse) open("model");
    empty_thought();
  }

  std::span<const Json> tools_;
  std::span<const Message> messages_;
  const TurnFormat& format_;
  const TurnOptions& options_;
  bool newer_;
  std::ptrdiff_t last_user_ = -1;
  Last last_ = Last::kText;  // of what the message before wrote, beside its content
  Prompt out_;
};

}  // namespace

Result<TurnFormat> format_of_template(std::string_view jinja) {
  auto has = [&](std::string_view part) { return jinja.find(part) != jinja.npos; };
  if (!has("<|turn>")) return unsupported("the model's chat template is not one of Gemma 4 (it has no <|turn>)");
  return TurnFormat{.revision = has("<|think|>\\n") ? Revision::k20260709 : Revision::kFirst,
                    .empty_thought = has("<|channel>thought\\n<channel|>")};
}

Prompt render(const Conversation& conversation, const TurnFormat& format, const TurnOptions& options) {
  return Renderer(conversation, format, options).run();
}

bool ends_in_thought(const Conversation& conversation, const TurnFormat& format, const TurnOptions& options) {
  return options.generation_prompt && options.thinking && format.revision == Revision::k20260709 &&
         !conversation.messages.empty() && !conversation.messages.back().responses.empty();
}

std::vector<int> stop_tokens(const Tokenizer& tokenizer) {
  std::vector<int> ids;
  for (const char* piece : {"<eos>", "<turn|>", "<|tool_response>"})
    if (int id = tokenizer.id_of(piece); id >= 0) ids.push_back(id);
  return ids;
}

}  // namespace facet::chat
