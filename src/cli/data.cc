// facet data: the seeded corpus that the built-in model was trained on, and what models write themselves.
#include <fmt/format.h>

#include <atomic>
#include <cmath>
#include <thread>

#include "base/atomic_file.h"
#include "base/mapped_file.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "eval/continuations.h"
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

struct ContinuationFlags {
  std::string model, text, out;
  int texts = 1000, threads = 1;
  ContinuationOptions options;
};

// Texts first, first + step, ... of `n`, each on this thread alone.
Status write_some(const ContinuationFlags& flags, const Model& model, const Continuations& continuations, int first,
                  std::vector<std::vector<int>>& out, std::atomic<int>& done) {
  ThreadPool pool(1);
  const int context = flags.options.prompt_tokens + flags.options.max_tokens + 1;
  if (context > model.config().max_positions)
    return invalid_argument(fmt::format("prompt and continuation take {} positions, the model has {}", context,
                                        model.config().max_positions));
  FACET_ASSIGN(Session session, Session::create(model, pool,
                                                {.context = context,
                                                 .threads = 1,
                                                 .batch_threads = 1,
                                                 .kv = default_cache(model),
                                                 .kv_values = default_cache(model)}));
  const auto& stops = model.config().eos_tokens;
  for (auto i = static_cast<std::size_t>(first); i < out.size(); i += static_cast<std::size_t>(flags.threads)) {
    FACET_ASSIGN(const Generation g, continuations.write(session, i, {}, &interrupted));
    if (g.stats.stop == StopReason::kCancelled) return {Code::kCancelled, "interrupted; nothing is written"};
    out[i] = continuations.prompt(i);
    out[i].insert(out[i].end(), g.tokens.begin(), g.tokens.end());
    if (g.stats.stop == StopReason::kStopToken && !stops.empty()) out[i].push_back(stops.front());
    ++done;
  }
  return {};
}

Status run_continuations(ContinuationFlags flags) {
  if (!flags.out.ends_with(".u32"))
    return invalid_argument("--out " + flags.out + ": token ids go to a file whose name ends in .u32");
  FACET_ASSIGN(const std::string path, model_path_or_builtin(flags.model));
  FACET_ASSIGN(const Model model, Model::load(path));
  FACET_ASSIGN(const Tokenizer tokenizer, load_tokenizer(path));
  FACET_TRY(check_tokenizer(path, tokenizer, model));
  FACET_ASSIGN(const std::string text, read_text_file(flags.text));
  const int bos = model.config().bos_token;
  FACET_ASSIGN(const Continuations continuations,
               Continuations::create(stream_of_documents(text, tokenizer, bos), bos, flags.options));
  std::vector<std::vector<int>> texts(static_cast<std::size_t>(flags.texts));
  flags.threads = std::min(flags.threads, flags.texts);
  std::atomic<int> done = 0, running = flags.threads;
  std::vector<Status> statuses(static_cast<std::size_t>(flags.threads));
  std::vector<std::jthread> workers;
  for (int t = 0; t < flags.threads; ++t)
    workers.emplace_back([&, t] {
      statuses[static_cast<std::size_t>(t)] = write_some(flags, model, continuations, t, texts, done);
      --running;
    });
  Progress progress;
  while (running > 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    progress.show(fmt::format("text {}/{}", done.load(), flags.texts));
  }
  workers.clear();
  progress.finish();
  for (const Status& status : statuses) FACET_TRY(status);

  // Documents as training lays them: a window brings its own <bos>.
  std::vector<std::uint32_t> ids;
  for (const auto& one : texts) ids.insert(ids.end(), one.begin() + (ids.empty() && bos >= 0 ? 1 : 0), one.end());
  AtomicFile file;
  FACET_TRY(file.open(flags.out));
  FACET_TRY(file.write(std::as_bytes(std::span(ids))));
  FACET_TRY(file.commit());
  return write_output("", fmt::format("{}: {} texts, {} tokens\n", flags.out, texts.size(), ids.size()));
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

  auto more = std::make_shared<ContinuationFlags>();
  ContinuationOptions& options = more->options;
  CLI::App* continuations = verb->add_subcommand(
      "continuations", "what a model writes after pieces of a text, as token ids: to train its drafter on");
  option(continuations, "-m,--model", more->model, "model folder or .gguf file (default: the built-in model)");
  option(continuations, "-f,--text", more->text, "UTF-8 text that prompts are cut from")->required();
  option(continuations, "--texts", more->texts, "how many")->check(CLI::Range(1, 1 << 28));
  option(continuations, "--prompt-tokens", options.prompt_tokens, "of each prompt")->check(CLI::Range(1, 1 << 20));
  option(continuations, "-n,--predict,--n-predict", options.max_tokens, "tokens to write after each, at most")
      ->check(CLI::Range(1, 1 << 20));
  option(continuations, "--greedy-share", options.greedy_share, "share of texts without sampling; the others are drawn")
      ->check(CLI::Range(0.0, 1.0));
  option(continuations, "--temp", options.sampling.temperature, "of those that are drawn")
      ->check(CLI::Range(0.0, 100.0));
  option(continuations, "-s,--seed", options.seed, "same seed, same texts");
  option(continuations, "--out", more->out, "file to write, .u32: what facet train reads as token ids")->required();
  threads_option(continuations, more->threads);
  continuations->callback([more, &status] { status = run_continuations(*more); });
}

}  // namespace facet::cli
