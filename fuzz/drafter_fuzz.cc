// Any bytes, read as the GGUF file of a drafter: refused, or a drafter that holds together.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "model/drafter.h"
#include "refusal.h"

namespace {

// A file in memory, for a reader that wants a path.
class MemoryFile {
 public:
  MemoryFile(const std::uint8_t* data, std::size_t size) : file_(::memfd_create("drafter", MFD_CLOEXEC)) {
    if (file_ < 0 || ::write(file_, data, size) != static_cast<ssize_t>(size)) std::abort();
  }
  ~MemoryFile() { ::close(file_); }
  std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  int file_;
};

void use(const facet::GemmaConfig& config) {
  if (!config.validate().ok() || !config.is_drafter() || config.target_hidden_size < 1) std::abort();
  if (config.n_clusters > 0 && config.vocab_size % config.n_clusters != 0) std::abort();
  if (config.n_clusters > 0 && (config.n_clusters_used < 1 || config.n_clusters_used > config.n_clusters)) std::abort();
}

void read_gguf(const std::uint8_t* data, std::size_t size) {
  const MemoryFile file(data, size);
  const auto drafter = facet::load_drafter(file.path());
  if (!drafter.ok()) return facet::expect_refusal(drafter.status());
  use(drafter->config);
  for (const facet::TensorSpec& spec : tensor_specs(drafter->config)) {
    const facet::TensorView& t = drafter->tensors.at(spec.name);
    if (t.shape != spec.shape) std::abort();
    volatile std::byte sink = t.bytes.front() ^ t.bytes.back();
    (void)sink;
  }
  std::vector<int> tokens = drafter->token_ordering;
  if (tokens.size() != (drafter->config.n_clusters > 0 ? static_cast<std::size_t>(drafter->config.vocab_size) : 0))
    std::abort();
  std::sort(tokens.begin(), tokens.end());
  for (std::size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i] != static_cast<int>(i)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  read_gguf(data, size);
  return 0;
}
