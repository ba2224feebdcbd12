// story_words.h: the rules of Grammar::stories(), as text.
#pragma once

#include <string_view>

namespace facet {

extern const std::string_view kStoryWords;     // names, things, places, qualities
extern const std::string_view kStoryPhrases;   // openings, scenery, moves, feelings, endings
extern const std::string_view kStoryDialogue;  // things said

}  // namespace facet
