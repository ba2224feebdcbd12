// generation_config.h: generation_config.json, where Hugging Face folders keep the tokens that end or may not be in an
// answer.
#pragma once

#include <string>
#include <string_view>

#include "model/config.h"

namespace facet {

// Overrides eos_tokens and suppressed_tokens with what the file says; other keys are a matter of sampling.
Status apply_generation_config(std::string_view text, GemmaConfig& config);
// With the sampling values that Gemma 4 recommends.
std::string to_generation_config(const GemmaConfig& config);

}  // namespace facet
