#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

namespace facet {

Result<MappedFile> MappedFile::open(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return not_found(path + ": cannot open: " + std::strerror(errno));
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd);
    return not_found(path + ": not a regular file");
  }
  auto size = static_cast<std::size_t>(info.st_size);
  void* data = nullptr;
  if (size > 0) {
    data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) {
      int error = errno;
      ::close(fd);
      return io_error(path + ": cannot map " + std::to_string(size) + " bytes: " + std::strerror(error));
    }
  }
  return MappedFile(fd, static_cast<const std::byte*>(data), size, path);
}

MappedFile::MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(path_, other.path_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
  if (fd_ >= 0) ::close(fd_);
}

void MappedFile::release(std::span<const std::byte> part) const {
  if (!holds(part)) return;
  // Only this mapping's pages are dropped, and they are clean: it is read-only.
  static const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = static_cast<std::size_t>(part.data() - data_) / page * page;
  const std::size_t end = static_cast<std::size_t>(part.data() - data_) + part.size();
  ::madvise(const_cast<std::byte*>(data_) + begin, end - begin, MADV_DONTNEED);
}

bool MappedFile::copy(std::span<const std::byte> part, std::byte* out) const {
  if (!holds(part)) return false;
  for (std::size_t done = 0; done < part.size();) {
    const auto at = static_cast<off_t>(part.data() - data_) + static_cast<off_t>(done);
    const ssize_t n = ::pread(fd_, out + done, part.size() - done, at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    done += static_cast<std::size_t>(n);
  }
  return true;
}

Result<std::string> read_text_file(const std::string& path, std::size_t max_bytes) {
  FACET_ASSIGN(MappedFile file, MappedFile::open(path));
  auto bytes = file.bytes();
  if (bytes.size() > max_bytes)
    return corrupt(path + ": " + std::to_string(bytes.size()) + " bytes, at most " + std::to_string(max_bytes) +
                   " are accepted here");
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace facet
