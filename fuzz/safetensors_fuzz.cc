// Any bytes, read as safetensors: refused or read, and what was read is used as a model's loader would use it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "formats/safetensors/safetensors.h"
#include "refusal.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::span<const std::byte> input = std::as_bytes(std::span(data, size));
  facet::Result<facet::SafetensorsFile> file = facet::parse_safetensors(input, "fuzz.safetensors", nullptr);
  if (!file.ok()) {
    facet::expect_refusal(file.status());
    return 0;
  }
  for (const facet::SafetensorsTensor& t : file->tensors) {
    if (file->find(t.name) != &t) std::abort();
    if (!t.bytes.empty()) {
      if (t.bytes.data() < input.data() || t.bytes.data() + t.bytes.size() > input.data() + input.size()) std::abort();
      volatile std::byte sink = t.bytes.front() ^ t.bytes.back();
      (void)sink;
    }
    auto stored = file->tensor(t.name);
    if (stored.ok() != facet::dtype_of(t.type).has_value()) std::abort();
    if (stored.ok() && stored->view.bytes.size() != t.bytes.size()) std::abort();
  }
  return 0;
}
