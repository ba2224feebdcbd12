#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "eval/report.h"

namespace facet {
namespace {

constexpr const char* kStyle = R"css(
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1d2330}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.2rem}table{border-collapse:collapse;width:100%;font-size:13px}
th,td{padding:.3rem .5rem;text-align:right;border-bottom:1px solid #dfe3ea;white-space:nowrap}
th:first-child,td:first-child,th:nth-child(2),td:nth-child(2){text-align:left}
tr.qat{background:#eef6ee;font-weight:600}figure{margin:1rem 0}figcaption{color:#5a6372;font-size:13px}
svg text{font:12px system-ui,sans-serif;fill:#1d2330}pre{background:#f5f6f8;padding:1rem;white-space:pre-wrap}
)css";

std::string escape(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

std::string arm_name(const EvalRecord& r) {
  std::string name = r.scheme == "none" ? r.method : r.scheme + " " + r.method;
  return r.label.empty() ? name : name + " (" + r.label + ")";
}

const char* color(const EvalRecord& r) {
  if (r.method == "qat") return "#2e8540";
  if (r.scheme == "none") return "#6b7280";
  return r.scheme == "mobile" ? "#b45309" : "#2563a8";
}

double kl(const EvalRecord& r) { return r.references.empty() ? 0 : r.references[0].divergence.kld_mean; }

// Positions values on a log axis between decades.
struct LogAxis {
  double low, high, from, to;
  LogAxis(double min, double max, double from_px, double to_px)
      : low(std::floor(std::log10(min) * 2) / 2), high(std::ceil(std::log10(max) * 2) / 2), from(from_px), to(to_px) {
    if (high <= low) high = low + 1;
  }
  double at(double v) const { return from + (to - from) * (std::log10(v) - low) / (high - low); }
};

class Svg {
 public:
  Svg(int width, int height) {
    add("<svg viewBox=\"0 0 {} {}\" width=\"100%\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\">", width, height);
  }
  template <typename... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(buffer_), format, std::forward<Args>(args)...);
  }
  void text(double x, double y, const std::string& s, const char* anchor = "start") {
    add("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>", x, y, anchor, escape(s));
  }
  void line(double x1, double y1, double x2, double y2, const char* stroke = "#dfe3ea") {
    add("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\"/>", x1, y1, x2, y2, stroke);
  }
  std::string finish() {
    add("</svg>");
    return fmt::to_string(buffer_);
  }

 private:
  fmt::memory_buffer buffer_;
};

void decades(Svg& svg, const LogAxis& axis, bool horizontal, double a, double b) {
  for (double e = std::ceil(axis.low); e <= axis.high + 1e-9; e += 1) {
    double p = axis.at(std::pow(10, e));
    if (horizontal) {
      svg.line(p, a, p, b);
      svg.text(p, b + 14, fmt::format("{:g}", std::pow(10, e)), "middle");
    } else {
      svg.line(a, p, b, p);
      svg.text(a - 6, p + 4, fmt::format("{:g}", std::pow(10, e)), "end");
    }
  }
}

std::string kl_bars(const std::vector<EvalRecord>& rows) {
  std::vector<const EvalRecord*> arms;
  double min = 1e300, max = 0;
  for (const EvalRecord& r : rows)
    if (kl(r) > 1e-9) {
      arms.push_back(&r);
      min = std::min(min, kl(r));
      max = std::max(max, kl(r));
    }
  if (arms.empty()) return "";
  const int row = 24, left = 190, width = 900;
  int height = static_cast<int>(arms.size()) * row + 30;
  Svg svg(width, height);
  LogAxis axis(min / 1.5, max, left, width - 80);
  decades(svg, axis, true, 0, height - 26);
  for (std::size_t i = 0; i < arms.size(); ++i) {
    double y = double(i) * row + 4, x = axis.at(kl(*arms[i]));
    svg.text(left - 8, y + 13, arm_name(*arms[i]), "end");
    svg.add("<rect x=\"{}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"16\" fill=\"{}\"/>", left, y,
            std::max(1.0, x - left), color(*arms[i]));
    svg.text(x + 6, y + 13, fmt::format("{:.4g}", kl(*arms[i])));
  }
  return "<figure>" + svg.finish() +
         "<figcaption>Mean KL divergence from the float model on text no training saw, nats per token, log scale. "
         "Shorter is closer.</figcaption></figure>";
}

std::string size_plot(const std::vector<EvalRecord>& rows) {
  double min_kl = 1e300, max_kl = 0, min_bits = 1e300, max_bits = 0;
  for (const EvalRecord& r : rows)
    if (kl(r) > 1e-9) {
      min_kl = std::min(min_kl, kl(r));
      max_kl = std::max(max_kl, kl(r));
      min_bits = std::min(min_bits, r.bits_per_weight);
      max_bits = std::max(max_bits, r.bits_per_weight);
    }
  if (max_kl == 0) return "";
  const int width = 900, height = 340, left = 60, bottom = height - 40;
  Svg svg(width, height);
  LogAxis y(min_kl / 1.5, max_kl, bottom, 10);
  decades(svg, y, false, left, width - 10);
  double low = std::floor(min_bits - 0.5), high = std::ceil(max_bits + 0.5);
  auto x = [&](double bits) { return left + (width - 80 - left) * (bits - low) / (high - low); };
  for (double b = low; b <= high; b += high - low > 16 ? 4 : 1)
    svg.text(x(b), bottom + 18, fmt::format("{:g}", b), "middle");
  svg.text((left + width) / 2.0, height - 4, "bits per weight", "middle");
  for (const EvalRecord& r : rows)
    if (kl(r) > 1e-9) {
      svg.add("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"5\" fill=\"{}\"><title>{}: {:.4g}</title></circle>",
              x(r.bits_per_weight), y.at(kl(r)), color(r), escape(arm_name(r)), kl(r));
      svg.text(x(r.bits_per_weight) + 8, y.at(kl(r)) + 4, r.method + (r.label.empty() ? "" : " (" + r.label + ")"));
    }
  return "<figure>" + svg.finish() + "<figcaption>Size against damage: KL over bits per weight.</figcaption></figure>";
}

std::string curve_plot(const Curve& c) {
  const int width = 440, height = 200, left = 56, bottom = height - 30;
  double max_step = c.step.back(), low = 1e300, high = -1e300;
  // Early losses of a run tower over the rest: the axis ends at the 98th percentile.
  std::vector<double> sorted = c.loss;
  high = quantile(sorted, 0.98);
  for (double v : c.loss) low = std::min(low, v);
  for (double v : c.valid) {
    low = std::min(low, v);
    high = std::max(high, v);
  }
  if (high <= low) high = low + 1e-9;
  Svg svg(width, height);
  auto x = [&](double s) { return left + (width - 16 - left) * s / std::max(1.0, max_step); };
  auto y = [&](double v) { return bottom - (bottom - 12) * (std::min(v, high) - low) / (high - low); };
  for (int i = 0; i <= 4; ++i) {
    double v = low + (high - low) * i / 4;
    svg.line(left, y(v), width - 10, y(v));
    svg.text(left - 6, y(v) + 4, fmt::format("{:.3g}", v), "end");
  }
  svg.text(width - 10, bottom + 18, fmt::format("step {:.0f}", max_step), "end");
  auto path = [&](const std::vector<double>& steps, const std::vector<double>& values, const char* stroke) {
    if (values.empty()) return;
    svg.add("<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\" points=\"", stroke);
    for (std::size_t i = 0; i < values.size(); ++i) svg.add("{:.1f},{:.1f} ", x(steps[i]), y(values[i]));
    svg.add("\"/>");
  };
  path(c.step, c.loss, "#9db7d5");
  path(c.valid_step, c.valid, "#2e8540");
  return "<figure style=\"display:inline-block;width:48%\">" + svg.finish() + "<figcaption>" + escape(c.name) +
         ": training loss (blue), validation (green).</figcaption></figure>";
}

}  // namespace

