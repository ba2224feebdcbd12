#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace facet {
namespace {

TEST(ThreadPool, EveryIndexIsVisitedOnce) {
  for (int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    for (std::int64_t n : {0, 1, 2, 7, 1000}) {
      std::vector<int> visits(n, 0);
      for (int round = 1; round <= 50; ++round) {
        pool.parallel_for(n, 1, [&](std::int64_t begin, std::int64_t end) {
          for (auto i = begin; i < end; ++i) ++visits[i];
        });
        for (int v : visits) ASSERT_EQ(v, round);
      }
    }
  }
}

TEST(ThreadPool, SeveralPiecesForEachThreadCoverEveryIndexOnce) {
  ThreadPool pool(3);
  std::vector<int> visits(1000, 0);
  std::atomic<int> calls = 0;
  pool.parallel_for(
      1000, 1,
      [&](std::int64_t begin, std::int64_t end) {
        ++calls;
        for (auto i = begin; i < end; ++i) ++visits[i];
      },
      4);
  EXPECT_EQ(calls, 12);
  for (int v : visits) ASSERT_EQ(v, 1);
}

// Threads fall asleep between loops, or are awake, or are many more than processors: no loop may be lost.
TEST(ThreadPool, SurvivesPausesAndOversubscription) {
  for (int threads : {2, 4 * available_processors()}) {
    ThreadPool pool(threads);
    std::atomic<std::int64_t> sum = 0;
    for (int round = 0; round < 300; ++round) {
      if (round % 30 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      pool.parallel_for(64, 1, [&](std::int64_t begin, std::int64_t end) { sum += end - begin; });
    }
    EXPECT_EQ(sum, 300 * 64);
  }
}

TEST(ThreadPool, UsesAsManyThreadsAsAllowed) {
  ThreadPool pool(4);
  for (int n : {1, 3, 4, 2}) {
    pool.use(n);
    std::atomic<int> pieces = 0, at_once = 0, most = 0;
    pool.parallel_for(
        64, 1,
        [&](std::int64_t, std::int64_t) {
          ++pieces;
          const int now = ++at_once;
          for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
          }
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
          --at_once;
        },
        4);
    EXPECT_EQ(pieces, n == 1 ? 1 : 4 * n);
    EXPECT_LE(most, n);
  }
}

// Whatever n, grain and threads: the pieces follow each other from 0 to n, none is below the grain, those of later
// rounds are no longer than those before but for rounding.
TEST(ThreadPool, RoundsHalve) {
  for (int threads : {2, 3, 4}) {
    ThreadPool pool(threads);
    for (int rounds : {1, 2, 3, 6, 40})
      for (std::int64_t n : {2, 3, 7, 64, 100, 1000, 12345})
        for (std::int64_t grain : {1, 5, 30}) {
          std::mutex mutex;
          std::vector<std::pair<std::int64_t, std::int64_t>> pieces;
          pool.parallel_for(
              n, grain,
              [&](std::int64_t begin, std::int64_t end) {
                const std::lock_guard lock(mutex);
                pieces.emplace_back(begin, end);
              },
              rounds);
          std::sort(pieces.begin(), pieces.end());
          std::int64_t at = 0, before = n;
          for (const auto& [begin, end] : pieces) {
            EXPECT_EQ(begin, at);
            EXPECT_GE(end - begin, std::min(n, grain));
            EXPECT_LE(end - begin, before + 1);
            before = end - begin;
            at = end;
          }
          EXPECT_EQ(at, n);
          EXPECT_LE(std::ssize(pieces), std::int64_t{threads} * rounds);
        }
  }
}

TEST(ThreadPool, GrainKeepsSmallWorkOnOneThread) {
  ThreadPool pool(4);
  int calls = 0;
  pool.parallel_for(10, 100, [&](std::int64_t begin, std::int64_t end) {
    ++calls;
    EXPECT_EQ(begin, 0);
    EXPECT_EQ(end, 10);
  });
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace facet
