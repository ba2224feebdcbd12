#include "engine/kv_cache.h"

#include <algorithm>

namespace facet {
namespace {

kernels::CacheType plane_type(KvType kv, float scale) {
  switch (kv) {
    case KvType::kF16:
      return kernels::CacheType::kF16;
    case KvType::kBF16:
      return kernels::CacheType::kBF16;
    case KvType::kQ8:
      return kernels::CacheType::kQ8;
    case KvType::kI8:
      return scale > 0 ? kernels::CacheType::kI8 : kernels::CacheType::kF32;  // 0: float by the format
    default:
      return kernels::CacheType::kF32;
  }
}

KvPlane make_plane(KvType kv, float scale, int n_heads, int slots, int size) {
  KvPlane plane;
  plane.type = plane_type(kv, scale);
  plane.scale = plane.type == kernels::CacheType::kI8 ? scale : 1.0f;
  plane.stride_bytes = kernels::cache_bytes(plane.type, size);
  plane.slots = slots;
  plane.bytes = std::make_unique_for_overwrite<std::byte[]>(std::size_t(n_heads) * slots * plane.stride_bytes);
  return plane;
}

// A batch of B at position p reads p-W+1 .. p+B-1 after writing p .. p+B-1.  After a rollback of k from position P the
// next token reads P-k-W+1 .. P-k-1, while P-1 was already written.  Either span must fit, and they do not add: what
// lies past the present position is never read.
int slots_for(const SessionOptions& o, int window) {
  if (window == 0) return o.context;
  const std::int64_t span = std::int64_t{window} - 1 + std::max({o.max_batch, o.max_rollback, 1});
  return static_cast<int>(std::min<std::int64_t>(o.context, span));
}

}  // namespace

std::int64_t cache_bytes_per_position(const Model& model, const SessionOptions& options, int l) {
  const GemmaConfig& c = model.config();
  const CacheScales scales = model.layers()[l].cache_scales;
  const int size = c.head_size_of(l);
  return c.n_kv_heads_of(l) * (kernels::cache_bytes(plane_type(options.kv, scales.k), size) +
                               kernels::cache_bytes(plane_type(options.value_type(), scales.v), size));
}

KvCache::KvCache(const Model& model, const SessionOptions& options) {
  const GemmaConfig& c = model.config();
  layers_.resize(c.n_layers());
  for (int l = 0; l < c.n_layers(); ++l) {
    donors_.push_back(c.kv_donor(l));
    if (!c.owns_kv(l)) continue;
    KvLayer& layer = layers_[l];
    layer.window = c.is_global(l) ? 0 : c.sliding_window;
    layer.slots = slots_for(options, layer.window);
    const CacheScales scales = model.layers()[l].cache_scales;
    layer.k = make_plane(options.kv, scales.k, c.n_kv_heads_of(l), layer.slots, c.head_size_of(l));
    layer.v = make_plane(options.value_type(), scales.v, c.n_kv_heads_of(l), layer.slots, c.head_size_of(l));
    bytes_ += static_cast<std::uint64_t>(layer.slots * cache_bytes_per_position(model, options, l));
  }
}

}  // namespace facet
