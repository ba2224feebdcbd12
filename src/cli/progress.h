// progress.h: progress on stderr: one updating line on a terminal, a plain line every few seconds otherwise.
#pragma once

#include <chrono>
#include <string>

namespace facet::cli {

//   Progress progress;
//   progress.show(fmt::format("window {}/{}", i, n));   // cheap to call often
//   progress.finish();                                  // ends the line
class Progress {
 public:
  explicit Progress(double plain_every_seconds = 10);
  ~Progress() { finish(); }
  void show(const std::string& line, bool force = false);
  void finish();

 private:
  bool terminal_, open_ = false;
  double plain_every_;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace facet::cli
