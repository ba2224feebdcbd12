// process.h: what the operating system says about this process, and work in a child of it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <type_traits>

#include "facet/status.h"

namespace facet {

// The most memory that was ever resident, mapped files included: VmHWM on Linux, ru_maxrss elsewhere.  0 = unknown.
std::uint64_t peak_rss_bytes();
// Of what is resident now: RssAnon and RssFile on Linux; zeros elsewhere.
struct ResidentBytes {
  std::uint64_t anonymous = 0, file = 0;
};
ResidentBytes resident_bytes();

// Runs `work` in a forked copy of this process and returns what it returned: what it allocates, maps and reads never
// counts as this process's memory.  Call it while this process is small and has no threads of its own: a child starts
// with its parent's memory.  kNoResources: no process could be made, or it died.
Status run_bytes_in_child(const std::function<Status(std::span<std::byte>)>& work, std::span<std::byte> result);
template <typename T>
Result<T> run_in_child(const std::function<Result<T>()>& work) {
  static_assert(std::is_trivially_copyable_v<T>);
  T result{};
  FACET_TRY(run_bytes_in_child(
      [&](std::span<std::byte> out) -> Status {
        FACET_ASSIGN(T value, work());
        auto bytes = std::as_bytes(std::span(&value, 1));
        std::copy(bytes.begin(), bytes.end(), out.begin());
        return {};
      },
      std::as_writable_bytes(std::span(&result, 1))));
  return result;
}

}  // namespace facet
