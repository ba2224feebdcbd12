// kv_cache.h: the keys and values of one session: a ring for sliding layers, every position for global ones, nothing
// for layers that read another's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/model.h"
#include "engine/session.h"
#include "kernels/table.h"

namespace facet {

// One side (keys or values) of one layer.  Heads lie apart, so that the positions of a head follow each other.
struct KvPlane {
  kernels::CacheType type = kernels::CacheType::kF32;
  float scale = 1.0f;               // of kI8
  std::ptrdiff_t stride_bytes = 0;  // from one position to the next
  int slots = 0;
  std::unique_ptr<std::byte[]> bytes;

  std::byte* slot(int head, int index) { return bytes.get() + (std::int64_t{head} * slots + index) * stride_bytes; }
  const std::byte* slot(int head, int index) const { return const_cast<KvPlane*>(this)->slot(head, index); }
};

struct KvLayer {
  KvPlane k, v;
  int slots = 0;   // position p lies in slot p % slots
  int window = 0;  // keys a query sees, its own included; 0 = all
};

// Bytes of keys and values that layer l, which owns a cache, keeps for one position.
std::int64_t cache_bytes_per_position(const Model& model, const SessionOptions& options, int l);

class KvCache {
 public:
  // options as Session::create settles them: context, max_batch, max_rollback > 0 or 0 as meant, kv not kAuto.
  // Throws std::bad_alloc.  Memory the session never fills is never touched, so it does not become resident.
  KvCache(const Model& model, const SessionOptions& options);
  KvLayer& layer(int l) { return layers_[donors_[l]]; }
  const KvLayer& layer(int l) const { return layers_[donors_[l]]; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  std::vector<KvLayer> layers_;  // empty planes where the layer does not own a cache
  std::vector<int> donors_;
  std::uint64_t bytes_ = 0;
};

}  // namespace facet
