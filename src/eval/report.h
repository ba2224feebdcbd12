// report.h: many evaluation records in, one honest page out.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "eval/record.h"
#include "eval/stats.h"

namespace facet {

// What quantization-aware training won back from one post-training quantization, with paired 95 % bootstrap intervals
// over windows.  kl_cut = 1 - KL(QAT) / KL(PTQ); ppl_won_back = (ppl PTQ - ppl QAT) / (ppl PTQ - ppl float).
struct Recovery {
  std::string ptq_method;
  double kl_cut = 0;
  Interval kl_cut_interval{0, 0};
  double ppl_won_back = 0;
  Interval ppl_won_back_interval{0, 0};
  bool ppl_meaningful = false;  // the PTQ loss exceeds three standard errors; otherwise the share is noise
};

// A QAT arm with a label (another seed, another head).  It is compared with the PTQ arms of the same label where there
// are any, else with those that have none.
struct LabelledArm {
  std::string label, best_ptq_method;
  std::optional<Recovery> against_plain;  // none: the plain method was not run under that label
  Recovery against_best;
};

struct SchemeSummary {
  std::string scheme, plain_method, best_ptq_method;  // "q4_0": rtn; "mobile": mse
  Recovery against_plain, against_best;               // of the QAT arm without a label
  std::vector<LabelledArm> others;
};

struct Curve {
  std::string name;  // the training run's folder
  std::vector<double> step, loss, valid;
  std::vector<double> valid_step;
};

struct Report {
  std::vector<EvalRecord> rows;          // float first, then by scheme and method
  std::vector<SchemeSummary> summaries;  // for each scheme that has both QAT and PTQ arms
  std::vector<Curve> curves;
  std::string sample;  // text a model wrote, when DIR/sample.txt is there
};

// Reads every DIR/*.eval.json, DIR/*/log.jsonl and DIR/sample.txt.  kNotFound when there is no record; records that
// were made on different texts or against different references are kInvalidArgument: they do not compare.
Result<Report> build_report(const std::string& folder);
// {"rows": [...], "kl_cut": {scheme: {plain: x, "best_ptq": x}}, "ppl_won_back": the same shape, "intervals": ...}
std::string report_json(const Report& report);
// One self-contained page: tables and SVG plots, no script, no network.
std::string report_html(const Report& report);
// The table for a terminal.
std::string report_table(const Report& report);

}  // namespace facet
