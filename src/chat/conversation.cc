#include "chat/conversation.h"

#include <algorithm>

#include "base/printable.h"

namespace facet::chat {
namespace {

constexpr int kMaxDepth = 64;
constexpr std::pair<const char*, Speaker> kRoles[] = {{"system", Speaker::kSystem},
                                                      {"developer", Speaker::kDeveloper},
                                                      {"user", Speaker::kUser},
                                                      {"assistant", Speaker::kModel},
                                                      {"model", Speaker::kModel}};

// Brackets that are open at once, outside of strings: looked at before anything is parsed.
int depth_of(std::string_view text) {
  int depth = 0, most = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      most = std::max(most, ++depth);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return most;
}

Result<Json> parse(std::string_view text) {
  if (depth_of(text) > kMaxDepth) return invalid_argument("nested deeper than 64 levels");
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return invalid_argument("not JSON");
  return json;
}

const Json* find(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

// A text, or "" when the key is absent or null.
Result<std::string> text_of(const Json& object, const char* key) {
  const Json* value = find(object, key);
  if (value == nullptr) return std::string();
  if (!value->is_string()) return invalid_argument(std::string("'") + key + "' is not a text");
  return value->get<std::string>();
}

Result<const Json*> list_of(const Json& object, const char* key) {
  static const Json kNone = Json::array();
  const Json* value = find(object, key);
  if (value == nullptr) return &kNone;
  if (!value->is_array()) return invalid_argument(std::string("'") + key + "' is not a list");
  return value;
}

Result<std::string> joined_parts(const Json& parts) {
  std::string text;
  for (const Json& part : parts) {
    FACET_ASSIGN(std::string type, text_of(part, "type"));
    if (type != "text") return unsupported("content of type '" + printable(type) + "'; this engine reads text alone");
    FACET_ASSIGN(std::string more, text_of(part, "text"));
    text += more;
  }
  return text;
}

Result<std::string> content_of(const Json& message) {
  const Json* content = find(message, "content");
  if (content != nullptr && content->is_array()) return joined_parts(*content);
  return text_of(message, "content");
}

Result<ToolCall> read_call(const Json& json) {
  const Json* function = find(json, "function");
  if (function == nullptr) return invalid_argument("a tool call has no 'function'");
  ToolCall call;
  FACET_ASSIGN(call.id, text_of(json, "id"));
  FACET_ASSIGN(call.name, text_of(*function, "name"));
  if (call.name.empty()) return invalid_argument("a tool call has no name");
  if (const Json* arguments = find(*function, "arguments")) {
    call.arguments = *arguments;
    if (arguments->is_string()) {
      auto parsed = parse(arguments->get<std::string>());
      call.arguments = parsed.ok() ? *parsed : Json();
    }
  }
  if (!call.arguments.is_object())
    return invalid_argument("the arguments of the call of '" + printable(call.name) + "' are not a JSON object");
  return call;
}

// A message of role tool, as a response of the message that called.
Result<ToolResponse> read_response(const Json& json, const Message& caller) {
  ToolResponse response;
  FACET_ASSIGN(response.name, text_of(json, "name"));
  FACET_ASSIGN(std::string id, text_of(json, "tool_call_id"));
  for (const ToolCall& call : caller.calls)
    if (call.id == id) response.name = call.name;
  if (response.name.empty()) response.name = "unknown";
  const Json* content = find(json, "content");
  if (content != nullptr && content->is_array()) {
    FACET_ASSIGN(response.value, joined_parts(*content));
  } else if (content != nullptr) {
    response.value = *content;
  }
  return response;
}

Result<Message> read_message(const Json& json, const std::string& role) {
  Message message;
  auto known = std::find_if(std::begin(kRoles), std::end(kRoles), [&](auto& r) { return role == r.first; });
  if (known == std::end(kRoles))
    return invalid_argument("role '" + printable(role) + "', expected system, developer, user, assistant or tool");
  message.speaker = known->second;
  FACET_ASSIGN(message.text, content_of(json));
  if (message.speaker != Speaker::kModel) return message;
  FACET_ASSIGN(message.thought, text_of(json, "reasoning"));
  if (message.thought.empty()) {
    FACET_ASSIGN(message.thought, text_of(json, "reasoning_content"));
  }
  FACET_ASSIGN(const Json* calls, list_of(json, "tool_calls"));
  for (const Json& one : *calls) {
    FACET_ASSIGN(ToolCall call, read_call(one));
    message.calls.push_back(std::move(call));
  }
  FACET_ASSIGN(const Json* responses, list_of(json, "tool_responses"));
  for (const Json& one : *responses) {
    ToolResponse response;
    FACET_ASSIGN(response.name, text_of(one, "name"));
    if (response.name.empty()) response.name = "unknown";
    if (const Json* value = find(one, "response")) response.value = *value;
    message.responses.push_back(std::move(response));
  }
  return message;
}

Status read_messages(const Json& list, std::vector<Message>& out) {
  bool folded = false;  // the responses of the last message came as messages of their own
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string where = "messages[" + std::to_string(i) + "]";
    if (!list[i].is_object()) return invalid_argument(where + " is not an object");
    auto role = text_of(list[i], "role");
    if (!role.ok()) return role.status().with_prefix(where);
    if (*role != "tool") {
      auto message = read_message(list[i], *role);
      if (!message.ok()) return message.status().with_prefix(where);
      out.push_back(std::move(*message));
      folded = false;
      continue;
    }
    if (out.empty() || out.back().calls.empty() || (!folded && !out.back().responses.empty()))
      return invalid_argument(where + ": a tool's message answers no call of the message before it");
    auto response = read_response(list[i], out.back());
    if (!response.ok()) return response.status().with_prefix(where);
    out.back().responses.push_back(std::move(*response));
    folded = true;
  }
  return {};
}

Status check_function(const Json& function) {
  if (!function.is_object()) return invalid_argument("is not an object");
  FACET_ASSIGN(std::string name, text_of(function, "name"));
  if (name.empty()) return invalid_argument("has no name");
  for (const char* key : {"parameters", "response"})
    if (const Json* value = find(function, key); value != nullptr && !value->is_object())
      return invalid_argument(std::string("'") + key + "' is not an object");
  if (const Json* parameters = find(function, "parameters"))
    if (const Json* properties = find(*parameters, "properties"); properties != nullptr && !properties->is_object())
      return invalid_argument("'parameters.properties' is not an object");
  return {};
}

Status read_tools(const Json& list, std::vector<Json>& out) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    const Json* function = find(list[i], "function");
    out.push_back(function != nullptr ? *function : list[i]);
    FACET_TRY(check_function(out.back()).with_prefix("tools[" + std::to_string(i) + "]"));
  }
  return {};
}

