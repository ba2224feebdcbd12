#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <new>

#include "cli/cli.h"
#include "cli/program.h"
#include "facet/version.h"

namespace facet::cli {
std::atomic<bool> interrupted{false};

namespace {

// First Ctrl-C (or SIGTERM): ask the work to stop and save.  Second: the default action, at once.
void on_interrupt(int) {
  interrupted = true;
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

// A mapped file that is cut short while we read it.  Nothing can be saved, but something can be said.
void on_bus_error(int) {
  constexpr char kMessage[] =
      "error: a mapped file became shorter while it was read, or its disk failed (was the model replaced in place?)\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kMessage, sizeof kMessage - 1);
  ::_exit(exit_code({Code::kCorrupt, {}}));
}

// llama.cpp's flags of one dash and several letters, which CLI11 does not know.
std::string long_name(const std::string& argument) {
  constexpr std::pair<const char*, const char*> kNames[] = {
      {"-ctk", "--cache-type-k"},  {"-ctv", "--cache-type-v"},
      {"-md", "--model-draft"},    {"-pg", "--pg"},
      {"-rea", "--reasoning"},     {"-st", "--single-turn"},
      {"-sys", "--system-prompt"}, {"-sysf", "--system-prompt-file"},
      {"-ub", "--ubatch-size"},    {"-tb", "--threads-batch"}};
  for (auto [name, known] : kNames)
    if (argument == name) return known;
  return argument;
}

int fail(const Status& status) {
  std::fprintf(stderr, "error: %s\n", status.message().c_str());
  return exit_code(status);
}

int run(int argc, char** argv, const Program& program) {
  CLI::App app("Facet cuts Gemma 4 models down: QAT, exact quantized files, a small fast engine.", "facet");
  app.set_version_flag("--version", FACET_VERSION_STRING);
  app.require_subcommand(0, 1);
  Status status;
  for (auto add : program.verbs) add(app, status);
  app.add_subcommand("version", "print the version")->callback([] { std::puts("facet " FACET_VERSION_STRING); });
  // `facet help` and `facet help VERB`.  The list is made now: while a verb is being parsed, help() is that verb's own.
  std::string about;
  CLI::App* help = app.add_subcommand("help", "print the verbs, or the flags of one");
  help->add_option("verb", about, "");
  const std::string list = app.help();
  help->callback([&] {
    CLI::App* verb = nullptr;
    for (CLI::App* one : app.get_subcommands([](CLI::App*) { return true; }))
      if (one->get_name() == about) verb = one;
    if (!about.empty() && verb == nullptr)
      status = invalid_argument("unknown verb '" + about + "' (run `facet help` for the list)");
    else
      std::fputs((verb != nullptr ? verb->help("facet") : list).c_str(), stdout);
  });
  if (argc < 2) {
    std::fputs(app.help().c_str(), stdout);
    return 0;
  }
  if (argv[1][0] != '-') {
    bool known = false;
    for (CLI::App* verb : app.get_subcommands([](CLI::App*) { return true; }))
      known = known || verb->get_name() == argv[1];
    if (!known)
      return fail(invalid_argument("unknown verb '" + std::string(argv[1]) + "' (run `facet help` for the list)"));
  }
  try {
    std::vector<std::string> arguments;
    for (int i = argc - 1; i > 0; --i) arguments.push_back(long_name(argv[i]));  // the last one first
    app.parse(std::move(arguments));
  } catch (const CLI::Success& done) {  // --help, --version
    return app.exit(done);
  } catch (const CLI::ParseError& error) {
    std::string message = error.what();
    for (char& c : message)
      if (c == '\n') c = ' ';
    return fail(invalid_argument(message + " (facet " + argv[1] + " --help lists the flags)"));
  }
  return status.ok() ? 0 : fail(status);
}

}  // namespace

int run_program(int argc, char** argv, const Program& program) {
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
  std::signal(SIGBUS, on_bus_error);
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is a failed write, not a death
  try {
    return run(argc, argv, program);
  } catch (const std::bad_alloc&) {
    std::fputs("error: out of memory (use a smaller context, batch or model)\n", stderr);
    return 5;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: internal: %s\n", error.what());
    return 1;
  }
}

}  // namespace facet::cli
