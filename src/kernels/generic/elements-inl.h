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

// Scale and minimum of group g, as group_of of quant/q4_k.h has them.
struct GroupQ4_K {
  int scale, min;
};
FACET_INLINE GroupQ4_K group_q4_k(const Q4_KBlock& block, int g) {
  const std::uint8_t* p = block.groups;
  if (g < 4) return {p[g] & 63, p[g + 4] & 63};
  return {(p[g + 4] & 15) | p[g - 4] >> 6 << 4, p[g + 4] >> 4 | p[g] >> 6 << 4};
}
