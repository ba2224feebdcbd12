#include "base/process.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace facet {
namespace {

// A line such as "VmHWM:   1234 kB" of /proc/self/status, in bytes; 0 where there is none.
std::uint64_t status_bytes(const char* key) {
  std::FILE* file = std::fopen("/proc/self/status", "r");
  if (file == nullptr) return 0;
  char line[256];
  unsigned long long kib = 0;
  const std::size_t length = std::strlen(key);
  while (std::fgets(line, sizeof line, file))
    if (std::strncmp(line, key, length) == 0 && std::sscanf(line + length, ": %llu kB", &kib) == 1) break;
  std::fclose(file);
  return kib * 1024;
}

bool write_all(int file, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(file, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

std::vector<std::byte> read_all(int file) {
  std::vector<std::byte> out;
  std::byte buffer[4096];
  while (true) {
    const ssize_t n = ::read(file, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return out;
    out.insert(out.end(), buffer, buffer + n);
  }
}

}  // namespace

ResidentBytes resident_bytes() { return {status_bytes("RssAnon"), status_bytes("RssFile")}; }

Status run_bytes_in_child(const std::function<Status(std::span<std::byte>)>& work, std::span<std::byte> result) {
  int ends[2];
  if (::pipe(ends) != 0) return io_error(std::string("pipe: ") + std::strerror(errno));
  const pid_t child = ::fork();
  if (child < 0) {
    ::close(ends[0]);
    ::close(ends[1]);
    return no_resources(std::string("fork: ") + std::strerror(errno));
  }
  if (child == 0) {
    ::close(ends[0]);
    // A byte for the outcome, then the result or the message.
    Status status = work(result);
    const auto code = static_cast<std::byte>(status.code());
    const bool sent = write_all(ends[1], {&code, 1}) &&
                      write_all(ends[1], status.ok() ? result : std::as_bytes(std::span(status.message())));
    ::_exit(sent ? 0 : 1);  // no destructors: the parent's state is not the child's to end
  }
  ::close(ends[1]);
  const std::vector<std::byte> got = read_all(ends[0]);
  ::close(ends[0]);
  int how = 0;
  ::waitpid(child, &how, 0);
  if (got.empty() || !WIFEXITED(how) || WEXITSTATUS(how) != 0)
    return no_resources("a child process died, perhaps for want of memory");
  const auto code = static_cast<Code>(got[0]);
  if (code != Code::kOk) return {code, std::string(reinterpret_cast<const char*>(got.data()) + 1, got.size() - 1)};
  if (got.size() - 1 != result.size()) return internal_error("a child process sent a result of another size");
  std::memcpy(result.data(), got.data() + 1, result.size());
  return {};
}

std::uint64_t peak_rss_bytes() {
  // Not ru_maxrss on Linux: it survives exec, so a small program started by a large one would report the large one's.
  if (const std::uint64_t bytes = status_bytes("VmHWM"); bytes > 0) return bytes;
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
#ifdef __APPLE__
  return static_cast<std::uint64_t>(usage.ru_maxrss);
#else
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
#endif
}

}  // namespace facet
