// Verbs that live in programs beside this one: facet-train (libtorch) and facet-tokenizer (SentencePiece).  They are
// programs of their own because each library brings a protobuf, whose symbols would answer the other's calls, and so
// that no other verb pays for them.
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "cli/cli.h"

namespace facet::cli {
namespace {

// Becomes `program`, with its flags and this process's signals, files and exit code.  Returns only to say why not.
Status become(const std::string& program, const std::vector<std::string>& arguments, const char* how_to_get_it) {
  std::error_code error;
  std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  std::string path = (self.parent_path() / program).string();
  std::vector<char*> argv{path.data()};
  std::vector<std::string> copies = arguments;
  for (std::string& argument : copies) argv.push_back(argument.data());
  argv.push_back(nullptr);
  ::execv(path.c_str(), argv.data());
  return unsupported(path + ": " + std::strerror(errno) + "; " + how_to_get_it);
}

struct TokenizerFlags {
  std::string text, out, vocab_size = "4096";
};

}  // namespace

CLI::App* forward_to_train(CLI::App& app, const std::vector<std::string>& verbs, const char* about, Status& status) {
  CLI::App* stub = app.add_subcommand(verbs.back(), about)->prefix_command();
  stub->set_help_flag();
  stub->callback([stub, verbs, &status] {
    std::vector<std::string> arguments = stub->remaining();
    arguments.insert(arguments.begin(), verbs.begin(), verbs.end());
    status = become("facet-train", arguments,
                    "it belongs beside the facet binary (configure with -DFACET_TRAIN=ON, which needs libtorch)");
  });
  return stub;
}

void add_train(CLI::App& app, Status& status) {
  forward_to_train(app, {"train"}, "train a model: from scratch, on from a checkpoint, or quantization-aware", status);
}

void add_train_drafter(CLI::App& app, Status& status) {
  forward_to_train(app, {"train-drafter"}, "train a drafter for a model, which stays as it is", status);
}

void add_tokenizer(CLI::App& app, Status& status) {
  auto flags = std::make_shared<TokenizerFlags>();
  CLI::App* verb = app.add_subcommand("tokenizer", "make a vocabulary")->require_subcommand(1);
  CLI::App* train = verb->add_subcommand("train", "train a Gemma-style byte-pair vocabulary on a text");
  option(train, "--text", flags->text, "UTF-8 text")->required();
  option(train, "--vocab-size", flags->vocab_size, "tokens in all, special and byte tokens included")
      ->check(CLI::Range(300, 1 << 20));
  option(train, "--out", flags->out, "folder to put tokenizer.json in")->required();
  train->callback([flags, &status] {
    status =
        become("facet-tokenizer", {flags->text, flags->vocab_size, flags->out}, "it belongs beside the facet binary");
  });
}

}  // namespace facet::cli
