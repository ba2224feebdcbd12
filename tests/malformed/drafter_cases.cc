// GGUF files of drafters, made by the writer and bent in one place.
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "malformed.h"
#include "model/drafter.h"
#include "model/tiny_configs.h"
#include "model/tiny_tokenizer.h"

namespace facet::malformed {
namespace {

constexpr int kClusters = 16;

GemmaConfig config() { return tiny_drafter(tiny_e(8), kClusters, 8); }

// One value of good_drafter_gguf() found and overwritten.
class Bent {
 public:
  explicit Bent(std::string bytes) : bytes_(std::move(bytes)) {}
  // A u32, or the first of an array of them.
  Bent& key(std::string_view name, std::uint32_t value) {
    std::size_t at = find(Bytes().str(name).text()) + sizeof(std::uint64_t) + name.size();
    constexpr std::uint32_t kArray = 9;
    std::uint32_t type = 0;
    std::memcpy(&type, bytes_.data() + at, sizeof type);
    at += type == kArray ? 4 + 4 + 8 : 4;
    return put(at, value);
  }
  // Bytes from the name of a tensor's entry on: behind it come the number of dimensions, these as u64, the type.
  template <typename T>
  Bent& tensor(std::string_view name, std::size_t offset, T value) {
    return put(find(Bytes().str(name).text()) + sizeof(std::uint64_t) + name.size() + offset, value);
  }
  Bent& rename(std::string_view from, std::string_view to) {
    bytes_.replace(find(from), from.size(), to);
    return *this;
  }
  // The ordering's i-th token.
  Bent& token(std::size_t i, std::int32_t value) {
    Bytes tokens;
    for (int id : random_token_ordering(config(), 3)) tokens.put(std::int32_t{id});
    return put(find(tokens.text()) + i * sizeof value, value);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::size_t find(std::string_view what) const {
    const std::size_t at = bytes_.find(what);
    return at == bytes_.npos ? bytes_.size() : at;  // put() then changes nothing, and the case is not refused
  }
  template <typename T>
  Bent& put(std::size_t at, T value) {
    if (at + sizeof value <= bytes_.size()) std::memcpy(bytes_.data() + at, &value, sizeof value);
    return *this;
  }
  std::string bytes_;
};

std::string made() {
  Checkpoint drafter = random_checkpoint(config(), 3);
  drafter.token_ordering = random_token_ordering(drafter.config, 3);
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("facet_drafter_" + std::to_string(::getpid()) + ".gguf");
  const Status saved = save_drafter(path.string(), drafter, tiny_tokenizer());
  if (!saved.ok()) return saved.message();
  std::ifstream file(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), {}};
  std::filesystem::remove(path);
  return bytes;
}

}  // namespace

std::string good_drafter_gguf() {
  static const std::string bytes = made();
  return bytes;
}

std::vector<Case> drafter_gguf_cases() {
  std::vector<Case> out;
  auto bad = [&](const char* name, std::string message, auto bend, Code code = Code::kCorrupt) {
    Bent bent(good_drafter_gguf());
    bend(bent);
    out.push_back({name, bent.bytes(), code, std::move(message)});
  };
  const std::string prefix = "gemma4-assistant.", ordering = "masked_embd_ordering";
  bad(
      "other_architecture", "gemma3-assistant", [](Bent& b) { b.rename("gemma4-assistant", "gemma3-assistant"); },
      Code::kUnsupported);
  bad("width_other", "nextn.p", [&](Bent& b) { b.key(prefix + "embedding_length_out", 24); });
  bad("width_0", "embedding_length_out", [&](Bent& b) { b.key(prefix + "embedding_length_out", 0); });
  bad("hidden_size_other", "the config wants", [&](Bent& b) { b.key(prefix + "embedding_length", 16); });
  bad("heads_other", "the config wants", [&](Bent& b) { b.key(prefix + "attention.head_count", 2); });
  bad("kv_heads_differ", "in other layers of its kind", [&](Bent& b) { b.key(prefix + "attention.head_count_kv", 3); });
  bad("ffn_other", "the config wants", [&](Bent& b) { b.key(prefix + "feed_forward_length", 32); });
  bad("clusters_used_0", "centroid_intermediate_top_k", [](Bent& b) { b.key("facet.clusters_used", 0); });
  bad("clusters_used_17", "centroid_intermediate_top_k", [](Bent& b) { b.key("facet.clusters_used", kClusters + 1); });
  bad("clusters_used_2_31", "clusters_used", [](Bent& b) { b.key("facet.clusters_used", 0x80000000u); });
  bad("clusters_14", "leaves a hole",
      [](Bent& b) { b.tensor("masked_embd_centroids.weight", 4 + 8, std::uint64_t{14}); });
  const int first = random_token_ordering(config(), 3)[0];
  bad("token_twice", "no permutation of the 384 tokens", [&](Bent& b) { b.token(7, first); });
  bad("token_negative", "no permutation", [](Bent& b) { b.token(7, -1); });
  bad("token_beyond", "no permutation", [](Bent& b) { b.token(383, 384); });
  bad("token_huge", "no permutation", [](Bent& b) { b.token(0, 0x7fffffff); });
  bad("ordering_floats", "expected I32", [&](Bent& b) { b.tensor(ordering, 4 + 8, std::uint32_t{0}); });
  bad("ordering_short", "expected I32", [&](Bent& b) { b.tensor(ordering, 4, std::uint64_t{383}); });
  bad(
      "ordering_missing", ordering, [&](Bent& b) { b.rename(ordering, "masked_embd_somewhat"); }, Code::kNotFound);
  bad(
      "centroids_missing", "masked_embd_centroids.weight",
      [](Bent& b) { b.rename("masked_embd_centroids.weight", "masked_embd_elsewhere.weight"); }, Code::kNotFound);
  bad(
      "projection_missing", "nextn.post_projection.weight",
      [](Bent& b) { b.rename("nextn.post_projection", "nextn.other_projectio"); }, Code::kNotFound);
  return out;
}

}  // namespace facet::malformed
