// chat_template.h: the chat template that lies with a model, as text; what it means is not this room's business.
#pragma once

#include <string>

#include "facet/status.h"

namespace facet {

// tokenizer.chat_template of a GGUF file; chat_template.jinja of a folder, else the one in its tokenizer_config.json.
// "" where there is none.
Result<std::string> load_chat_template(const std::string& path);

}  // namespace facet
