// facet tokenizer train: a byte-pair vocabulary of one's own.
#include <fmt/format.h>

#include <filesystem>

#include "base/atomic_file.h"
#include "base/mapped_file.h"
#include "cli/cli.h"
#include "text/bpe_train.h"

namespace facet::cli {
namespace {

struct TokenizerFlags {
  std::string text, out;
  int vocab_size = 4096;
};

Status run_train(const TokenizerFlags& flags) {
  FACET_ASSIGN(std::string text, read_text_file(flags.text));
  FACET_ASSIGN(Vocabulary vocabulary, train_bpe(text, {.vocab_size = flags.vocab_size}));
  FACET_ASSIGN(Tokenizer tokenizer, Tokenizer::create(std::move(vocabulary)));
  std::error_code error;
  std::filesystem::create_directories(flags.out, error);
  if (error) return io_error(flags.out + ": cannot create the folder: " + error.message());
  std::string path = (std::filesystem::path(flags.out) / "tokenizer.json").string();
  FACET_TRY(write_text_file(path, tokenizer.to_json()));
  std::string_view sample = std::string_view(text).substr(0, std::min<std::size_t>(text.size(), 1 << 20));
  double per_token = double(sample.size()) / double(std::max<std::size_t>(1, tokenizer.encode(sample).size()));
  return write_output("", fmt::format("{}: {} tokens, {:.2f} bytes per token on the training text\n", path,
                                      tokenizer.vocab_size(), per_token));
}

}  // namespace

void add_tokenizer(CLI::App& app, Status& status) {
  auto flags = std::make_shared<TokenizerFlags>();
  CLI::App* verb = app.add_subcommand("tokenizer", "make a vocabulary")->require_subcommand(1);
  CLI::App* train = verb->add_subcommand("train", "train a Gemma-style byte-pair vocabulary on a text");
  option(train, "--text", flags->text, "UTF-8 text")->required();
  option(train, "--vocab-size", flags->vocab_size, "tokens in all, special and byte tokens included")->check(CLI::Range(300, 1 << 20));
  option(train, "--out", flags->out, "folder to put tokenizer.json in")->required();
  train->callback([flags, &status] { status = run_train(*flags); });
}

}  // namespace facet::cli
