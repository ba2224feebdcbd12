// template_text.h: what the filters of the official template, written in Jinja over Python, do to texts and values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "chat/conversation.h"

namespace facet::chat {

// str.strip(): without the Unicode white space at both ends.
std::string_view strip(std::string_view text);
// str.upper(), of ASCII letters (names of types have no others).
std::string upper(std::string_view text);
// str(): True and None, floats with ".0", lists and mappings as Python shows them.
std::string as_text(const Json& value);
// What `if value` asks.
bool is_true(const Json& value);
// dictsort: entries by key, ASCII letters of either case alike; equal ones keep their order.  Nothing but an object has
// any.  Points into `object`.
std::vector<Json::const_iterator> sorted(const Json& object);

}  // namespace facet::chat
