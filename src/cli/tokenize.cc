// facet tokenize / detokenize: text <-> token ids.
#include <fmt/format.h>

#include <iterator>
#include <sstream>

#include "base/mapped_file.h"
#include "cli/cli.h"
#include "model/checkpoint.h"

namespace facet::cli {
namespace {

struct TokenizeFlags {
  std::string model, text_file, prompt;
  std::size_t max_tokens = 0;
  bool bos = false, special = false;
};

Status run_tokenize(TokenizeFlags flags) {
  if (flags.prompt.empty() == flags.text_file.empty())
    return invalid_argument("give a text, either -p TEXT or -f FILE");
  if (!flags.text_file.empty()) {
    FACET_ASSIGN(flags.prompt, read_text_file(flags.text_file));
  }
  FACET_ASSIGN(std::string path, model_path_or_builtin(flags.model));
  FACET_ASSIGN(Tokenizer tokenizer, load_tokenizer(path));
  std::vector<int> ids = tokenizer.encode(flags.prompt, {.bos = flags.bos, .parse_special = flags.special});
  if (flags.max_tokens > 0 && ids.size() > flags.max_tokens) ids.resize(flags.max_tokens);
  fmt::memory_buffer out;
  for (std::size_t i = 0; i < ids.size(); ++i) fmt::format_to(std::back_inserter(out), "{}{}", i ? " " : "", ids[i]);
  out.push_back('\n');
  return write_output("", fmt::to_string(out));
}

Status run_detokenize(const TokenizeFlags& flags) {
  FACET_ASSIGN(std::string path, model_path_or_builtin(flags.model));
  FACET_ASSIGN(Tokenizer tokenizer, load_tokenizer(path));
  FACET_ASSIGN(std::string text, read_text_file(flags.text_file));
  std::istringstream words(text);
  std::vector<int> ids;
  for (std::string word; words >> word;) {
    char* end = nullptr;
    long id = std::strtol(word.c_str(), &end, 10);
    if (*end != '\0' || id < 0 || id >= tokenizer.vocab_size())
      return invalid_argument(fmt::format("{}: '{}' is no token id of this vocabulary (0 to {})", flags.text_file, word,
                                          tokenizer.vocab_size() - 1));
    ids.push_back(static_cast<int>(id));
  }
  return write_output("", tokenizer.decode(ids) + "\n");
}

}  // namespace

void add_tokenize(CLI::App& app, Status& status) {
  auto flags = std::make_shared<TokenizeFlags>();
  CLI::App* verb = app.add_subcommand("tokenize", "print the token ids of a text");
  option(verb, "-m,--model", flags->model, "model folder or .gguf file (default: the built-in model)");
  option(verb, "-p,--prompt", flags->prompt, "the text");
  option(verb, "-f,--text", flags->text_file, "file with the text");
  option(verb, "--max-tokens", flags->max_tokens, "print at most so many (0: all)");
  verb->add_flag("--bos", flags->bos, "begin with <bos>");
  verb->add_flag("--special", flags->special, "read control tokens such as <|turn> in the text");
  verb->callback([flags, &status] { status = run_tokenize(*flags); });
  auto back = std::make_shared<TokenizeFlags>();
  CLI::App* inverse = app.add_subcommand("detokenize", "print the text of token ids");
  option(inverse, "-m,--model", back->model, "model folder or .gguf file (default: the built-in model)");
  option(inverse, "-f,--tokens", back->text_file, "file of token ids")->required();
  inverse->callback([back, &status] { status = run_detokenize(*back); });
}

}  // namespace facet::cli
