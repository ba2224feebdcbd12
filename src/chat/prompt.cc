#include "chat/prompt.h"

namespace facet::chat {

void Prompt::text(std::string_view more) {
  if (parts_.empty() || parts_.back().control) parts_.push_back({false, {}});
  parts_.back().text += more;
}

std::string Prompt::to_string() const {
  std::string all;
  for (const Part& part : parts_) all += part.text;
  return all;
}

Result<std::vector<int>> Prompt::tokens(const Tokenizer& tokenizer) const {
  std::vector<int> ids;
  for (const Part& part : parts_) {
    if (!part.control) {
      const std::vector<int> more = tokenizer.encode(part.text);
      ids.insert(ids.end(), more.begin(), more.end());
      continue;
    }
    const int id = tokenizer.id_of(part.text);
    if (id < 0) return unsupported("the vocabulary has no '" + part.text + "', so this is not a chat model of Gemma 4");
    ids.push_back(id);
  }
  return ids;
}

}  // namespace facet::chat
