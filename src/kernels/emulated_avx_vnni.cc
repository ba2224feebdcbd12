// kAvxVnniEmulated: the AVX-VNNI target on AVX2, for the tests of this room.
#define FACET_EMULATED
#include "kernels/x86_avx_vnni/avx_vnni.cc"
