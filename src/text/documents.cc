#include "text/documents.h"

namespace facet {

std::vector<std::string_view> split_documents(std::string_view text) {
  std::vector<std::string_view> documents;
  std::size_t begin = 0;
  auto add = [&](std::size_t end) {
    if (end > begin) documents.push_back(text.substr(begin, end - begin));
  };
  for (std::size_t at = text.find(kDocumentSeparator); at != text.npos;) {
    std::size_t after = at + kDocumentSeparator.size();
    bool line_begins = at == 0 || text[at - 1] == '\n';
    bool carriage = after + 1 < text.size() && text[after] == '\r' && text[after + 1] == '\n';  // files from Windows
    bool line_ends = after == text.size() || text[after] == '\n' || carriage;
    if (line_begins && line_ends) {
      std::size_t end = at == 0 ? 0 : at - 1;
      if (end > begin && text[end - 1] == '\r') --end;
      add(end);
      begin = after == text.size() ? after : after + (carriage ? 2 : 1);
    }
    at = text.find(kDocumentSeparator, after);
  }
  add(text.size());
  return documents;
}

}  // namespace facet
