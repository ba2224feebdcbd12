// fuzz_seeds FOLDER: writes the seeds of every target, FOLDER/gguf and so on.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "corpora.h"

int main(int argc, char** argv) {
  if (argc != 2) return std::fputs("usage: fuzz_seeds FOLDER\n", stderr), 2;
  bool ok = true;
  for (const facet::Corpus& corpus : facet::corpora()) {
    const std::filesystem::path folder = std::filesystem::path(argv[1]) / corpus.target;
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    for (const auto& seeds : {corpus.good, corpus.malformed})
      for (const facet::Seed& seed : seeds)
        ok = ok && std::ofstream(folder / seed.name, std::ios::binary) << seed.bytes;
  }
  if (!ok) std::fprintf(stderr, "fuzz_seeds: cannot write to %s\n", argv[1]);
  return ok ? 0 : 1;
}
