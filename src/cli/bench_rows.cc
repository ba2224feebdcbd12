#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <fstream>
#include <numeric>

#include "base/process.h"
#include "cli/bench.h"
#include "facet/version.h"

namespace facet::cli {

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(std::min(line.size(), line.find(':') + 2));
  return "unknown CPU";
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                     utc.tm_hour, utc.tm_min, utc.tm_sec);
}

double thread_cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return double(now.tv_sec) + double(now.tv_nsec) * 1e-9;
}

CLI::Option* output_option(CLI::App* verb, std::string& output) {
  return option(verb, "-o,--output", output, "md, json, jsonl or csv")
      ->check(CLI::IsMember({"md", "json", "jsonl", "csv"}));
}

Spread spread(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  const std::size_t n = samples.size();
  return {(samples[(n - 1) / 2] + samples[n / 2]) / 2, samples.front(), samples.back()};
}

namespace {

double mean(const std::vector<double>& v) { return std::accumulate(v.begin(), v.end(), 0.0) / double(v.size()); }
double deviation(const std::vector<double>& v) {
  if (v.size() < 2) return 0;
  double sum = 0;
  for (double x : v) sum += (x - mean(v)) * (x - mean(v));
  return std::sqrt(sum / double(v.size() - 1));
}

std::string csv(const Rows& rows) {
  std::string out;
  for (const auto& row : rows) {
    std::string names, values;
    for (const auto& [key, value] : row.items()) {
      if (value.is_array()) continue;
      names += (names.empty() ? "" : ",") + key;
      values += (values.empty() ? "" : ",") + value.dump();
    }
    out += (out.empty() ? names + "\n" : "") + values + "\n";
  }
  return out;
}

}  // namespace

BenchSetting setting_of(const BenchFlags& flags, const std::string& path, const Model& model,
                        const SessionOptions& session, double streaming, double load_seconds) {
  const Checkpoint& c = model.checkpoint();
  BenchSetting out;
  out.model_filename = path;
  out.cpu = cpu_name();
  out.time = utc_now();
  const auto table = kernels::choose();
  out.isa = std::string("cpu ") + (table.ok() ? (*table)->name : "?");
  out.type_k = name_of(session.kv);
  out.type_v = name_of(session.value_type());
  out.model_size = c.byte_size();
  for (const auto& [name, t] : c.tensors) out.n_params += std::uint64_t(element_count(t.shape));
  out.model_type = fmt::format("gemma4 {:.1f}B {}", double(out.n_params) / 1e9, info(c.main_type()).name);
  out.n_batch = flags.session.batch;
  out.n_ubatch = session.max_batch;
  out.n_threads = session.threads;
  out.n_threads_batch = session.batch_threads;
  out.streaming = streaming;
  out.load_seconds = load_seconds;
  return out;
}

nlohmann::ordered_json to_json(const BenchSetting& s, const BenchCase& what, const std::vector<double>& seconds,
                               std::uint64_t bytes_per_token) {
  std::vector<double> rates, ns;
  for (double one : seconds) {
    rates.push_back((what.n_prompt + what.n_generate) / one);
    ns.push_back(std::round(one * 1e9));
  }
  const ResidentBytes resident = resident_bytes();
  const double bytes_per_second = double(bytes_per_token) * mean(rates);
  return {{"build_commit", FACET_VERSION_STRING},
          {"cpu_info", s.cpu},
          {"backend", s.isa},
          {"model_filename", s.model_filename},
          {"model_type", s.model_type},
          {"model_size", s.model_size},
          {"model_n_params", s.n_params},
          {"n_batch", s.n_batch},
          {"n_ubatch", s.n_ubatch},
          {"n_threads", s.n_threads},
          {"n_threads_batch", s.n_threads_batch},
          {"type_k", s.type_k},
          {"type_v", s.type_v},
          {"n_prompt", what.n_prompt},
          {"n_gen", what.n_generate},
          {"n_depth", what.depth},
          {"test_time", s.time},
          {"avg_ns", mean(ns)},
          {"stddev_ns", deviation(ns)},
          {"avg_ts", mean(rates)},
          {"stddev_ts", deviation(rates)},
          {"samples_ns", ns},
          {"samples_ts", rates},
          {"bytes_per_token", bytes_per_token},
          {"gb_per_second", bytes_per_second / 1e9},
          {"streaming_gb_per_second", s.streaming / 1e9},
          {"streaming_share", s.streaming > 0 ? bytes_per_second / s.streaming : 0},
          {"peak_rss_metric", "VmHWM"},
          {"peak_rss_bytes", peak_rss_bytes()},
          {"rss_anon_bytes", resident.anonymous},
          {"rss_file_bytes", resident.file},
          {"load_ms", s.load_seconds * 1e3}};
}

std::string format_rows(const std::string& how, const Rows& rows, std::string (*markdown)(const Rows&)) {
  if (how == "json") return nlohmann::ordered_json(rows).dump(1) + "\n";
  if (how == "csv") return csv(rows);
  if (how == "md") return markdown(rows);
  std::string out;
  for (const auto& row : rows) out += row.dump() + "\n";
  return out;
}

}  // namespace facet::cli
