#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "base/check.h"

namespace facet {
namespace {

void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Waits up to some 50 microseconds for `ready`; whether it came.  A step of a model is hundreds of short loops with a
// microsecond of other work between them: threads that slept there would cost more than they bring.  The second half
// lets others run, in case the core is not ours alone.
template <typename Ready>
bool spin_until(int spins, const Ready& ready) {
  for (int i = 0; i < spins; ++i) {
    if (ready()) return true;
    if (i > spins / 2 && i % 32 == 0)
      std::this_thread::yield();
    else
      relax();
  }
  return ready();
}
constexpr int kSpins = 2000;

// What a thread may take next, in one word, so that taking is one compare-and-swap: which loop this is, its number of
// pieces, and the next of them.
struct Ticket {
  std::uint32_t loop;
  std::uint16_t pieces, next;

  static Ticket of(std::uint64_t word) {
    return {static_cast<std::uint32_t>(word >> 32), static_cast<std::uint16_t>(word >> 16),
            static_cast<std::uint16_t>(word)};
  }
  std::uint64_t word() const { return std::uint64_t{loop} << 32 | std::uint64_t{pieces} << 16 | next; }
};

}  // namespace

struct ThreadPool::State {
  // Written before a loop begins, read by those who hold a piece of it: the loop cannot end while they do.
  const std::function<void(std::int64_t, std::int64_t)>* body = nullptr;
  std::int64_t n = 0;
  int per_round = 1, rounds = 1;

  alignas(64) std::atomic<std::uint64_t> ticket{0};
  alignas(64) std::atomic<int> done{0};  // pieces of the present loop
  alignas(64) std::atomic<int> wake{0};  // changes whenever sleepers must look again
  std::atomic<int> sleepers{0};
  std::atomic<bool> stop{false};
  std::atomic<int> in_use{1};
  int spins = 0;
  std::vector<std::thread> workers;

  bool has_work() const {
    const Ticket t = Ticket::of(ticket.load(std::memory_order_seq_cst));
    return t.next < t.pieces;
  }

  std::int64_t start_of(int piece) const {
    const int round = piece / per_round;
    if (round == rounds) return n;
    const std::int64_t left = n >> round, size = round + 1 == rounds ? left : left - (left >> 1);
    return n - left + size * (piece % per_round) / per_round;
  }

  // Takes and runs pieces until none is left.  index: of the thread; 0 is the caller of parallel_for.
  void work(int index) {
    std::uint64_t seen = ticket.load(std::memory_order_acquire);
    while (true) {
      const Ticket t = Ticket::of(seen);
      if (t.next >= t.pieces || index >= in_use.load(std::memory_order_relaxed)) return;
      if (!ticket.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel)) continue;
      (*body)(start_of(t.next), start_of(t.next + 1));
      if (done.fetch_add(1, std::memory_order_acq_rel) + 1 == t.pieces) done.notify_one();
      seen = ticket.load(std::memory_order_acquire);
    }
  }

  void run_worker(int index) {
    auto ready = [this] { return stop.load(std::memory_order_relaxed) || has_work(); };
    while (true) {
      if (const int limit = in_use.load(std::memory_order_acquire); index >= limit) {
        in_use.wait(limit, std::memory_order_acquire);
        continue;
      }
      if (!spin_until(spins, ready)) {
        sleepers.fetch_add(1, std::memory_order_seq_cst);
        // Either this sees the new loop, or the caller sees the sleeper.
        for (int seen = wake.load(); !ready() && index < in_use.load(); seen = wake.load()) wake.wait(seen);
        sleepers.fetch_sub(1, std::memory_order_seq_cst);
      }
      if (stop.load(std::memory_order_relaxed)) return;
      work(index);
    }
  }

  void wake_sleepers() {
    if (sleepers.load(std::memory_order_seq_cst) == 0) return;
    wake.fetch_add(1);
    wake.notify_all();
  }
};

ThreadPool::ThreadPool(int n_threads) : n_threads_(std::max(1, n_threads)), state_(std::make_unique<State>()) {
  state_->in_use = n_threads_;
  // With more threads than processors spinning takes time from those who work.
  state_->spins = n_threads_ <= available_processors() ? kSpins : 0;
  for (int i = 1; i < n_threads_; ++i) state_->workers.emplace_back([s = state_.get(), i] { s->run_worker(i); });
}

ThreadPool::~ThreadPool() {
  state_->stop = true;
  use(n_threads_);
  state_->wake.fetch_add(1);
  state_->wake.notify_all();
  for (auto& worker : state_->workers) worker.join();
}

void ThreadPool::use(int n) {
  n = std::clamp(n, 1, n_threads_);
  if (state_->in_use.exchange(n, std::memory_order_release) != n) state_->in_use.notify_all();
}

void ThreadPool::parallel_for(std::int64_t n, std::int64_t grain,
                              const std::function<void(std::int64_t, std::int64_t)>& body, int rounds) {
  if (n <= 0) return;
  State& s = *state_;
  const int in_use = s.in_use.load(std::memory_order_relaxed);
  const std::int64_t most = n / std::max<std::int64_t>(1, grain);  // pieces
  if (most <= 1 || in_use == 1) return body(0, n);
  const auto per_round = static_cast<int>(std::min<std::int64_t>(in_use, most));
  // The last round has a share of 1 / 2^(rounds - 1).
  while (rounds > 1 && (most >> (rounds - 1)) < per_round) --rounds;
  const int pieces = per_round * rounds;
  FACET_CHECK(pieces <= 0xffff, "pieces are counted in 16 bits");
  const Ticket last = Ticket::of(s.ticket.load(std::memory_order_relaxed));
  FACET_CHECK(last.next >= last.pieces, "parallel_for is not reentrant");
  s.body = &body;
  s.n = n;
  s.per_round = per_round;
  s.rounds = rounds;
  s.done.store(0, std::memory_order_relaxed);
  s.ticket.store(Ticket{last.loop + 1, static_cast<std::uint16_t>(pieces), 0}.word(), std::memory_order_seq_cst);
  s.wake_sleepers();
  s.work(0);
  auto finished = [&] { return s.done.load(std::memory_order_acquire) == pieces; };
  if (spin_until(s.spins, finished)) return;
  for (int seen = s.done.load(std::memory_order_acquire); seen != pieces; seen = s.done.load(std::memory_order_acquire))
    s.done.wait(seen, std::memory_order_acquire);
}

int available_processors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace facet
