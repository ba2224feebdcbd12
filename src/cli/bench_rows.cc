#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <fstream>

#include "cli/bench.h"
#include "cli/cli.h"

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

std::string format_rows(const std::string& how, const Rows& rows, std::string (*markdown)(const Rows&)) {
  if (how == "json") return nlohmann::ordered_json(rows).dump(1) + "\n";
  if (how == "csv") return csv(rows);
  if (how == "md") return markdown(rows);
  std::string out;
  for (const auto& row : rows) out += row.dump() + "\n";
  return out;
}

}  // namespace facet::cli
