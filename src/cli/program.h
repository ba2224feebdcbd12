// program.h: what the binaries of this room have in common: verbs, help, Ctrl-C, one line per error, exit codes.
#pragma once

#include <vector>

#include "cli/cli.h"

namespace facet::cli {

struct Program {
  std::vector<void (*)(CLI::App& app, Status& status)> verbs;
};
// The whole of main().
int run_program(int argc, char** argv, const Program& program);

}  // namespace facet::cli
