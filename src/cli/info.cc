// facet info: what this binary chose on this machine.
#include <fmt/format.h>

#include "base/thread_pool.h"
#include "cli/cli.h"
#include "facet/version.h"
#include "kernels/registry.h"

namespace facet::cli {

void add_info(CLI::App& app, Status& status) {
  app.add_subcommand("info", "show the instruction set and threads in use")->callback([&status] {
    Result<const kernels::Table*> table = kernels::choose();
    if (!table.ok()) {
      status = table.status();
      return;
    }
    std::string builtin = "missing";
    if (auto path = builtin_model_path(); path.ok()) builtin = *path;
    status = write_output(
        "", fmt::format("facet {}\nkernels: {}\nprocessors: {}\nbuilt-in model: {}\n", FACET_VERSION_STRING,
                        kernels::describe_choice(), available_processors(), builtin));
  });
}

}  // namespace facet::cli
