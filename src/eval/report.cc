#include "eval/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "base/mapped_file.h"

namespace facet {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

int rank_of(std::initializer_list<const char*> order, const std::string& name) {
  int i = 0;
  for (const char* o : order) {
    if (name == o) return i;
    ++i;
  }
  return i;
}
int scheme_rank(const std::string& s) { return rank_of({"none", "q8_0", "q4_0", "mobile"}, s); }
int method_rank(const std::string& m) { return rank_of({"float", "rtn", "mse", "imatrix", "gptq", "qat"}, m); }

double mean_kl(const EvalRecord& r) { return r.references.empty() ? 0 : r.references[0].divergence.kld_mean; }

// nll and kl per window as flat arrays, for resampling.
struct Arm {
  std::vector<double> tokens, nll, kl;
  explicit Arm(const EvalRecord& r) {
    for (const WindowSums& w : r.text.windows) {
      tokens.push_back(w.tokens);
      nll.push_back(w.nll);
      kl.push_back(w.against.empty() ? 0 : w.against[0].kl);
    }
  }
  double sum(const std::vector<double>& of, std::span<const int> indices) const {
    double s = 0;
    for (int i : indices) s += of[i];
    return s;
  }
  double ppl(std::span<const int> indices) const { return std::exp(sum(nll, indices) / sum(tokens, indices)); }
};

// The arms of one scheme and label; null = not run.
struct Arms {
  const EvalRecord *plain = nullptr, *best = nullptr, *qat = nullptr;
};

Recovery recovery(const EvalRecord& qat, const EvalRecord& ptq, const EvalRecord& reference) {
  Arm q(qat), p(ptq), f(reference);
  auto n = static_cast<int>(q.tokens.size());
  std::vector<int> all(n);
  for (int i = 0; i < n; ++i) all[i] = i;
  auto kl_cut = [&](std::span<const int> i) { return 1 - q.sum(q.kl, i) / p.sum(p.kl, i); };
  auto won_back = [&](std::span<const int> i) { return (p.ppl(i) - q.ppl(i)) / (p.ppl(i) - f.ppl(i)); };
  Recovery r;
  r.ptq_method = ptq.method;
  r.kl_cut = kl_cut(all);
  r.kl_cut_interval = bootstrap(n, kl_cut);
  r.ppl_won_back = won_back(all);
  r.ppl_won_back_interval = bootstrap(n, won_back);
  std::vector<double> loss(n);
  for (int i = 0; i < n; ++i) loss[i] = (p.nll[i] - f.nll[i]) / p.tokens[i];
  double mean = (p.sum(p.nll, all) - f.sum(f.nll, all)) / p.sum(p.tokens, all);
  r.ppl_meaningful = mean > 3 * clustered_stderr(loss, p.tokens);
  return r;
}

Result<Curve> read_curve(const fs::path& log) {
  FACET_ASSIGN(std::string text, read_text_file(log.string()));
  Curve c;
  c.name = log.parent_path().filename().string();
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    json j = json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!j.is_object() || !j.contains("step") || !j["step"].is_number())
      continue;  // a cut-off last line is no reason to fail
    auto number = [&](const char* key) { return j.contains(key) && j[key].is_number() ? j[key].get<double>() : NAN; };
    if (double loss = number("loss"); std::isfinite(loss)) {
      c.step.push_back(j["step"]);
      c.loss.push_back(loss);
    }
    if (j.value("event", "") == "validation") {
      double valid = number("kl");
      if (!std::isfinite(valid)) valid = number("ce");
      if (std::isfinite(valid)) {
        c.valid_step.push_back(j["step"]);
        c.valid.push_back(valid);
      }
    }
  }
  return c;
}

}  // namespace

