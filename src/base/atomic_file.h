// atomic_file.h: writes that either happen whole or not at all.
#pragma once

#include <cstddef>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>

#include "facet/status.h"

namespace facet {

//   AtomicFile out;
//   FACET_TRY(out.open(path));          // writes path.tmp
//   FACET_TRY(out.write(bytes));
//   FACET_TRY(out.commit());            // fsync, rename to path; without it the destructor removes path.tmp
// Errors (a full disk, say) are kNoResources or kIo and leave an existing file at `path` untouched.
class AtomicFile {
 public:
  AtomicFile() = default;
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();
  Status open(const std::string& path);
  Status write(std::span<const std::byte> bytes);
  Status write(std::string_view text);
  Status write_zeros(std::size_t n);
  Status commit();
  std::size_t size_bytes() const { return size_; }

 private:
  Status fail(const char* what);
  std::FILE* file_ = nullptr;
  std::string path_, temporary_;
  std::size_t size_ = 0;
};

// A small text file, atomically.
Status write_text_file(const std::string& path, std::string_view text);

}  // namespace facet
