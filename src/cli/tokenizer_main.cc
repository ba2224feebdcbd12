// facet-tokenizer TEXT VOCAB_SIZE OUT: what `facet tokenizer train` runs (tokenizer.cc says why it is a program of its
// own).
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>

#include "base/atomic_file.h"
#include "base/mapped_file.h"
#include "text/bpe_train.h"

namespace facet {
namespace {

Status train(const std::string& text_path, int vocab_size, const std::string& out) {
  FACET_ASSIGN(std::string text, read_text_file(text_path));
  FACET_ASSIGN(Vocabulary vocabulary, train_bpe(text, {.vocab_size = vocab_size}));
  FACET_ASSIGN(Tokenizer tokenizer, Tokenizer::create(std::move(vocabulary)));
  std::error_code error;
  std::filesystem::create_directories(out, error);
  if (error) return io_error(out + ": cannot create the folder: " + error.message());
  std::string path = (std::filesystem::path(out) / "tokenizer.json").string();
  FACET_TRY(write_text_file(path, tokenizer.to_json()));
  std::string_view sample = std::string_view(text).substr(0, std::size_t{1} << 20);
  double bytes_per_token = double(sample.size()) / double(std::max<std::size_t>(1, tokenizer.encode(sample).size()));
  fmt::print("{}: {} tokens, {:.2f} bytes per token on the training text\n", path, tokenizer.vocab_size(),
             bytes_per_token);
  return {};
}

}  // namespace
}  // namespace facet

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("error: usage: facet-tokenizer TEXT VOCAB_SIZE OUT (or: facet tokenizer train --help)\n", stderr);
    return 2;
  }
  try {
    facet::Status status = facet::train(argv[1], std::atoi(argv[2]), argv[3]);
    if (!status.ok()) std::fprintf(stderr, "error: %s\n", status.message().c_str());
    return facet::exit_code(status);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: internal: %s\n", error.what());
    return 1;
  }
}
