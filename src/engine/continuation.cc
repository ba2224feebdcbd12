#include "engine/continuation.h"

#include <algorithm>
#include <string>

namespace facet {

Result<int> keep_prefix(Session& session, std::span<const int> cached, std::span<const int> prompt) {
  if (static_cast<int>(cached.size()) != session.position())
    return invalid_argument(std::to_string(cached.size()) + " tokens are said to be cached, the session holds " +
                            std::to_string(session.position()));
  if (prompt.empty()) return invalid_argument("the prompt is empty");
  const std::size_t most = std::min(cached.size(), prompt.size() - 1);
  const auto parting = std::mismatch(cached.begin(), cached.begin() + most, prompt.begin()).first;
  const int kept = static_cast<int>(parting - cached.begin());
  if (!session.rollback(session.position() - kept).ok()) session.reset();
  return session.position();
}

}  // namespace facet
