#include "eval/record.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/mapped_file.h"
#include "eval/sha256.h"

namespace facet {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// The files of a model that end in one of the given extensions, in name order.
Result<std::vector<fs::path>> model_files(const std::string& path, std::initializer_list<const char*> extensions) {
  std::error_code error;
  if (fs::is_regular_file(path, error)) return std::vector<fs::path>{path};
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(path, error))
    for (const char* e : extensions)
      if (entry.is_regular_file() && entry.path().extension() == e) files.push_back(entry.path());
  if (error || files.empty()) return not_found(path + ": no model files there");
  std::sort(files.begin(), files.end());
  return files;
}

json to_json(const Divergence& d) {
  return {{"ppl_reference", d.ppl_reference},
          {"kld_mean", d.kld_mean},
          {"kld_stderr", d.kld_stderr},
          {"kld_median", d.kld_median},
          {"kld_p99", d.kld_p99},
          {"kld_p999", d.kld_p999},
          {"kld_max", d.kld_max},
          {"top1_agreement", d.top1},
          {"top1_stderr", d.top1_stderr},
          {"delta_p_mean", d.delta_p_mean},
          {"delta_p_rms", d.delta_p_rms}};
}

Divergence divergence_from(const json& j) {
  Divergence d;
  d.ppl_reference = j.at("ppl_reference");
  d.kld_mean = j.at("kld_mean");
  d.kld_stderr = j.at("kld_stderr");
  d.kld_median = j.at("kld_median");
  d.kld_p99 = j.at("kld_p99");
  d.kld_p999 = j.at("kld_p999");
  d.kld_max = j.at("kld_max");
  d.top1 = j.at("top1_agreement");
  d.top1_stderr = j.at("top1_stderr");
  d.delta_p_mean = j.at("delta_p_mean");
  d.delta_p_rms = j.at("delta_p_rms");
  return d;
}

}  // namespace

std::string to_json(const EvalRecord& r) {
  json out = {{"model", r.path},
              {"sha256", r.sha256},
              {"scheme", r.scheme},
              {"method", r.method},
              {"label", r.label},
              {"text", r.text_path},
              {"context", r.context},
              {"tokens", r.text.tokens},
              {"ppl", r.text.ppl},
              {"ppl_stderr", r.text.ppl_stderr},
              {"prompt_tokens_per_second", r.text.tokens_per_second},
              {"bits_per_weight", r.bits_per_weight},
              {"file_bytes", r.file_bytes},
              {"peak_rss_bytes", r.peak_rss_bytes},
              {"peak_rss_metric", "VmHWM"},
              {"tokens_per_second", r.tokens_per_second},
              {"references", json::array()}};
  json windows = {{"tokens", json::array()}, {"nll", json::array()}, {"against", json::array()}};
  for (const WindowSums& w : r.text.windows) {
    windows["tokens"].push_back(w.tokens);
    windows["nll"].push_back(w.nll);
  }
  for (std::size_t i = 0; i < r.references.size(); ++i) {
    json reference = to_json(r.references[i].divergence);
    reference["model"] = r.references[i].path;
    reference["sha256"] = r.references[i].sha256;
    out["references"].push_back(reference);
    json sums = {{"nll", json::array()}, {"kl", json::array()}, {"same_top", json::array()}};
    for (const WindowSums& w : r.text.windows) {
      sums["nll"].push_back(w.against[i].nll);
      sums["kl"].push_back(w.against[i].kl);
      sums["same_top"].push_back(w.against[i].same_top);
    }
    windows["against"].push_back(sums);
  }
  out["windows"] = windows;
  if (r.tasks) {
    std::string correct;
    for (bool c : r.tasks->correct) correct += c ? '1' : '0';
    out["tasks"] = {{"accuracy", r.tasks->accuracy},
                    {"stderr", r.tasks->standard_error},
                    {"chance", r.tasks->chance},
                    {"correct", correct}};
  }
  return out.dump(1) + "\n";
}

