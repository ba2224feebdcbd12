// attention-inl.h: dot products with cached keys, mixes of cached values.  Included in the target's unnamed namespace.

// Eight keys at a time: eight independent chains of multiply-adds hide their latency.
template <typename E>
void scores_of(float* scores, const float* q, const char* keys, std::ptrdiff_t stride_bytes, float scale_k,
               int n_positions, int size) {
  constexpr int kKeys = 8;
  using T = typename E::Type;
  for (int p = 0; p < n_positions; p += kKeys) {
    const int n = n_positions - p < kKeys ? n_positions - p : kKeys;
    const T* key[kKeys];
    F sum[kKeys];
    for (int j = 0; j < kKeys; ++j) {  // beyond the end: the last key again
      key[j] = reinterpret_cast<const T*>(keys + (p + (j < n ? j : n - 1)) * stride_bytes);
      sum[j] = zero();
    }
    int i = 0;
    for (; i + kLanes <= size; i += kLanes) {
      const F v = load(q + i);
#pragma GCC unroll 8
      for (int j = 0; j < kKeys; ++j) sum[j] = mul_add(v, E::get(key[j] + i), sum[j]);
    }
    if (const int rest = size - i; rest > 0) {
      const F v = load_first(q + i, rest);
      for (int j = 0; j < kKeys; ++j) sum[j] = mul_add(v, E::get_first(key[j] + i, rest), sum[j]);
    }
    const __m128 scale = _mm_set1_ps(scale_k);
    store_first_4(scores + p, _mm_mul_ps(sums_of_4(sum), scale), n < 4 ? n : 4);
    if (n > 4) store_first_4(scores + p + 4, _mm_mul_ps(sums_of_4(sum + 4), scale), n - 4);
  }
}

// kVectors vectors of the output stay in registers while the positions pass.
template <typename E, int kVectors>
FACET_INLINE void mix_vectors(float* out, const float* probs, const char* values, std::ptrdiff_t stride_bytes,
                              float scale_v, int n_positions) {
  F sum[kVectors];
#pragma GCC unroll 8
  for (int j = 0; j < kVectors; ++j) sum[j] = load(out + j * kLanes);
  for (int p = 0; p < n_positions; ++p) {
    const F share = set(probs[p] * scale_v);
    const auto* value = reinterpret_cast<const typename E::Type*>(values + p * stride_bytes);
#pragma GCC unroll 8
    for (int j = 0; j < kVectors; ++j) sum[j] = mul_add(share, E::get(value + j * kLanes), sum[j]);
  }
#pragma GCC unroll 8
  for (int j = 0; j < kVectors; ++j) store(out + j * kLanes, sum[j]);
}

template <typename E>
void mix_of(float* out, const float* probs, const char* values, std::ptrdiff_t stride_bytes, float scale_v,
            int n_positions, int size) {
  constexpr int kElement = sizeof(typename E::Type);
  int i = 0;
  for (; i + 8 * kLanes <= size; i += 8 * kLanes)
    mix_vectors<E, 8>(out + i, probs, values + i * kElement, stride_bytes, scale_v, n_positions);
  for (; i + 2 * kLanes <= size; i += 2 * kLanes)
    mix_vectors<E, 2>(out + i, probs, values + i * kElement, stride_bytes, scale_v, n_positions);
  for (; i + kLanes <= size; i += kLanes)
    mix_vectors<E, 1>(out + i, probs, values + i * kElement, stride_bytes, scale_v, n_positions);
  if (const int rest = size - i; rest > 0) {
    F sum = load_first(out + i, rest);
    for (int p = 0; p < n_positions; ++p) {
      const auto* value = reinterpret_cast<const typename E::Type*>(values + p * stride_bytes) + i;
      sum = mul_add(set(probs[p] * scale_v), E::get_first(value, rest), sum);
    }
    store_first(out + i, sum, rest);
  }
}

void attend_scores(float* scores, const float* q, const void* keys, CacheType type, std::ptrdiff_t stride_bytes,
                   float scale_k, int n_positions, int size) noexcept {
  const char* base = static_cast<const char*>(keys);
  switch (type) {
    case CacheType::kF32:
      return scores_of<ElementF32>(scores, q, base, stride_bytes, scale_k, n_positions, size);
    case CacheType::kF16:
      return scores_of<ElementF16>(scores, q, base, stride_bytes, scale_k, n_positions, size);
    case CacheType::kBF16:
      return scores_of<ElementBF16>(scores, q, base, stride_bytes, scale_k, n_positions, size);
    case CacheType::kI8:
      return scores_of<ElementI8>(scores, q, base, stride_bytes, scale_k, n_positions, size);
  }
}

void attend_mix(float* out, const float* probs, const void* values, CacheType type, std::ptrdiff_t stride_bytes,
                float scale_v, int n_positions, int size) noexcept {
  const char* base = static_cast<const char*>(values);
  switch (type) {
    case CacheType::kF32:
      return mix_of<ElementF32>(out, probs, base, stride_bytes, scale_v, n_positions, size);
    case CacheType::kF16:
      return mix_of<ElementF16>(out, probs, base, stride_bytes, scale_v, n_positions, size);
    case CacheType::kBF16:
      return mix_of<ElementBF16>(out, probs, base, stride_bytes, scale_v, n_positions, size);
    case CacheType::kI8:
      return mix_of<ElementI8>(out, probs, base, stride_bytes, scale_v, n_positions, size);
  }
}

template <typename T, void (*kStore)(void*, F)>
void store_narrow(T* slot, const float* x, int n) {
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) kStore(slot + i, load(x + i));
  if (const int rest = n - i; rest > 0) {
    T buffer[kLanes];
    kStore(buffer, load_first(x + i, rest));
    __builtin_memcpy(slot + i, buffer, rest * sizeof(T));
  }
}

void store_cache(void* slot, const float* x, CacheType type, float scale, int n) noexcept {
  switch (type) {
    case CacheType::kF32:
      __builtin_memcpy(slot, x, n * sizeof(float));
      return;
    case CacheType::kF16:
      return store_narrow<std::uint16_t, store_f16>(static_cast<std::uint16_t*>(slot), x, n);
    case CacheType::kBF16:
      return store_narrow<std::uint16_t, store_bf16>(static_cast<std::uint16_t*>(slot), x, n);
    case CacheType::kI8:
      return quantize_static_i8(static_cast<std::int8_t*>(slot), x, scale, n);
  }
}
