// scale_search.h: scales chosen by error, not by the extremum (spec/qat-training.md 6.1 and Q10).
// importance: one weight per element (E[x^2] of the input column, "imatrix"), or empty for plain squared error.
#pragma once

#include <span>

namespace facet {

// The scale of one int2/int4/int8 group that minimises sum importance * (w - fake_quantize(w))^2 over a grid of clip
// ratios, each refined by least squares.  > 0 and finite; an all-zero group gives a tiny positive scale.
float search_group_scale(std::span<const float> w, int bits, std::span<const float> importance = {});
// absmax rules, the "RTN" of the mobile scheme: absmax / 127 (int8), / 7.5 (int4), / 2 (int2: absmax / 1.5 clips less
// but errs more).
float absmax_group_scale(std::span<const float> w, int bits);
// The half-representable scale (signed) of one block of 32 for Q4_0 codes in -8..7, by the same criterion; searches
// both signs of the extremum.
float search_q4_0_scale(std::span<const float> w, std::span<const float> importance = {});

}  // namespace facet