const char* role_of(Speaker speaker) {
  for (auto [role, known] : kRoles)
    if (speaker == known) return role;
  return "";
}

}  // namespace

Result<Conversation> conversation_from_json(std::string_view text) {
  FACET_ASSIGN(Json root, parse(text));
  Conversation out;
  if (root.is_object()) {
    if (find(root, "messages") == nullptr) return invalid_argument("no 'messages'");
    FACET_ASSIGN(const Json* tools, list_of(root, "tools"));
    FACET_TRY(read_tools(*tools, out.tools));
    FACET_ASSIGN(const Json* messages, list_of(root, "messages"));
    FACET_TRY(read_messages(*messages, out.messages));
    return out;
  }
  if (!root.is_array()) return invalid_argument("neither an object with 'messages' nor a list of messages");
  FACET_TRY(read_messages(root, out.messages));
  return out;
}

std::string in_one_line(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string to_json(const Conversation& conversation) {
  Json root = {{"messages", Json::array()}};
  for (const Message& message : conversation.messages) {
    Json json = {{"role", role_of(message.speaker)}, {"content", message.text}};
    if (!message.thought.empty()) json["reasoning"] = message.thought;
    for (const ToolCall& call : message.calls) {
      Json one = {{"type", "function"},
                  {"function", {{"name", call.name}, {"arguments", in_one_line(call.arguments)}}}};
      if (!call.id.empty()) one["id"] = call.id;
      json["tool_calls"].push_back(std::move(one));
    }
    for (const ToolResponse& response : message.responses)
      json["tool_responses"].push_back({{"name", response.name}, {"response", response.value}});
    root["messages"].push_back(std::move(json));
  }
  for (const Json& function : conversation.tools)
    root["tools"].push_back({{"type", "function"}, {"function", function}});
  return root.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace facet::chat
