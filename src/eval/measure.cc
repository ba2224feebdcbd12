#include "eval/measure.h"

#include <algorithm>
#include <chrono>
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
  return run_in_child<Footprint>([&] { return measure_here(path, threads, n_prompt, n_generate); });
}

}  // namespace facet
