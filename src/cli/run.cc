// facet run: a prompt in, text out.
#include <fmt/format.h>

#include <cstdio>

#include "base/mapped_file.h"
#include "base/process.h"
#include "cli/cli.h"
#include "engine/generate.h"

namespace facet::cli {
namespace {

struct RunFlags {
  std::string model, prompt, prompt_file;
  SessionFlags session;
  int n_predict = -1, threads = 1;
  SamplerOptions sampling;
  bool no_bos = false, no_prompt = false, no_timings = false, ignore_eos = false, parse_special = false,
       verbose = false;
};

// Prints tokens as they come, holding back bytes until they form whole UTF-8 characters.
class Printer {
 public:
  explicit Printer(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  // Both return false when standard output takes no more.
  bool show(int token) {
    pending_ += tokenizer_.decode({&token, 1});
    std::size_t whole = whole_characters();
    bool written = write(std::string_view(pending_).substr(0, whole));
    pending_.erase(0, whole);
    return written;
  }
  bool finish() { return write(pending_ + "\n"); }

 private:
  bool write(std::string_view text) {
    good_ = good_ && std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
    return good_;
  }
  // Bytes up to the last complete character; stray bytes count as characters.
  std::size_t whole_characters() const {
    for (std::size_t back = 1; back <= 3 && back <= pending_.size(); ++back) {
      auto c = static_cast<unsigned char>(pending_[pending_.size() - back]);
      std::size_t length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
      if (c >= 0xc0) return length > back ? pending_.size() - back : pending_.size();
      if (c < 0x80) break;
    }
    return pending_.size();
  }
  const Tokenizer& tokenizer_;
  std::string pending_;
  bool good_ = true;
};

Status run_run(RunFlags flags) {
  if (flags.prompt.empty() == flags.prompt_file.empty())
    return invalid_argument("give a prompt, either -p TEXT or -f FILE");
  if (!flags.prompt_file.empty()) {
    FACET_ASSIGN(flags.prompt, read_text_file(flags.prompt_file, std::size_t{1} << 28));
  }
  FACET_ASSIGN(std::string path, model_path_or_builtin(flags.model));
  FACET_ASSIGN(Model model, Model::load(path));
  FACET_ASSIGN(Tokenizer tokenizer, load_tokenizer(path));
  if (tokenizer.vocab_size() > model.config().vocab_size)
    return corrupt(fmt::format("{}: the tokenizer has {} tokens, the model {}", path, tokenizer.vocab_size(),
                               model.config().vocab_size));
  std::vector<int> prompt =
      tokenizer.encode(flags.prompt, {.bos = !flags.no_bos, .parse_special = flags.parse_special});
  if (prompt.empty()) return invalid_argument("the prompt is empty");

  FACET_ASSIGN(SessionOptions options, session_options(flags.session, flags.threads, model));
  ThreadPool pool(std::max(options.threads, options.batch_threads));
  FACET_ASSIGN(Session session, Session::create(model, pool, options));
  if (flags.verbose)
    std::fprintf(stderr, "model %s, %.2f bits per weight; context %d, cache %.1f MB; %d threads\n%s\n", path.c_str(),
                 model.checkpoint().bits_per_weight(), session.options().context, double(session.cache_bytes()) / 1e6,
                 flags.threads, kernels::describe_choice().c_str());
  Printer printer(tokenizer);
  if (!flags.no_prompt)
    for (int token : prompt) printer.show(token);
  GenerateOptions generate_options{
      .max_tokens = flags.n_predict, .sampling = flags.sampling, .stop_tokens = {}, .ignore_stop = flags.ignore_eos};
  FACET_ASSIGN(Generation g,
               generate(
                   session, prompt, generate_options, [&](int token) { return printer.show(token); }, &interrupted));
  if (!printer.finish()) return io_error("standard output: cannot write");
  if (!flags.no_timings)
    std::fprintf(
        stderr,
        "prompt: %d tokens, %.1f tokens/s; generated: %d tokens, %.1f tokens/s; first token %.1f ms; peak memory "
        "%.1f MB (VmHWM)\n",
        g.stats.prompt_tokens, g.stats.prompt_tokens_per_second(), g.stats.generated_tokens,
        g.stats.generated_tokens_per_second(), 1e3 * g.stats.first_token_seconds, double(peak_rss_bytes()) / 1e6);
  if (g.stats.stop == StopReason::kContextFull)
    std::fprintf(stderr, "note: the context of %d positions is full (-c sets it)\n", session.options().context);
  if (g.stats.stop == StopReason::kCancelled) return {Code::kCancelled, "interrupted"};
  return {};
}

}  // namespace

void add_run(CLI::App& app, Status& status) {
  auto flags = std::make_shared<RunFlags>();
  CLI::App* verb = app.add_subcommand("run", "continue a prompt");
  option(verb, "-m,--model", flags->model, "model folder or .gguf file (default: the built-in model)");
  option(verb, "-p,--prompt", flags->prompt, "text to continue");
  option(verb, "-f,--file", flags->prompt_file, "file whose text to continue");
  option(verb, "-n,--predict,--n-predict", flags->n_predict, "tokens to write (-1: until the model stops)")
      ->check(CLI::Range(-1, 1 << 30));
  session_flags(verb, flags->session);
  option(verb, "--temp", flags->sampling.temperature, "temperature, 0 = always the most probable token")
      ->check(CLI::Range(0.0, 100.0));
  option(verb, "--top-k", flags->sampling.top_k, "keep the k most probable (0: all)")->check(CLI::Range(0, 1 << 30));
  option(verb, "--top-p", flags->sampling.top_p, "keep the fewest that hold this probability")
      ->check(CLI::Range(0.0, 1.0));
  option(verb, "--min-p", flags->sampling.min_p, "drop what is less probable than this share of the best")
      ->check(CLI::Range(0.0, 1.0));
  option(verb, "--repeat-penalty", flags->sampling.repeat_penalty, "penalty of recent tokens, 1 = none");
  option(verb, "--repeat-last-n", flags->sampling.repeat_last_n, "how many tokens are recent (-1: all)");
  option(verb, "-s,--seed", flags->sampling.seed, "same seed, same text");
  verb->add_flag("--no-bos", flags->no_bos, "do not put <bos> before the prompt");
  verb->add_flag("--special", flags->parse_special, "read control tokens such as <|turn> in the prompt");
  verb->add_flag("--no-display-prompt", flags->no_prompt, "print only what is new");
  verb->add_flag("--no-show-timings", flags->no_timings, "no statistics at the end");
  verb->add_flag("--ignore-eos", flags->ignore_eos, "write on through end tokens");
  verb->add_flag("-v,--verbose", flags->verbose, "say what was chosen");
  threads_option(verb, flags->threads);
  verb->callback([flags, &status] { status = run_run(*flags); });
}

}  // namespace facet::cli
