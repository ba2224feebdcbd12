// facet-train: the verbs that need libtorch.  `facet train` and `facet bench train` become this program; so the others
// start at once and hold no memory but the model's (libtorch alone is 110 MB and 0.4 s).
#include "cli/program.h"

int main(int argc, char** argv) {
  using namespace facet::cli;
  return run_program(argc, argv, {{add_train_here, add_train_drafter_here, add_bench_here}});
}
