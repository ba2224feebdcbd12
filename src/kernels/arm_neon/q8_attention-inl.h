// q8_attention-inl.h: attention to a kQ8 cache: in floats, since pairs of 16-bit products cost no less here.  In the
// target's unnamed namespace.

constexpr auto scores_of_codes = scores_of<ElementI8, true>;
constexpr auto mix_of_codes = mix_of<ElementI8, true>;
