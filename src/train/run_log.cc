#include "train/run_log.h"

#include <fmt/format.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

namespace facet::train {
namespace {

using Json = nlohmann::ordered_json;

std::string clock(double seconds) {
  auto whole = static_cast<long long>(std::isfinite(seconds) && seconds > 0 ? seconds + 0.5 : 0);
  return fmt::format("{:02}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

}  // namespace

std::string format_progress(const TrainProgress& p) {
  std::string line = fmt::format("step {}/{} loss {:.4g}", p.step, p.total_steps, p.loss);
  if (p.kl) line += fmt::format(" kl {:.3g}", *p.kl);
  line += fmt::format(" lr {:.2e} tok/s {:.0f} rss {:.1f} GB eta {}", p.lr, p.tokens_per_second,
                      static_cast<double>(p.peak_rss_bytes) * 1e-9, clock(p.eta_seconds));
  return line;
}

std::string format_validation(const Validation& v) {
  std::string line = fmt::format("valid step {} ce {:.4f} ppl {:.4g}", v.step, v.ce, v.ppl);
  if (v.kl) line += fmt::format(" kl {:.3g}", *v.kl);
  if (v.top1_agreement) line += fmt::format(" top1 {:.1f}%", 100 * *v.top1_agreement);
  if (v.draft_length) line += fmt::format(" {:.3f} tokens a round", *v.draft_length);
  if (v.best) line += " (best)";
  return line;
}

RunLog::~RunLog() {
  if (file_) std::fclose(file_);
}

Status RunLog::open(const std::string& path, bool append) {
  path_ = path;
  file_ = std::fopen(path.c_str(), append ? "ab" : "wb");
  if (!file_) return io_error(path + ": cannot open the log: " + std::strerror(errno));
  return {};
}

Status RunLog::line(const std::string& json) {
  if (!file_) return {};
  std::string text = json + "\n";
  if (std::fwrite(text.data(), 1, text.size(), file_) == text.size() && std::fflush(file_) == 0) return {};
  int error = errno;
  std::string message = path_ + ": cannot write the log: " + std::strerror(error);
  return error == ENOSPC || error == EDQUOT ? no_resources(message) : io_error(message);
}

Status RunLog::step(const TrainProgress& p) {
  Json json = {{"event", "step"}, {"step", p.step}, {"loss", p.loss}, {"ce", p.ce}};
  if (p.kl) json["kl"] = *p.kl;
  json["lr"] = p.lr;
  json["grad_norm"] = p.grad_norm;
  for (const auto& [name, value] : p.group_norms) json["grad_norm_" + name] = value;
  json["stage"] = p.stage;
  json["tokens_per_second"] = p.tokens_per_second;
  json["peak_rss_bytes"] = p.peak_rss_bytes;
  json["seconds"] = p.seconds;
  for (const auto& [name, value] : p.metrics) json[name] = value;
  return line(json.dump());
}

Status RunLog::validation(const Validation& v) {
  Json json = {{"event", "validation"}, {"step", v.step}, {"stage", v.stage},
               {"tokens", v.n_tokens},  {"ce", v.ce},     {"ppl", v.ppl}};
  if (v.kl) json["kl"] = *v.kl;
  if (v.top1_agreement) json["top1_agreement"] = *v.top1_agreement;
  if (v.draft_length) json["draft_length"] = *v.draft_length;
  json["accuracy"] = v.accuracy;
  json["best"] = v.best;
  return line(json.dump());
}

Status RunLog::event(const std::string& name, std::int64_t step, const std::string& text) {
  Json json = {{"event", name}, {"step", step}};
  if (!text.empty()) json["text"] = text;
  return line(json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace facet::train
