// mapped_file.h: a whole file, read-only, mapped into memory.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "facet/status.h"

namespace facet {

// Owns one mapping.  Movable; views into bytes() must not outlive it.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }
  // Takes the pages of `part` out of this process's memory, where part lies in this mapping; else does nothing.  They
  // are read again, from the system's cache or the file, when they are next touched.
  void release(std::span<const std::byte> part) const;
  // Copies `part` to `out` by reading the file, so that no page of it becomes resident here: around a byte that is
  // touched the system may map megabytes.  false, and nothing useful in `out`: it does not lie in this mapping, or the
  // file is no longer that long.
  bool copy(std::span<const std::byte> part, std::byte* out) const;

 private:
  MappedFile(int fd, const std::byte* data, std::size_t size, std::string path)
      : fd_(fd), data_(data), size_(size), path_(std::move(path)) {}
  bool holds(std::span<const std::byte> part) const {
    return !part.empty() && part.data() >= data_ && part.data() + part.size() <= data_ + size_;
  }
  int fd_ = -1;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::string path_;
};

// The whole of a text file of at most max_bytes.
Result<std::string> read_text_file(const std::string& path, std::size_t max_bytes = std::size_t{1} << 32);

}  // namespace facet