Result<EvalRecord> parse_eval_record(const std::string& text, const std::string& origin) {
  try {
    json j = json::parse(text);
    EvalRecord r;
    r.path = j.at("model");
    r.sha256 = j.at("sha256");
    r.scheme = j.at("scheme");
    r.method = j.at("method");
    r.label = j.at("label");
    r.text_path = j.at("text");
    r.context = j.at("context");
    r.text.tokens = j.at("tokens");
    r.text.ppl = j.at("ppl");
    r.text.ppl_stderr = j.at("ppl_stderr");
    r.text.tokens_per_second = j.at("prompt_tokens_per_second");
    r.bits_per_weight = j.at("bits_per_weight");
    r.file_bytes = j.at("file_bytes");
    r.peak_rss_bytes = j.at("peak_rss_bytes");
    r.tokens_per_second = j.at("tokens_per_second");
    for (const json& reference : j.at("references")) {
      r.references.push_back({reference.at("model"), reference.at("sha256"), divergence_from(reference)});
      r.text.against.push_back(r.references.back().divergence);
    }
    const json& windows = j.at("windows");
    for (std::size_t i = 0; i < windows.at("nll").size(); ++i) {
      WindowSums w{.tokens = windows.at("tokens").at(i), .nll = windows.at("nll").at(i), .against = {}};
      for (const json& a : windows.at("against"))
        w.against.push_back({a.at("nll").at(i), a.at("kl").at(i), a.at("same_top").at(i)});
      r.text.windows.push_back(std::move(w));
    }
    if (j.contains("tasks")) {
      TaskEval t;
      for (char c : j["tasks"].at("correct").get<std::string>()) t.correct.push_back(c == '1');
      t.accuracy = j["tasks"].at("accuracy");
      t.standard_error = j["tasks"].at("stderr");
      t.chance = j["tasks"].at("chance");
      r.tasks = std::move(t);
    }
    return r;
  } catch (const json::exception& error) {
    return corrupt(fmt::format("{}: not an evaluation record: {}", origin, error.what()));
  }
}

std::string to_text(const EvalRecord& r) {
  fmt::memory_buffer out;
  auto line = [&]<typename... Args>(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
    out.push_back('\n');
  };
  line("model: {} ({}, {}; {:.2f} bits per weight, {} bytes, sha256 {})", r.path, r.scheme, r.method, r.bits_per_weight,
       r.file_bytes, r.sha256);
  line("text: {} ({} tokens, context {})", r.text_path, r.text.tokens, r.context);
  for (const ReferenceRecord& ref : r.references) {
    const Divergence& d = ref.divergence;
    line("reference: {} (sha256 {})", ref.path, ref.sha256);
    line("Mean PPL(Q)                   : {:10.6f} +/- {:.6f}", r.text.ppl, r.text.ppl_stderr);
    line("Mean PPL(base)                : {:10.6f}", d.ppl_reference);
    line("Mean KLD                      : {:10.6f} +/- {:.6f}", d.kld_mean, d.kld_stderr);
    line("Maximum KLD                   : {:10.6f}", d.kld_max);
    line("99.9%   KLD                   : {:10.6f}", d.kld_p999);
    line("99.0%   KLD                   : {:10.6f}", d.kld_p99);
    line("Median  KLD                   : {:10.6f}", d.kld_median);
    line("Mean    \xce\x94p                    : {:10.3f} %", 100 * d.delta_p_mean);
    line("RMS     \xce\x94p                    : {:10.3f} %", 100 * d.delta_p_rms);
    line("Same top p                    : {:10.3f} +/- {:.3f} %", 100 * d.top1, 100 * d.top1_stderr);
  }
  if (r.tasks)
    line("tasks: {:.1f} +/- {:.1f} % of {} answered (guessing: {:.1f} %)", 100 * r.tasks->accuracy,
         100 * r.tasks->standard_error, r.tasks->correct.size(), 100 * r.tasks->chance);
  line("speed: {:.0f} tokens/s reading, {:.0f} tokens/s writing; peak memory {:.1f} MB (VmHWM)",
       r.text.tokens_per_second, r.tokens_per_second, double(r.peak_rss_bytes) / 1e6);
  line("Final estimate: PPL = {:.4f} +/- {:.5f}", r.text.ppl, r.text.ppl_stderr);
  return fmt::to_string(out);
}

Result<std::string> model_sha256(const std::string& path) {
  FACET_ASSIGN(std::vector<fs::path> files, model_files(path, {".safetensors"}));
  Sha256 hash;
  for (const fs::path& file : files) {
    FACET_ASSIGN(MappedFile mapped, MappedFile::open(file.string()));
    hash.add(mapped.bytes());
  }
  return hash.hex();
}

Result<std::uint64_t> model_file_bytes(const std::string& path) {
  FACET_ASSIGN(std::vector<fs::path> files, model_files(path, {".safetensors", ".json"}));
  std::uint64_t bytes = 0;
  std::error_code error;
  for (const fs::path& file : files) bytes += fs::file_size(file, error);
  return bytes;
}

}  // namespace facet
