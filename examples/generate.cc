// Continues a text with a model:   generate MODEL "Once upon a time" [tokens]
// MODEL is a Hugging Face folder or a .gguf file.  The whole of what an application needs, by the installed headers
// alone.
#include <cstdio>
#include <cstdlib>

#include "facet/engine.h"

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
  facet::Result<facet::Engine> engine = facet::Engine::load(argv[1]);
  if (!engine.ok()) return fail(engine.status());

  facet::GenerateOptions options;
  options.max_tokens = argc > 3 ? std::atoi(argv[3]) : 64;
  options.sampling.temperature = 0.8f;
  options.sampling.seed = 1;
  std::printf("%s", argv[2]);
  auto stats = engine->generate(engine->encode(argv[2]), options, [](std::string_view bytes) {
    std::fwrite(bytes.data(), 1, bytes.size(), stdout);
    std::fflush(stdout);
    return true;
  });
  if (!stats.ok()) return fail(stats.status());
  std::printf("\n");
  std::fprintf(stderr, "%d prompt tokens at %.0f/s, %d new ones at %.0f/s\n", stats->prompt_tokens,
               stats->prompt_tokens_per_second(), stats->generated_tokens, stats->generated_tokens_per_second());
  return 0;
}
