// bench.h: what `facet bench` and the measurements below it share.
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "facet/status.h"

namespace facet::cli {

using Rows = std::vector<nlohmann::ordered_json>;  // one object per measurement, all with the same keys

std::string cpu_name();
std::string utc_now();  // "2026-11-26T18:30:00Z"

// Processor time of this thread so far: what work on one core takes, however busy the machine is.
double thread_cpu_seconds();

// -o: how format_rows() prints; lists are left out of csv.
CLI::Option* output_option(CLI::App* verb, std::string& output);
std::string format_rows(const std::string& how, const Rows& rows, std::string (*markdown)(const Rows&));

// Medians tell what a thing takes; least and most how far to trust that.
struct Spread {
  double median = 0, least = 0, most = 0;
};
Spread spread(std::vector<double> samples);  // at least one

// Each adds its subcommand to `facet bench`.
void add_bench_load(CLI::App& bench, Status& status);
void add_bench_tokenize(CLI::App& bench, Status& status);

}  // namespace facet::cli
