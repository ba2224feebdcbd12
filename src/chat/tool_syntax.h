// tool_syntax.h: writes Gemma 4's own notation for tools: declarations and values.  call_text.h reads it.  Law:
// docs/model/turns.md.
#pragma once

#include "chat/conversation.h"
#include "chat/prompt.h"
#include "chat/turns.h"

namespace facet::chat {

// "declaration:NAME{...}", of a function that conversation_from_json() let through.
void write_declaration(Prompt& out, const Json& function, Revision revision);
// Texts between <|"|> tokens, objects sorted by key; quote_keys: keys between them too.
void write_value(Prompt& out, const Json& value, bool quote_keys, Revision revision);
// What stands between the braces of a call: key:value,key:value.
void write_entries(Prompt& out, const Json& object, Revision revision);

}  // namespace facet::chat