Result<Report> build_report(const std::string& folder) {
  Report report;
  std::vector<fs::path> files, logs;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().string().ends_with(".eval.json")) files.push_back(entry.path());
    if (entry.is_directory() && fs::exists(entry.path() / "log.jsonl")) logs.push_back(entry.path() / "log.jsonl");
  }
  if (error || files.empty())
    return not_found(folder +
                     ": no *.eval.json there (make them with: facet eval --format json --output NAME.eval.json)");
  std::sort(files.begin(), files.end());
  std::sort(logs.begin(), logs.end());
  for (const fs::path& file : files) {
    FACET_ASSIGN(std::string text, read_text_file(file.string(), std::size_t{1} << 28));
    FACET_ASSIGN(EvalRecord record, parse_eval_record(text, file.string()));
    if (!report.rows.empty()) {
      const EvalRecord& first = report.rows[0];
      auto reference = [](const EvalRecord& r) {
        return r.references.empty() ? std::string() : r.references[0].sha256;
      };
      if (first.text.windows.size() != record.text.windows.size() || first.text.tokens != record.text.tokens ||
          reference(first) != reference(record))
        return invalid_argument(fmt::format("{}: evaluated on another text or against another reference than {}",
                                            file.string(), files[0].string()));
    }
    report.rows.push_back(std::move(record));
  }
  std::stable_sort(report.rows.begin(), report.rows.end(), [](const EvalRecord& a, const EvalRecord& b) {
    return std::tuple(scheme_rank(a.scheme), method_rank(a.method), a.label) <
           std::tuple(scheme_rank(b.scheme), method_rank(b.method), b.label);
  });
  for (const fs::path& log : logs) {
    FACET_ASSIGN(Curve curve, read_curve(log));
    if (!curve.step.empty()) report.curves.push_back(std::move(curve));
  }
  if (auto sample = read_text_file((fs::path(folder) / "sample.txt").string()); sample.ok()) report.sample = *sample;

  const EvalRecord* reference = nullptr;
  for (const EvalRecord& r : report.rows)
    if (r.scheme == "none" && r.method == "float" && r.label.empty()) reference = &r;
  for (const char* scheme : {"q4_0", "mobile"}) {
    std::string plain_method = std::string(scheme) == "q4_0" ? "rtn" : "mse";
    auto arms_of = [&](const std::string& label) {
      Arms arms;
      for (const EvalRecord& r : report.rows) {
        if (r.scheme != scheme || r.label != label) continue;
        if (r.method == "qat") arms.qat = &r;
        if (r.method == plain_method) arms.plain = &r;
        if (r.method != "qat" && (!arms.best || mean_kl(r) < mean_kl(*arms.best))) arms.best = &r;
      }
      return arms;
    };
    const Arms main = arms_of("");
    if (!reference || !main.plain || !main.best || !main.qat || main.qat->references.empty()) continue;
    SchemeSummary s;
    s.scheme = scheme;
    s.plain_method = plain_method;
    s.best_ptq_method = main.best->method;
    s.against_plain = recovery(*main.qat, *main.plain, *reference);
    s.against_best = recovery(*main.qat, *main.best, *reference);
    for (const EvalRecord& r : report.rows) {
      if (r.scheme != scheme || r.method != "qat" || r.label.empty()) continue;
      Arms ptq = arms_of(r.label);
      if (!ptq.best) ptq = main;
      LabelledArm arm{r.label, ptq.best->method, {}, recovery(r, *ptq.best, *reference)};
      if (ptq.plain) arm.against_plain = recovery(r, *ptq.plain, *reference);
      s.others.push_back(std::move(arm));
    }
    report.summaries.push_back(std::move(s));
  }
  return report;
}

