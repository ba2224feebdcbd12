// facet run: a prompt in, text out.
#include <fmt/format.h>

#include <cstdio>

#include "base/mapped_file.h"
#include "cli/cli.h"
#include "cli/text_printer.h"
#include "engine/generate.h"

namespace facet::cli {
namespace {

struct RunFlags {
  std::string model, prompt, prompt_file;
  SessionFlags session;
  DrawFlags draw;
  DraftFlags drafting;
  bool no_bos = false, no_prompt = false, parse_special = false, verbose = false;
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
  FACET_TRY(check_tokenizer(path, tokenizer, model));
  std::vector<int> prompt =
      tokenizer.encode(flags.prompt, {.bos = !flags.no_bos, .parse_special = flags.parse_special});
  if (prompt.empty()) return invalid_argument("the prompt is empty");

  FACET_ASSIGN(SessionOptions options, session_options(flags.session, flags.draw.threads, model));
  ThreadPool pool(std::max(options.threads, options.batch_threads));
  FACET_ASSIGN(Session session, Session::create(model, pool, options));
  FACET_ASSIGN(const LoadedDrafter drafter, open_drafter(flags.drafting, session, &tokenizer));
  if (flags.verbose) fmt::print(stderr, "{}\n", describe(path, session, flags.draw.threads));
  TextPrinter printer(stdout);
  auto show = [&](int token) { return printer.show(tokenizer.piece_bytes(token)); };
  if (!flags.no_prompt)
    for (int token : prompt) show(token);
  GenerateOptions generate_options{.max_tokens = flags.draw.n_predict,
                                   .sampling = flags.draw.sampling,
                                   .stop_tokens = {},
                                   .ignore_stop = flags.draw.ignore_eos};
  FACET_ASSIGN(Generation g,
               generate(session, prompt, generate_options, show, &interrupted, {}, drafter.speculation()));
  if (!printer.finish("\n")) return io_error("standard output: cannot write");
  if (!flags.draw.no_timings) print_timings(g.stats);
  if (flags.verbose && drafter.length != nullptr) fmt::print(stderr, "drafting: {}\n", drafter.length->describe());
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
  session_flags(verb, flags->session);
  draw_flags(verb, flags->draw);
  drafting_flags(verb, flags->drafting);
  verb->add_flag("--no-bos", flags->no_bos, "do not put <bos> before the prompt");
  verb->add_flag("--special", flags->parse_special, "read control tokens such as <|turn> in the prompt");
  verb->add_flag("--no-display-prompt", flags->no_prompt, "print only what is new");
  verb->add_flag("-v,--verbose", flags->verbose, "say what was chosen");
  verb->callback([flags, &status] { status = run_run(*flags); });
}

}  // namespace facet::cli
