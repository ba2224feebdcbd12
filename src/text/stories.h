// stories.h: children's stories from a seed, with questions whose answers can be scored (docs/stories.md).
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "facet/status.h"
#include "text/documents.h"

namespace facet {

struct Question {
  std::string text;                  // "Who found the red kite?"
  std::string answer;                // "Mia"; choices[answer_index]
  std::vector<std::string> choices;  // the answer among plausible others, shuffled, no two alike
};

struct Story {
  std::string text;  // paragraphs parted by a blank line
  std::vector<Question> questions;
  std::size_t n_asked = 0;  // the first so many follow the story in a corpus
  double bits = 0;          // of random choice behind the text (not the questions): an upper bound of its entropy
  // "...text.\n\nQuestion: Who found the red kite?\nAnswer: Mia.\nQuestion: ..."
  std::string document() const;
  // The text and one question up to "Answer:"; what follows is " " + answer.
  std::string prompt(const Question& question) const;
};

// A small world is simulated and told: who holds what and what lies where is tracked, and the questions are asked of
// that state.  A pure function of (seed, index); different indices share no random draws.
Story make_story(std::uint64_t seed, std::uint64_t index);

// The parts of a corpus are disjoint ranges of indices.
inline constexpr std::uint64_t kTrainStories = 0, kValidStories = std::uint64_t{1} << 40,
                               kTestStories = std::uint64_t{1} << 41,
                               kTaskStories = kTestStories + (std::uint64_t{1} << 40);

struct CorpusOptions {
  std::uint64_t seed = 1;
  std::uint64_t train_tokens = 20'000'000;  // about: 4 bytes are counted as a token
  std::uint64_t heldout_tokens = 250'000;   // of valid.txt, and of test.txt
  int n_tasks = 1000;
  const std::atomic<bool>* stop = nullptr;  // looked at between stories; true ends with kCancelled
};
struct CorpusCounts {
  std::uint64_t n_stories[3] = {}, n_bytes[3] = {};  // train, valid, test
  int n_tasks = 0;
};

// Writes {train,valid,test}.txt (documents parted by kDocumentSeparator lines) and tasks.jsonl into `folder`, made if
// missing. tasks.jsonl: {"prompt": ..., "answer": " Mia", "choices": [" Mia", ...]} a line, one question of each of
// n_tasks stories that are in none of the texts.  The same options give the same bytes.
Result<CorpusCounts> write_corpus(const std::string& folder, const CorpusOptions& options);

}  // namespace facet
