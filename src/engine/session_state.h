// session_state.h: what a session is made of, for those who share its cache.
#pragma once

#include "engine/forward.h"
#include "engine/session.h"

namespace facet {

struct Session::State {
  State(const Model& model, ThreadPool& pool, const kernels::Table& kernels, const SessionOptions& options)
      : model(model), pool(pool), kernels(kernels), options(options), forward(model, pool, kernels, options) {}

  // Threads for a batch of n tokens.
  void use_threads(std::size_t n) {
    const int threads = n > 1 ? options.batch_threads : options.threads;
    pool.use(threads > 0 ? threads : pool.n_threads());
  }

  const Model& model;
  ThreadPool& pool;
  const kernels::Table& kernels;
  SessionOptions options;
  Forward forward;
  int position = 0;
  int highest = 0;  // since the last reset: what rings hold depends on it
};

}  // namespace facet
