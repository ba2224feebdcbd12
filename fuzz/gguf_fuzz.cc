// Any bytes, read as GGUF: refused or read, and what was read is used as a model's loader would use it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "formats/gguf/gguf.h"
#include "refusal.h"

namespace {

// Aborts unless the view lies within the input; reads its ends.
void use(std::span<const std::byte> input, const void* data, std::size_t size) {
  if (size == 0) return;
  const auto* begin = static_cast<const std::byte*>(data);
  if (begin < input.data() || begin + size > input.data() + input.size()) std::abort();
  volatile std::byte sink = begin[0] ^ begin[size - 1];
  (void)sink;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::span<const std::byte> input = std::as_bytes(std::span(data, size));
  facet::Result<facet::GgufFile> file = facet::parse_gguf(input, "fuzz.gguf", nullptr);
  if (!file.ok()) {
    facet::expect_refusal(file.status());
    return 0;
  }
  for (const facet::GgufEntry& e : file->metadata) {
    use(input, e.key.data(), e.key.size());
    if (file->find(e.key) != &e.value) std::abort();
    (void)file->get_int(e.key, 1);
    (void)file->get_float(e.key);
    (void)file->get_bool(e.key);
    if (auto s = file->get_string(e.key); s.ok()) use(input, s->data(), s->size());
    (void)file->get_ints(e.key);
    (void)file->get_ints_of(e.key, 35);
    (void)file->get_floats(e.key);
    (void)file->get_bools(e.key);
    if (auto strings = file->get_strings(e.key); strings.ok())
      for (std::string_view s : *strings) use(input, s.data(), s.size());
  }
  for (const facet::GgufTensor& t : file->tensors) {
    use(input, t.name.data(), t.name.size());
    use(input, t.bytes.data(), t.bytes.size());
    if (file->find_tensor(t.name) != &t) std::abort();
    auto stored = file->tensor(t.name);
    if (stored.ok() != facet::dtype_of(t.type).has_value()) std::abort();
    if (stored.ok() && stored->view.bytes.size() != t.bytes.size()) std::abort();
  }
  return 0;
}
