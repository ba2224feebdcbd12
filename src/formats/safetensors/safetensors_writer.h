// safetensors_writer.h: writes one safetensors file.  Law: docs/formats/safetensors.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/atomic_file.h"
#include "facet/status.h"
#include "formats/safetensors/safetensors.h"

namespace facet {

//   SafetensorsWriter out;
//   out.set_metadata("format", "pt");
//   for (...) out.add_tensor(name, SafetensorsType::kBF16, shape);     // any order
//   FACET_TRY(out.open(path));                                         // writes the header
//   for (const std::string& name : out.order()) FACET_TRY(out.write(bytes_of(name)));
//   FACET_TRY(out.commit());                                           // the file appears at `path` only now
//
// Deterministic: the set of tensors decides the bytes, not the order of calls.  Data begins at a multiple of 64 bytes,
// tensors of as many whole cache lines come first, and within these and the others it goes by falling element size,
// then by name.  So every tensor is aligned for its type, and matrices begin at cache lines, as the kernels that read
// them mapped like best.
class SafetensorsWriter {
 public:
  void set_metadata(std::string_view key, std::string_view value);
  void add_tensor(std::string_view name, SafetensorsType type, Shape shape);

  // kInvalidArgument: duplicate, empty or reserved names, names that are not UTF-8, negative dimensions, or a limit
  // passed; else as AtomicFile.
  Status open(const std::string& path);
  // After open(): the names in the order their data is expected.
  const std::vector<std::string>& order() const { return order_; }
  // The next bytes of the tensors of order(); a piece does not reach into the next tensor (FACET_CHECK).
  Status write(std::span<const std::byte> bytes);
  // All tensors must have been written (FACET_CHECK).
  Status commit();

 private:
  struct Announced {
    std::string name;
    SafetensorsType type;
    Shape shape;
    std::uint64_t size_bytes = 0;
  };
  Status lay_out(std::string& header);

  AtomicFile file_;
  std::map<std::string, std::string> metadata_;
  std::vector<Announced> tensors_;
  std::vector<std::string> order_;
  std::size_t n_written_ = 0;        // tensors, whole
  std::uint64_t bytes_of_next_ = 0;  // of the one after them
};

// A tensor to be written from memory.
struct SafetensorsItem {
  std::string name;
  SafetensorsType type;
  Shape shape;
  std::span<const std::byte> bytes;
};
// All of the above in one call.  kInvalidArgument also when bytes do not have the size that type and shape imply.
Status write_safetensors(const std::string& path, std::span<const SafetensorsItem> items,
                         const std::map<std::string, std::string>& metadata = {});

}  // namespace facet
