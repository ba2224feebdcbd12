// attention-inl.h: the table's entries for attention and its cache.  In the target's unnamed namespace.

float softmax_piece(float* x, std::ptrdiff_t n, float* most, double* sum) noexcept {
  const float here = largest(x, n), old = *most, m = here > old ? here : old;
  Sum64 added;
  std::ptrdiff_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const F e = exp(sub(load(x + i), set(m)));
    store(x + i, e);
    added.add(e);
  }
  double total = added.total();
  if (const int rest = static_cast<int>(n - i); rest > 0) {
    store_first(x + i, exp(sub(load_first(x + i, rest), set(m))), rest);
    for (; i < n; ++i) total += x[i];
  }
  float before[kLanes];
  store(before, exp(set(old - m)));
  *sum = *sum * before[0] + total;
  *most = m;
  return before[0];
}

void attend_scores(float* scores, std::ptrdiff_t scores_stride, const float* const* queries, int n_rows,
                   const void* keys, CacheType type, std::ptrdiff_t stride_bytes, float scale_k, int n_positions,
                   int size) noexcept {
  const char* base = static_cast<const char*>(keys);
  auto with = [&](auto scores_of_type) {
    scores_of_type(scores, scores_stride, queries, n_rows, base, stride_bytes, scale_k, n_positions, size);
  };
  switch (type) {
    case CacheType::kF32:
      return with(scores_of<ElementF32>);
    case CacheType::kF16:
      return with(scores_of<ElementF16>);
    case CacheType::kBF16:
      return with(scores_of<ElementBF16>);
    case CacheType::kI8:
      return with(scores_of<ElementI8>);
    case CacheType::kQ8:
      return with(scores_of_codes);
  }
}

void attend_mix(float* const* outs, int n_rows, const float* probs, std::ptrdiff_t probs_stride, const void* values,
                CacheType type, std::ptrdiff_t stride_bytes, float scale_v, int n_positions, int size) noexcept {
  const char* base = static_cast<const char*>(values);
  auto with = [&](auto mix_of_type) {
    mix_of_type(outs, n_rows, probs, probs_stride, base, stride_bytes, scale_v, n_positions, size);
  };
  switch (type) {
    case CacheType::kF32:
      return with(mix_of<ElementF32>);
    case CacheType::kF16:
      return with(mix_of<ElementF16>);
    case CacheType::kBF16:
      return with(mix_of<ElementBF16>);
    case CacheType::kI8:
      return with(mix_of<ElementI8>);
    case CacheType::kQ8:
      return with(mix_of_codes);
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
    case CacheType::kQ8: {
      const float own = absmax(x, n) / 127.0f;
      quantize_static_i8(static_cast<std::int8_t*>(slot), x, own, n);
      __builtin_memcpy(static_cast<char*>(slot) + n, &own, sizeof own);
      return;
    }
  }
}
