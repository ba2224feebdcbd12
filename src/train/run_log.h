// run_log.h: what a run says about itself: the progress line and the JSON-lines log.
#pragma once

#include <cstdint>
#include <cstdio>
#include <map>
#include <optional>
#include <string>

#include "facet/status.h"

namespace facet::train {

// After a step.  Losses are nats per token over the step's whole global batch.
struct TrainProgress {
  std::int64_t step = 0, total_steps = 0;  // steps taken
  double loss = 0;                         // what is minimised
  double ce = 0;
  std::optional<double> kl = {};  // with a teacher
  double lr = 0, grad_norm = 0;
  std::map<std::string, double> group_norms = {}, metrics = {};
  int stage = 0;
  double tokens_per_second = 0;  // over the last steps, validation left out
  std::uint64_t peak_rss_bytes = 0;
  double seconds = 0, eta_seconds = 0;  // of the whole run, earlier parts of a resumed one included
};
// "step 120/2000 loss 1.83 kl 0.012 lr 1e-3 tok/s 410 rss 0.9 GB eta 00:42:10"
std::string format_progress(const TrainProgress& progress);

struct Validation {
  std::int64_t step = 0, n_tokens = 0;
  int stage = 0;
  double ce = 0, ppl = 0;
  std::optional<double> kl = {}, top1_agreement = {};  // with a teacher; nats per token, share
  std::optional<double> draft_length = {};             // of a drafter: tokens that a round is expected to give
  double accuracy = 0;                                 // the best token is the label
  double score = 0;  // what best/ is chosen by, lowest first: -draft_length, or kl when the run minimises it, else ce
  bool best = false;
};
// "valid step 200 ce 3.761 ppl 43.0 kl 0.0031 top1 95.3% (best)"
std::string format_validation(const Validation& validation);

// Appends JSON objects to a file, one per line, flushed line by line:
//   {"event":"step","step":120,"loss":1.83,...}  {"event":"validation",...}
//   {"event":"start"|"resume"|"save"|"skip"|"end",...}
class RunLog {
 public:
  RunLog() = default;  // logs nowhere
  RunLog(const RunLog&) = delete;
  RunLog& operator=(const RunLog&) = delete;
  ~RunLog();
  Status open(const std::string& path, bool append);
  // kNoResources, kIo: the line is not on disk.
  Status step(const TrainProgress& progress);
  Status validation(const Validation& validation);
  Status event(const std::string& name, std::int64_t step, const std::string& text = "");

 private:
  Status line(const std::string& json);
  std::FILE* file_ = nullptr;
  std::string path_;
};

}  // namespace facet::train
