// fuzz_seeds FOLDER: writes the named good and malformed files as corpora, FOLDER/gguf and FOLDER/safetensors.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "malformed.h"

namespace {

bool write(const std::filesystem::path& folder, const std::string& good,
           const std::vector<facet::malformed::Case>& cases) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  bool ok = bool(std::ofstream(folder / "good", std::ios::binary) << good);
  for (const auto& c : cases) ok = ok && std::ofstream(folder / c.name, std::ios::binary) << c.bytes;
  return ok;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace facet::malformed;
  if (argc != 2) return std::fputs("usage: fuzz_seeds FOLDER\n", stderr), 2;
  std::filesystem::path folder = argv[1];
  bool ok = write(folder / "gguf", good_gguf(), gguf_cases()) &&
            write(folder / "safetensors", good_safetensors(), safetensors_cases());
  if (!ok) std::fprintf(stderr, "fuzz_seeds: cannot write to %s\n", argv[1]);
  return ok ? 0 : 1;
}
