// facet tokenize / detokenize: text <-> token ids.
#include <fmt/format.h>

#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/mapped_file.h"
#include "base/printable.h"
#include "cli/cli.h"
#include "model/checkpoint.h"

namespace facet::cli {
namespace {

using Json = nlohmann::json;

struct TokenizeFlags {
  std::string model, text_file, prompt;
  std::size_t max_tokens = 0;
  bool bos = false, special = false, pieces = false, count = false, jsonl = false;
};

// "-" is standard input.
Result<std::string> read_text(const std::string& path) {
  if (path != "-") return read_text_file(path);
  return std::string(std::istreambuf_iterator<char>(std::cin), {});
}

std::string joined(std::span<const int> ids, const char* separator) {
  return fmt::format("{}", fmt::join(ids, separator));
}

class TokenizeRun {
 public:
  TokenizeRun(const TokenizeFlags& flags, Tokenizer tokenizer) : flags_(flags), tokenizer_(std::move(tokenizer)) {}

  Status tokenize(const std::string& text) {
    const std::vector<int> ids = encode(text);
    std::string out;
    if (flags_.count) {
      out = fmt::format("{}\n", ids.size());
    } else if (flags_.pieces) {
      for (int id : ids) {
        const std::string& piece = tokenizer_.vocabulary().pieces[static_cast<std::size_t>(id)];
        out += fmt::format("{}\t{}\n", id, Json(piece).dump());
      }
    } else {
      out = joined(ids, " ") + "\n";
    }
    return write_output("", out);
  }

  // A JSON string per line -> a JSON list of ids per line.
  Status tokenize_lines(const std::string& lines) {
    return each_line(lines, "a string in quotes, such as \"a\\nb\"", [this](const Json& line, std::string& out) {
      if (!line.is_string()) return false;
      const std::vector<int> ids = encode(line.get_ref<const std::string&>());
      out = flags_.count ? std::to_string(ids.size()) : '[' + joined(ids, ",") + ']';
      return true;
    });
  }

  Status detokenize(const std::string& words) {
    std::istringstream in(words);
    std::vector<int> ids;
    for (std::string word; in >> word;) {
      char* end = nullptr;
      const long id = std::strtol(word.c_str(), &end, 10);
      if (*end != '\0' || !is_id(id))
        return invalid_argument(fmt::format("{}: '{}' is no token id of this vocabulary (0 to {})", source(),
                                            printable(word), tokenizer_.vocab_size() - 1));
      ids.push_back(static_cast<int>(id));
    }
    return write_output("", tokenizer_.decode(ids) + "\n");
  }

  // And back.  Bytes that are not UTF-8 become U+FFFD, for JSON has no others.
  Status detokenize_lines(const std::string& lines) {
    const std::string expected = fmt::format("a list of token ids (0 to {})", tokenizer_.vocab_size() - 1);
    return each_line(lines, expected, [this](const Json& line, std::string& out) {
      if (!line.is_array()) return false;
      std::vector<int> ids;
      for (const Json& id : line) {
        if (!id.is_number_integer() || !is_id(id.get<long>())) return false;
        ids.push_back(id.get<int>());
      }
      out = Json(tokenizer_.decode(ids)).dump(-1, ' ', false, Json::error_handler_t::replace);
      return true;
    });
  }

 private:
  std::string source() const { return flags_.text_file.empty() ? "-p" : flags_.text_file; }
  bool is_id(long id) const { return id >= 0 && id < tokenizer_.vocab_size(); }

  std::vector<int> encode(std::string_view text) const {
    std::vector<int> ids = tokenizer_.encode(text, {.bos = flags_.bos, .parse_special = flags_.special});
    if (flags_.max_tokens > 0 && ids.size() > flags_.max_tokens) ids.resize(flags_.max_tokens);
    return ids;
  }

  // f: fills a line of output from one of input; false: it is not what was expected.
  template <typename F>
  Status each_line(const std::string& lines, const std::string& expected, F f) {
    std::string all, one;
    std::istringstream in(lines);
    int number = 0;
    for (std::string text; std::getline(in, text);) {
      ++number;
      if (!f(Json::parse(text, nullptr, false), one))
        return invalid_argument(fmt::format("{}: line {} is not {}: {}", source(), number, expected,
                                            printable(std::string_view(text).substr(0, 60))));
      (all += one) += '\n';
    }
    return write_output("", all);
  }

  const TokenizeFlags& flags_;
  Tokenizer tokenizer_;
};

Status run_tokenize(const TokenizeFlags& flags, bool back) {
  if (flags.prompt.empty() == flags.text_file.empty())
    return invalid_argument(back ? "give token ids, either -p \"IDS\" or -f FILE"
                                 : "give a text, either -p TEXT or -f FILE");
  std::string text = flags.prompt;
  if (!flags.text_file.empty()) {
    FACET_ASSIGN(text, read_text(flags.text_file));
  }
  FACET_ASSIGN(std::string path, model_path_or_builtin(flags.model));
  FACET_ASSIGN(Tokenizer tokenizer, load_tokenizer(path));
  TokenizeRun run(flags, std::move(tokenizer));
  if (back) return flags.jsonl ? run.detokenize_lines(text) : run.detokenize(text);
  return flags.jsonl ? run.tokenize_lines(text) : run.tokenize(text);
}

}  // namespace

void add_tokenize(CLI::App& app, Status& status) {
  auto flags = std::make_shared<TokenizeFlags>();
  CLI::App* verb = app.add_subcommand("tokenize", "print the token ids of a text");
  option(verb, "-m,--model", flags->model, "model folder or .gguf file (default: the built-in model)");
  option(verb, "-p,--prompt", flags->prompt, "the text");
  option(verb, "-f,--text", flags->text_file, "file with the text (-: standard input)");
  option(verb, "--max-tokens", flags->max_tokens, "print at most so many (0: all)");
  verb->add_flag("--bos", flags->bos, "begin with <bos>");
  verb->add_flag("--special", flags->special, "read control tokens such as <|turn> in the text");
  auto* pieces = verb->add_flag("--pieces", flags->pieces, "one token a line, with its piece as the vocabulary has it");
  auto* count = verb->add_flag("--show-count", flags->count, "only how many there are");
  verb->add_flag("--jsonl", flags->jsonl, "a JSON string per line in, a JSON list of ids per line out")
      ->excludes(pieces);
  count->excludes(pieces);
  verb->callback([flags, &status] { status = run_tokenize(*flags, false); });
  auto back = std::make_shared<TokenizeFlags>();
  CLI::App* inverse = app.add_subcommand("detokenize", "print the text of token ids");
  option(inverse, "-m,--model", back->model, "model folder or .gguf file (default: the built-in model)");
  option(inverse, "-p,--prompt", back->prompt, "the token ids, with spaces between them");
  option(inverse, "-f,--tokens", back->text_file, "file of token ids (-: standard input)");
  inverse->add_flag("--jsonl", back->jsonl, "a JSON list of ids per line in, a JSON string per line out");
  inverse->callback([back, &status] { status = run_tokenize(*back, true); });
}

}  // namespace facet::cli
