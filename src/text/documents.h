// documents.h: where one document of a text file ends and the next begins.
#pragma once

#include <string_view>
#include <vector>

namespace facet {

// A line that holds exactly this parts two documents.  (Blank lines will not do: books and stories have them inside.)
inline constexpr std::string_view kDocumentSeparator = "<|endoftext|>";

// The documents of a text, in order, without the separator lines and the newline on each side of them; empty ones are
// left out, and a text without separator is one document.  The views live as long as `text`.
std::vector<std::string_view> split_documents(std::string_view text);

}  // namespace facet