std::string report_html(const Report& report) {
  fmt::memory_buffer out;
  auto to = std::back_inserter(out);
  fmt::format_to(
      to,
      "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\"><title>Facet report</title><style>{}</style></head><body><h1>Facet report</h1>",
      kStyle);
  if (!report.rows.empty()) {
    const EvalRecord& first = report.rows.front();
    fmt::format_to(
        to,
        "<p>Text: {}, {} tokens in {} windows of {}. Every figure was computed by the engine on the files as stored.",
        escape(first.text_path), first.text.tokens, first.text.windows.size(), first.context);
    if (!first.references.empty())
      fmt::format_to(to, " KL is measured against {} (sha256 {}).", escape(first.references[0].path),
                     escape(first.references[0].sha256.substr(0, 16)));
    fmt::format_to(to, "</p>");
  }
  if (!report.summaries.empty()) {
    fmt::format_to(
        to,
        "<h2>What training won back</h2><table><tr><th>scheme</th><th>against</th><th>KL cut</th><th>95 %</th>"
        "<th>perplexity won back</th><th>95 %</th></tr>");
    for (const SchemeSummary& s : report.summaries) {
      auto row = [&](const std::string& against, const Recovery& r) {
        fmt::format_to(to, "<tr><td>{}</td><td>{}</td><td>{:.1f} %</td><td>{:.1f} to {:.1f}</td>", s.scheme,
                       escape(against), 100 * r.kl_cut, 100 * r.kl_cut_interval.low, 100 * r.kl_cut_interval.high);
        if (r.ppl_meaningful)
          fmt::format_to(to, "<td>{:.0f} %</td><td>{:.0f} to {:.0f}</td></tr>", 100 * r.ppl_won_back,
                         100 * r.ppl_won_back_interval.low, 100 * r.ppl_won_back_interval.high);
        else
          fmt::format_to(to, "<td colspan=\"2\">the loss is within noise</td></tr>");
      };
      row(s.plain_method, s.against_plain);
      row("best PTQ: " + s.best_ptq_method, s.against_best);
      for (const LabelledArm& arm : s.others) {
        if (arm.against_plain) row(s.plain_method + " (QAT: " + arm.label + ")", *arm.against_plain);
        row("best PTQ: " + arm.best_ptq_method + " (QAT: " + arm.label + ")", arm.against_best);
      }
    }
    fmt::format_to(to, "</table><p>KL cut = 1 - KL(QAT) / KL(PTQ). Intervals: paired bootstrap over windows.</p>");
  }
  fmt::format_to(
      to,
      "<h2>Every arm</h2><table><tr><th>scheme</th><th>method</th><th>perplexity</th><th>KL</th><th>median</th>"
      "<th>99.9 %</th><th>top-1</th>");
  // A second reference belongs to its row: a QAT arm's own float weights.
  const bool second =
      std::any_of(report.rows.begin(), report.rows.end(), [](const EvalRecord& r) { return r.references.size() > 1; });
  if (second) fmt::format_to(to, "<th>KL to own float</th>");
  fmt::format_to(to, "<th>tasks</th><th>bits</th><th>file</th><th>peak RSS</th><th>tokens/s</th></tr>");
  for (const EvalRecord& r : report.rows) {
    fmt::format_to(to, "<tr{}><td>{}</td><td>{}</td><td>{:.4f} &#177; {:.4f}</td>",
                   r.method == "qat" ? " class=\"qat\"" : "", r.scheme,
                   escape(r.label.empty() ? r.method : r.method + " (" + r.label + ")"), r.text.ppl, r.text.ppl_stderr);
    if (r.references.empty()) {
      fmt::format_to(to, "<td>-</td><td>-</td><td>-</td><td>-</td>");
    } else {
      const Divergence& d = r.references[0].divergence;
      fmt::format_to(to, "<td>{:.5f}</td><td>{:.5f}</td><td>{:.3f}</td><td>{:.2f} %</td>", d.kld_mean, d.kld_median,
                     d.kld_p999, 100 * d.top1);
    }
    if (second)
      fmt::format_to(to, "<td>{}</td>",
                     r.references.size() > 1
                         ? fmt::format("<span title=\"{}\">{:.5f}</span>", escape(r.references[1].path),
                                       r.references[1].divergence.kld_mean)
                         : "-");
    fmt::format_to(to, "<td>{}</td><td>{:.2f}</td><td>{:.2f} MB</td><td>{:.1f} MB</td><td>{:.0f}</td></tr>",
                   r.tasks ? fmt::format("{:.1f} %", 100 * r.tasks->accuracy) : "-", r.bits_per_weight,
                   double(r.file_bytes) / 1e6, double(r.peak_rss_bytes) / 1e6, r.tokens_per_second);
  }
  fmt::format_to(to, "</table><p>Peak RSS is VmHWM of a process that loads the model alone and writes 64 tokens.</p>");
  fmt::format_to(to, "<h2>Damage</h2>{}{}", kl_bars(report.rows), size_plot(report.rows));
  if (!report.curves.empty()) {
    fmt::format_to(to, "<h2>Training</h2>");
    for (const Curve& c : report.curves) fmt::format_to(to, "{}", curve_plot(c));
  }
  if (!report.sample.empty())
    fmt::format_to(to, "<h2>What the smallest model writes</h2><pre>{}</pre>", escape(report.sample));
  fmt::format_to(to, "</body></html>\n");
  return fmt::to_string(out);
}

}  // namespace facet
