// thread_pool.h: fork-join over a range.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace facet {

//   ThreadPool pool(4);
//   pool.parallel_for(n, [&](std::int64_t begin, std::int64_t end) { ... });
// One pool per process, passed in.  The caller's thread works too, so ThreadPool(1) starts no thread.  parallel_for may
// be called from one thread at a time and must not be nested.  Work is cut by n alone into at most n_threads contiguous
// pieces; a function whose result depends on where the cuts fall is a bug: reductions are split by shape.
class ThreadPool {
 public:
  explicit ThreadPool(int n_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  int n_threads() const { return n_threads_; }
  // Runs body(begin, end) over [0, n) and returns when all pieces are done.  grain: smallest piece worth a thread.
  void parallel_for(std::int64_t n, std::int64_t grain, const std::function<void(std::int64_t, std::int64_t)>& body);

 private:
  struct State;
  int n_threads_;
  std::unique_ptr<State> state_;
};

// Processors this process may use (its affinity mask), at least 1.
int available_processors();

}  // namespace facet
