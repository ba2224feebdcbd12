// vec-inl.h: what AVX-VNNI adds to x86_avx2/vec-inl.h, for generic/vnni_dots-inl.h: vpdpbusd on 256 bits, in the
// encoding that asks for no AVX-512.  Included inside the target's unnamed namespace.

FACET_INLINE I add_fours(I acc, I u, I s) { return _mm256_dpbusd_avx_epi32(acc, u, s); }
FACET_INLINE I bytes_xor(I a, int mask) { return _mm256_xor_si256(a, _mm256_set1_epi8(static_cast<char>(mask))); }

constexpr int kIntTokens =
    6;  // 12 sums, which each wait 5 cycles for themselves, two streams and a token: 15 registers
