#include "text/stories.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "base/atomic_file.h"
#include "text/story_plots.h"

namespace facet {

std::span<const Plot> story_plots() {
  static constexpr Plot kPlots[] = {
      plot_lost_and_found, plot_stuck,   plot_hide_and_seek, plot_moved,    plot_share,    plot_trade,
      plot_earn,           plot_quarrel, plot_delivery,      plot_birthday, plot_broken,   plot_cooking,
      plot_garden,         plot_picnic,  plot_race,          plot_fear,     plot_lost_pet, plot_treasure,
  };
  return kPlots;
}

Story make_story(std::uint64_t seed, std::uint64_t index) {
  Dice dice(seed, index);
  Scene scene(Grammar::stories(), dice);
  story_plots()[dice.below(story_plots().size())](scene);
  return scene.finish();
}

std::string Story::document() const {
  std::string out = text;
  for (std::size_t i = 0; i < n_asked; ++i)
    out += (i == 0 ? "\n\nQuestion: " : "\nQuestion: ") + questions[i].text + "\nAnswer: " + questions[i].answer + ".";
  return out;
}

std::string Story::prompt(const Question& question) const {
  return text + "\n\nQuestion: " + question.text + "\nAnswer:";
}

namespace {

Status stopped(const CorpusOptions& options, const std::string& path) {
  if (options.stop == nullptr || !*options.stop) return {};
  return {Code::kCancelled, "stopped while writing " + path};
}

Status write_texts(const std::string& path, const CorpusOptions& options, std::uint64_t first, std::uint64_t n_tokens,
                   std::uint64_t& n_stories, std::uint64_t& n_bytes) {
  constexpr std::uint64_t kBytesPerToken = 4;
  AtomicFile out;
  FACET_TRY(out.open(path));
  while (n_bytes < n_tokens * kBytesPerToken) {
    FACET_TRY(stopped(options, path));
    std::string document = make_story(options.seed, first + n_stories).document();
    document += "\n" + std::string(kDocumentSeparator) + "\n";
    FACET_TRY(out.write(document));
    n_bytes += document.size();
    ++n_stories;
  }
  return out.commit();
}

// A prompt has to fit a small model's context of 256 tokens.
constexpr std::size_t kMaxPromptBytes = 880;

Status write_tasks(const std::string& path, const CorpusOptions& options) {
  AtomicFile out;
  FACET_TRY(out.open(path));
  int n = 0;
  for (std::uint64_t i = 0; n < options.n_tasks; ++i) {
    Story story = make_story(options.seed, kTaskStories + i);
    if (story.questions.empty()) continue;
    const Question& question = story.questions[0];  // questions come shuffled
    if (story.prompt(question).size() > kMaxPromptBytes) continue;
    nlohmann::ordered_json line;
    line["prompt"] = story.prompt(question);
    line["answer"] = " " + question.answer;
    line["choices"] = nlohmann::ordered_json::array();
    for (const std::string& choice : question.choices) line["choices"].push_back(" " + choice);
    FACET_TRY(out.write(line.dump() + "\n"));
    ++n;
  }
  return out.commit();
}

}  // namespace

Result<CorpusCounts> write_corpus(const std::string& folder, const CorpusOptions& options) {
  if (options.train_tokens < 1 || options.heldout_tokens < 1 || options.n_tasks < 1)
    return invalid_argument("story corpus: tokens and tasks must be at least 1");
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return io_error(folder + ": cannot be made: " + error.message());
  CorpusCounts counts;
  counts.n_tasks = options.n_tasks;
  struct Part {
    const char* name;
    std::uint64_t first, n_tokens;
  };
  const Part kParts[] = {{"/train.txt", kTrainStories, options.train_tokens},
                         {"/valid.txt", kValidStories, options.heldout_tokens},
                         {"/test.txt", kTestStories, options.heldout_tokens}};
  for (std::size_t i = 0; i < 3; ++i)
    FACET_TRY(write_texts(folder + kParts[i].name, options, kParts[i].first, kParts[i].n_tokens, counts.n_stories[i],
                          counts.n_bytes[i]));
  FACET_TRY(write_tasks(folder + "/tasks.jsonl", options));
  return counts;
}

}  // namespace facet
