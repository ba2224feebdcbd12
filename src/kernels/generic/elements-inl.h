// elements-inl.h: vectors of floats from memory of narrower types.  Included in the target's unnamed namespace.

// kLanes elements of T, or the first n of them and zeros, as floats.
template <typename T, F (*kLoad)(const void*)>
struct Element {
  using Type = T;
  static FACET_INLINE F get(const T* p) { return kLoad(p); }
  // Through a buffer: partial vectors are rare, and the bytes behind a row may not exist.
  static FACET_INLINE F get_first(const T* p, int n) {
    T buffer[kLanes] = {};
    __builtin_memcpy(buffer, p, n * sizeof(T));
    return kLoad(buffer);
  }
};
FACET_INLINE F load_f32(const void* p) { return load(static_cast<const float*>(p)); }
using ElementF32 = Element<float, load_f32>;
using ElementF16 = Element<std::uint16_t, load_f16>;
using ElementBF16 = Element<std::uint16_t, load_bf16>;
using ElementI8 = Element<std::int8_t, load_i8>;