std::string report_json(const Report& report) {
  json rows = json::array();
  for (const EvalRecord& r : report.rows) {
    json row = {{"scheme", r.scheme},
                {"method", r.method},
                {"label", r.label},
                {"model", r.path},
                {"ppl", r.text.ppl},
                {"ppl_stderr", r.text.ppl_stderr},
                {"bits_per_weight", r.bits_per_weight},
                {"file_bytes", r.file_bytes},
                {"peak_rss_bytes", r.peak_rss_bytes},
                {"tokens_per_second", r.tokens_per_second},
                {"kld_mean", nullptr},
                {"top1_agreement", nullptr},
                {"task_accuracy", nullptr}};
    if (!r.references.empty()) {
      const Divergence& d = r.references[0].divergence;
      row["kld_mean"] = d.kld_mean;
      row["kld_stderr"] = d.kld_stderr;
      row["kld_median"] = d.kld_median;
      row["kld_p999"] = d.kld_p999;
      row["top1_agreement"] = d.top1;
      row["references"] = json::array();
      for (const ReferenceRecord& ref : r.references)
        row["references"].push_back({{"model", ref.path},
                                     {"sha256", ref.sha256},
                                     {"kld_mean", ref.divergence.kld_mean},
                                     {"top1_agreement", ref.divergence.top1}});
    }
    if (r.tasks) row["task_accuracy"] = r.tasks->accuracy;
    rows.push_back(row);
  }
  json out = {
      {"rows", rows}, {"kl_cut", json::object()}, {"ppl_won_back", json::object()}, {"intervals", json::object()}};
  auto interval = [](const Interval& i) { return json::array({i.low, i.high}); };
  for (const SchemeSummary& s : report.summaries) {
    out["kl_cut"][s.scheme] = {{s.plain_method, s.against_plain.kl_cut}, {"best_ptq", s.against_best.kl_cut}};
    out["ppl_won_back"][s.scheme] = {{s.plain_method, s.against_plain.ppl_won_back},
                                     {"best_ptq", s.against_best.ppl_won_back}};
    out["intervals"][s.scheme] = {
        {"best_ptq_method", s.best_ptq_method},
        {"kl_cut",
         {{s.plain_method, interval(s.against_plain.kl_cut_interval)},
          {"best_ptq", interval(s.against_best.kl_cut_interval)}}},
        {"ppl_won_back",
         {{s.plain_method, interval(s.against_plain.ppl_won_back_interval)},
          {"best_ptq", interval(s.against_best.ppl_won_back_interval)}}},
        {"ppl_won_back_meaningful",
         {{s.plain_method, s.against_plain.ppl_meaningful}, {"best_ptq", s.against_best.ppl_meaningful}}}};
    for (const LabelledArm& arm : s.others) {
      json& to = out["intervals"][s.scheme]["other_qat_arms"][arm.label];
      auto add = [&](const std::string& against, const Recovery& r) {
        to["kl_cut"][against] = r.kl_cut;
        to["interval"][against] = interval(r.kl_cut_interval);
      };
      to["best_ptq_method"] = arm.best_ptq_method;
      add("best_ptq", arm.against_best);
      if (arm.against_plain) add(s.plain_method, *arm.against_plain);
    }
  }
  return out.dump(1) + "\n";
}

std::string report_table(const Report& report) {
  fmt::memory_buffer out;
  auto to = std::back_inserter(out);
  fmt::format_to(to, "{:<8}{:<22}{:>10}{:>9}{:>10}{:>8}{:>8}{:>7}{:>10}{:>9}{:>9}\n", "scheme", "method", "ppl", "+/-",
                 "KL", "top-1 %", "tasks %", "bits", "bytes", "rss MB", "tok/s");
  for (const EvalRecord& r : report.rows) {
    std::string method = r.label.empty() ? r.method : r.method + " (" + r.label + ")";
    fmt::format_to(to, "{:<8}{:<22}{:>10.4f}{:>9.4f}", r.scheme, method, r.text.ppl, r.text.ppl_stderr);
    if (r.references.empty())
      fmt::format_to(to, "{:>10}{:>8}", "-", "-");
    else
      fmt::format_to(to, "{:>10.5f}{:>8.2f}", mean_kl(r), 100 * r.references[0].divergence.top1);
    fmt::format_to(to, "{:>8}{:>7.2f}{:>10}{:>9.1f}{:>9.0f}\n",
                   r.tasks ? fmt::format("{:.1f}", 100 * r.tasks->accuracy) : "-", r.bits_per_weight, r.file_bytes,
                   double(r.peak_rss_bytes) / 1e6, r.tokens_per_second);
  }
  for (const SchemeSummary& s : report.summaries) {
    auto line = [&](const std::string& against, const Recovery& r, const std::string& label = "") {
      fmt::format_to(to, "{}: QAT{} cuts KL by {:.1f} % [{:.1f}, {:.1f}] against {}", s.scheme, label, 100 * r.kl_cut,
                     100 * r.kl_cut_interval.low, 100 * r.kl_cut_interval.high, against);
      if (r.ppl_meaningful)
        fmt::format_to(to, "; wins back {:.0f} % [{:.0f}, {:.0f}] of its perplexity loss", 100 * r.ppl_won_back,
                       100 * r.ppl_won_back_interval.low, 100 * r.ppl_won_back_interval.high);
      fmt::format_to(to, "\n");
    };
    line(s.plain_method, s.against_plain);
    line("the best PTQ (" + s.best_ptq_method + ")", s.against_best);
    for (const LabelledArm& arm : s.others) {
      if (arm.against_plain) line(s.plain_method, *arm.against_plain, " (" + arm.label + ")");
      line("the best PTQ (" + arm.best_ptq_method + ")", arm.against_best, " (" + arm.label + ")");
    }
  }
  return fmt::to_string(out);
}

}  // namespace facet
