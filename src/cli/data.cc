// facet data stories: the seeded corpus that the built-in model was trained on.
#include <fmt/format.h>

#include <cmath>

#include "cli/cli.h"
#include "text/stories.h"

namespace facet::cli {
namespace {

struct StoriesFlags {
  std::uint64_t seed = 1;
  std::string tokens = "20M", heldout = "250k", out;
  int tasks = 1000;
};

// "20M" "250k" "1000"
Result<std::uint64_t> parse_count(const std::string& flag, const std::string& text) {
  char* end = nullptr;
  double value = std::strtod(text.c_str(), &end);
  double unit = *end == 'k' || *end == 'K' ? 1e3 : *end == 'M' ? 1e6 : *end == 'G' ? 1e9 : 1;
  if (unit != 1) ++end;
  if (end == text.c_str() || *end != '\0' || !(value >= 1) || value * unit > 1e12)
    return invalid_argument(fmt::format("{} {}: expected a count such as 20M, 250k or 1000", flag, text));
  return static_cast<std::uint64_t>(std::llround(value * unit));
}

Status run_stories(const StoriesFlags& flags) {
  CorpusOptions options;
  options.seed = flags.seed;
  FACET_ASSIGN(options.train_tokens, parse_count("--tokens", flags.tokens));
  FACET_ASSIGN(options.heldout_tokens, parse_count("--heldout", flags.heldout));
  options.n_tasks = flags.tasks;
  options.stop = &interrupted;
  FACET_ASSIGN(CorpusCounts counts, write_corpus(flags.out, options));
  std::string out;
  const char* names[3] = {"train.txt", "valid.txt", "test.txt"};
  for (int i = 0; i < 3; ++i)
    out += fmt::format("{:<10} {:>9} stories {:>11} bytes\n", names[i], counts.n_stories[i], counts.n_bytes[i]);
  out += fmt::format("tasks.jsonl {:>8} questions\n", counts.n_tasks);
  return write_output("", out);
}

}  // namespace

void add_data(CLI::App& app, Status& status) {
  auto flags = std::make_shared<StoriesFlags>();
  CLI::App* verb = app.add_subcommand("data", "make text to train on")->require_subcommand(1);
  CLI::App* stories =
      verb->add_subcommand("stories", "generated stories with questions: train, valid, test and tasks, disjoint");
  option(stories, "-s,--seed", flags->seed, "same seed, same stories");
  option(stories, "--tokens", flags->tokens, "size of train.txt, about (4 bytes a token)");
  option(stories, "--heldout", flags->heldout, "size of valid.txt and of test.txt");
  option(stories, "--tasks", flags->tasks, "questions in tasks.jsonl")->check(CLI::Range(0, 10000000));
  option(stories, "--out", flags->out, "folder to write to")->required();
  stories->callback([flags, &status] { status = run_stories(*flags); });
}

}  // namespace facet::cli
