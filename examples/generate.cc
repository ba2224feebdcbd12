// Continues a text with a model:   generate MODEL "Once upon a time" [tokens]
// MODEL is a Hugging Face folder or a .gguf file.  The whole of what an application needs: load, encode, generate,
// decode.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "engine/generate.h"
#include "engine/model.h"
#include "engine/session.h"
#include "model/checkpoint.h"

namespace {

int fail(const facet::Status& status) {
  std::fprintf(stderr, "generate: %s\n", status.message().c_str());
  return facet::exit_code(status);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: generate MODEL TEXT [TOKENS]\n");
    return 2;
  }
  facet::Result<facet::Model> model = facet::Model::load(argv[1]);
  if (!model.ok()) return fail(model.status());
  facet::Result<facet::Tokenizer> tokenizer = facet::load_tokenizer(argv[1]);
  if (!tokenizer.ok()) return fail(tokenizer.status());

  // The pool and the model outlive the session; a session is one conversation.
  facet::ThreadPool pool(facet::available_processors());
  facet::Result<facet::Session> session = facet::Session::create(*model, pool, {});
  if (!session.ok()) return fail(session.status());

  facet::GenerateOptions options;
  options.max_tokens = argc > 3 ? std::atoi(argv[3]) : 64;
  options.sampling.temperature = 0.8f;
  options.sampling.seed = 1;
  const std::vector<int> prompt = tokenizer->encode(argv[2], {.bos = true});
  std::printf("%s", argv[2]);
  auto generation = facet::generate(*session, prompt, options, [&](int token) {
    const std::string_view bytes = tokenizer->piece_bytes(token);
    std::fwrite(bytes.data(), 1, bytes.size(), stdout);
    std::fflush(stdout);
    return true;
  });
  if (!generation.ok()) return fail(generation.status());
  std::printf("\n");
  std::fprintf(stderr, "%d prompt tokens at %.0f/s, %d new ones at %.0f/s\n", generation->stats.prompt_tokens,
               generation->stats.prompt_tokens_per_second(), generation->stats.generated_tokens,
               generation->stats.generated_tokens_per_second());
  return 0;
}
