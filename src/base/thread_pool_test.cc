#include "base/thread_pool.h"

#include <gtest/gtest.h>

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
