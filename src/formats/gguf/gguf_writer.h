// gguf_writer.h: writes GGUF version 3.  Law: docs/formats/gguf.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/atomic_file.h"
#include "facet/status.h"
#include "formats/gguf/ggml_type.h"
#include "formats/gguf/gguf_value.h"
#include "tensor/tensor.h"

namespace facet {

//   GgufWriter out;
//   out.add("general.architecture", "gemma4");
//   out.add("gemma4.block_count", std::uint32_t{35});
//   for (...) out.add_tensor(name, GgmlType::kQ4_0, {n_rows, n_cols});   // announces; data follows in this order
//   FACET_TRY(out.open(path));                                           // writes the header
//   for (...) FACET_TRY(out.write(bytes));                               // each tensor in one piece or in several
//   FACET_TRY(out.commit());                                             // the file appears at `path` only now
//
// What it writes, read_gguf reads: names, limits and shapes are held to the same rules.  Same calls, same bytes: a file
// read and written again in its order is identical (if it was padded at its end).  Only the header is held in memory.
class GgufWriter {
 public:
  // File order.  The value is copied.  "general.alignment", if given, must be a u32 power of two and becomes the
  // alignment of the file; otherwise it is 32.
  void add(std::string_view key, const GgufValue& value);
  // shape: slowest first, as in TensorView; its last dimension a multiple of the type's block.
  void add_tensor(std::string_view name, GgmlType type, const Shape& shape);

  // kInvalidArgument: a duplicate or empty name, a name above 63 bytes, a bad shape or a limit passed, in the calls
  // above; else as AtomicFile.
  Status open(const std::string& path);
  // The next bytes of the announced tensors; a piece does not reach into the next tensor (FACET_CHECK).  Pads to the
  // alignment behind each.
  Status write(std::span<const std::byte> bytes);
  // All announced tensors must have been written (FACET_CHECK).
  Status commit();

 private:
  struct Announced {
    std::string name;
    GgmlType type;
    Shape shape;
    std::uint64_t size_bytes = 0;
  };
  Status lay_out(std::string& header);  // checks everything and appends the tensor list

  AtomicFile file_;
  std::vector<std::string> keys_;
  std::string metadata_;  // serialized entries
  std::uint64_t alignment_ = 32;
  Status first_error_;  // of add()
  std::vector<Announced> tensors_;
  std::size_t n_written_ = 0;        // tensors, whole
  std::uint64_t bytes_of_next_ = 0;  // of the one after them
};

}  // namespace facet
