// blocks.h: what the block formats share: the check of a row before anything is written.
#pragma once

#include <limits>
#include <span>

#include "facet/status.h"

namespace facet {

inline constexpr float kMaxFinite = std::numeric_limits<float>::max();
// Beyond these a block's scale (|w| / 8, |w| / 63, |w| / 4096, |w| / 127) rounds to an infinite half: 65520 is the
// first f32 that does.
inline constexpr float kQ4_0MaxWeight = 524159.96875f;  // the f32 below 8 * 65520
inline constexpr float kQ4_KMaxWeight = 4127759.75f;    // below 63 * 65520
inline constexpr float kQ6_KMaxWeight = 268369904.0f;   // below 32 * 128 * 65520
inline constexpr float kQ8_0MaxWeight = 8321039.0f;     // below 127 * 65520

// kCorrupt names the first element that is not finite or whose magnitude exceeds `limit`.
Status check_block_weights(std::span<const float> w, float limit, const char* format);

}  // namespace facet
