// corpora.h: the seeds of every fuzz target: small good inputs, and the named malformed ones.
#pragma once

#include <string>
#include <vector>

namespace facet {

struct Seed {
  std::string name, bytes;
};
struct Corpus {
  std::string target;           // "gguf": the target is fuzz/gguf_fuzz.cc
  std::vector<Seed> good;       // to break at random
  std::vector<Seed> malformed;  // each refused for a reason of its own
};
std::vector<Corpus> corpora();

}  // namespace facet
