// facet report: evaluation records of a folder -> report.html, report.json and a table.
#include "eval/report.h"

#include <filesystem>

#include "base/atomic_file.h"
#include "cli/cli.h"

namespace facet::cli {
namespace {

Status run_report(const std::string& folder) {
  FACET_ASSIGN(Report report, build_report(folder));
  std::filesystem::path out(folder);
  FACET_TRY(write_text_file((out / "report.json").string(), report_json(report)));
  FACET_TRY(write_text_file((out / "report.html").string(), report_html(report)));
  return write_output("", report_table(report));
}

}  // namespace

void add_report(CLI::App& app, Status& status) {
  auto folder = std::make_shared<std::string>();
  CLI::App* verb = app.add_subcommand("report", "turn a folder of evaluation records into report.html and report.json");
  verb->add_option("folder", *folder, "holds *.eval.json, training logs in */log.jsonl, and sample.txt")->required();
  verb->callback([folder, &status] { status = run_report(*folder); });
}

}  // namespace facet::cli
