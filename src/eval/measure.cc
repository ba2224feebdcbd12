#include "eval/measure.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <vector>

#include "base/process.h"
#include "engine/session.h"

namespace facet {
namespace {

Result<Footprint> measure_here(const std::string& path, int threads, int n_prompt, int n_generate) {
  FACET_ASSIGN(Model model, Model::load(path));
  ThreadPool pool(threads);
  int context = std::min(n_prompt + n_generate, model.config().max_positions);
  n_prompt = std::min(n_prompt, context / 2);
  FACET_ASSIGN(Session session, Session::create(model, pool, {.context = context, .max_batch = n_prompt}));
  std::vector<float> logits(static_cast<std::size_t>(model.config().vocab_size));
  std::vector<int> prompt(static_cast<std::size_t>(n_prompt));
  // Any tokens do: speed and memory do not depend on what they say.
  for (int i = 0; i < n_prompt; ++i)
    prompt[i] = i == 0 ? model.config().bos_token : (i * 37) % model.config().vocab_size;
  FACET_TRY(session.evaluate(prompt, Session::Logits::kLast, logits));
  auto start = std::chrono::steady_clock::now();
  int steps = context - n_prompt;
  for (int i = 0; i < steps; ++i) {
    auto top = static_cast<int>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    FACET_TRY(session.evaluate({&top, 1}, Session::Logits::kLast, logits));
  }
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return Footprint{peak_rss_bytes(), steps / seconds};
}

}  // namespace

Result<Footprint> measure_footprint(const std::string& path, int threads, int n_prompt, int n_generate) {
  int ends[2];
  if (::pipe(ends) != 0) return io_error(std::string("pipe: ") + std::strerror(errno));
  pid_t child = ::fork();
  if (child < 0) return no_resources(std::string("fork: ") + std::strerror(errno));
  if (child == 0) {
    ::close(ends[0]);
    Result<Footprint> result = measure_here(path, threads, n_prompt, n_generate);
    bool sent = result.ok() && ::write(ends[1], &*result, sizeof(Footprint)) == ssize_t(sizeof(Footprint));
    ::_exit(sent ? 0 : 1);  // no destructors: the parent's state is not the child's to end
  }
  ::close(ends[1]);
  Footprint footprint;
  ssize_t got = ::read(ends[0], &footprint, sizeof footprint);
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (got != ssize_t(sizeof footprint) || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return internal_error(path + ": the measuring process failed");
  return footprint;
}

}  // namespace facet
