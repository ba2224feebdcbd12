// facet tokenizer train: runs facet-tokenizer, which lies beside this binary.  A program of its own because
// SentencePiece and libtorch cannot live in one process: both bring a protobuf, and the symbols of one answer the
// other's calls.
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "cli/cli.h"

namespace facet::cli {
namespace {

struct TokenizerFlags {
  std::string text, out, vocab_size = "4096";
};

Status run_train(const TokenizerFlags& flags) {
  std::error_code error;
  std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  std::string program = (self.parent_path() / "facet-tokenizer").string();
  pid_t child = ::fork();
  if (child < 0) return no_resources(std::string("fork: ") + std::strerror(errno));
  if (child == 0) {
    ::execl(program.c_str(), program.c_str(), flags.text.c_str(), flags.vocab_size.c_str(), flags.out.c_str(), nullptr);
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  int code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
  if (code == 127) return not_found(program + ": cannot be run (it belongs beside the facet binary)");
  if (code != 0) std::exit(code);  // it has said why
  return {};
}

}  // namespace

void add_tokenizer(CLI::App& app, Status& status) {
  auto flags = std::make_shared<TokenizerFlags>();
  CLI::App* verb = app.add_subcommand("tokenizer", "make a vocabulary")->require_subcommand(1);
  CLI::App* train = verb->add_subcommand("train", "train a Gemma-style byte-pair vocabulary on a text");
  option(train, "--text", flags->text, "UTF-8 text")->required();
  option(train, "--vocab-size", flags->vocab_size, "tokens in all, special and byte tokens included")
      ->check(CLI::Range(300, 1 << 20));
  option(train, "--out", flags->out, "folder to put tokenizer.json in")->required();
  train->callback([flags, &status] { status = run_train(*flags); });
}

}  // namespace facet::cli
