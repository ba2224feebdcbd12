// kAvx512Emulated: the AVX-512 target on SIMDe, for the tests of this room.
#define FACET_SIMDE
#include "kernels/x86_avx512/avx512_vnni.cc"
