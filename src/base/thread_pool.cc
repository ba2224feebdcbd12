#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "base/check.h"

namespace facet {

struct ThreadPool::State {
  std::mutex mutex;
  std::condition_variable start, done;
  std::vector<std::thread> workers;
  const std::function<void(std::int64_t, std::int64_t)>* body = nullptr;
  std::int64_t n = 0;
  int pieces = 0, next = 0, running = 0;
  std::uint64_t generation = 0;
  bool stop = false;

  // Takes pieces until none is left.  Called with the lock held; returns with it held.
  void work(std::unique_lock<std::mutex>& lock) {
    while (next < pieces) {
      int piece = next++;
      ++running;
      lock.unlock();
      (*body)(n * piece / pieces, n * (piece + 1) / pieces);
      lock.lock();
      --running;
    }
  }
};

ThreadPool::ThreadPool(int n_threads) : n_threads_(std::max(1, n_threads)), state_(std::make_unique<State>()) {
  for (int i = 1; i < n_threads_; ++i) {
    state_->workers.emplace_back([s = state_.get()] {
      std::unique_lock lock(s->mutex);
      std::uint64_t seen = 0;
      while (true) {
        s->start.wait(lock, [&] { return s->stop || s->generation != seen; });
        if (s->stop) return;
        seen = s->generation;
        s->work(lock);
        if (s->next >= s->pieces && s->running == 0) s->done.notify_one();
      }
    });
  }
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->start.notify_all();
  for (auto& worker : state_->workers) worker.join();
}

void ThreadPool::parallel_for(std::int64_t n, std::int64_t grain,
                              const std::function<void(std::int64_t, std::int64_t)>& body) {
  if (n <= 0) return;
  auto pieces = static_cast<int>(std::min<std::int64_t>(n_threads_, n / std::max<std::int64_t>(1, grain)));
  if (pieces <= 1) return body(0, n);
  std::unique_lock lock(state_->mutex);
  FACET_CHECK(state_->running == 0 && state_->next >= state_->pieces, "parallel_for is not reentrant");
  state_->body = &body;
  state_->n = n;
  state_->pieces = pieces;
  state_->next = 0;
  ++state_->generation;
  state_->start.notify_all();
  state_->work(lock);
  state_->done.wait(lock, [&] { return state_->running == 0; });
}

int available_processors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace facet
