#include "base/atomic_file.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace facet {

Status AtomicFile::fail(const char* what) {
  int error = errno;
  std::string message = temporary_ + ": " + what + ": " + std::strerror(error);
  if (error == ENOSPC || error == EDQUOT) return no_resources(message + " (free some space and run again)");
  return io_error(message);
}

AtomicFile::~AtomicFile() {
  if (!file_) return;
  std::fclose(file_);
  ::unlink(temporary_.c_str());
}

Status AtomicFile::open(const std::string& path) {
  path_ = path;
  temporary_ = path + ".tmp";
  file_ = std::fopen(temporary_.c_str(), "wb");
  return file_ ? Status() : fail("cannot create");
}

Status AtomicFile::write(std::span<const std::byte> bytes) {
  if (!bytes.empty() && std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) return fail("cannot write");
  size_ += bytes.size();
  return {};
}

Status AtomicFile::write(std::string_view text) { return write(std::as_bytes(std::span(text.data(), text.size()))); }

Status AtomicFile::write_zeros(std::size_t n) {
  static constexpr std::array<std::byte, 4096> kZeros{};
  while (n > 0) {
    std::size_t part = std::min(n, kZeros.size());
    FACET_TRY(write(std::span(kZeros).first(part)));
    n -= part;
  }
  return {};
}

Status AtomicFile::commit() {
  if (std::fflush(file_) != 0 || ::fsync(::fileno(file_)) != 0) return fail("cannot flush");
  std::FILE* file = std::exchange(file_, nullptr);
  if (std::fclose(file) != 0) {
    Status status = fail("cannot close");
    ::unlink(temporary_.c_str());
    return status;
  }
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) {
    Status status = fail("cannot rename");
    ::unlink(temporary_.c_str());
    return status;
  }
  return {};
}

Status write_text_file(const std::string& path, std::string_view text) {
  AtomicFile file;
  FACET_TRY(file.open(path));
  FACET_TRY(file.write(text));
  return file.commit();
}

}  // namespace facet
