// conversation.h: a conversation as data: who said what, the tools, calls of them and what they gave back; and its
// JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "facet/status.h"

namespace facet::chat {

using Json = nlohmann::ordered_json;  // keeps the order of keys, as the template's sorting does among equals

enum class Speaker { kSystem, kDeveloper, kUser, kModel };

struct ToolCall {
  std::string id, name;  // id: what a response refers to; may be empty
  Json arguments = Json::object();
};
// What a call gave back.  Stored with the model's message that called: Gemma 4 reads it inside that turn.
struct ToolResponse {
  std::string name;
  Json value;
};

struct Message {
  Speaker speaker = Speaker::kUser;
  std::string text{};
  std::string thought{};  // the model's; rendered only where the format keeps thoughts
  std::vector<ToolCall> calls{};
  std::vector<ToolResponse> responses{};
};

struct Conversation {
  std::vector<Json> tools{};  // functions: {"name", "description", "parameters" (a JSON schema), "response"}
  std::vector<Message> messages{};
};

// The shape of OpenAI's chat requests: {"messages": [...], "tools": [...]} or the list of messages alone.  Roles
// system, developer, user, assistant (or model), tool; content is a text or a list of parts of type "text", which are
// joined. Thoughts come as "reasoning" or "reasoning_content", arguments as an object or as a text that holds one.
// Messages of role tool become responses of the model's message before them, named by "tool_call_id" or "name";
// Google's "tool_responses" on that message are read too.  Other keys are ignored. kInvalidArgument: anything else; the
// message says which entry and why.  Never recurses deeper than 64 levels.
Result<Conversation> conversation_from_json(std::string_view text);
// A value as JSON in one line, whatever bytes its texts hold: what is not UTF-8 becomes U+FFFD.
std::string in_one_line(const Json& value);
// Reads back as the same conversation.
std::string to_json(const Conversation& conversation);

}  // namespace facet::chat
