// thread_pool.h: fork-join over a range.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace facet {

//   ThreadPool pool(4);
//   pool.parallel_for(n, [&](std::int64_t begin, std::int64_t end) { ... });
// One pool per process, passed in.  The caller's thread works too, so ThreadPool(1) starts no thread.  parallel_for may
// be called from one thread at a time and must not be nested.  Work is cut into contiguous pieces beforehand, which
// threads take as they come free; a function whose result depends on where the cuts fall is a bug: reductions are split
// by shape.  A loop costs a microsecond or two while the threads are awake: they wait for the next one awake for some
// 50 microseconds, then sleep.  Nothing is pinned.
class ThreadPool {
 public:
  explicit ThreadPool(int n_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  int n_threads() const { return n_threads_; }
  // How many of the threads the next loops may use, 1..n_threads(); the others sleep.  All of them at first.
  void use(int n);
  // Runs body(begin, end) over [0, n) and returns when all pieces are done, none smaller than `grain`, the least that
  // is worth a thread.  The work is handed out in up to `rounds` rounds of one piece for each thread in use; each round
  // is half of what is left, the last one all.  So large pieces come first, and small ones even out threads of unequal
  // speed, such as those that share their core with other programs.
  void parallel_for(std::int64_t n, std::int64_t grain, const std::function<void(std::int64_t, std::int64_t)>& body,
                    int rounds = 1);

 private:
  struct State;
  int n_threads_;
  std::unique_ptr<State> state_;
};

// Processors this process may use (its affinity mask), at least 1.
int available_processors();

}  // namespace facet
