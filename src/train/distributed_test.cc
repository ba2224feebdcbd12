#include "train/distributed.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <thread>

namespace facet::train {
namespace {

// A port that was free a moment ago.
int free_port() {
  int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ::close(fd);
  return ntohs(address.sin_port);
}

// Runs `body` as n ranks, each on a thread of this process: Gloo does not mind.
void with_ranks(int n, const std::function<void(Collectives&)>& body) {
  int port = free_port();
  std::vector<std::thread> threads;
  for (int rank = 0; rank < n; ++rank)
    threads.emplace_back([&, rank] {
      auto collectives = Collectives::connect({.rank = rank, .world_size = n, .master_port = port}, torch::kCPU);
      ASSERT_TRUE(collectives.ok()) << collectives.status().message();
      EXPECT_EQ((*collectives)->rank(), rank);
      EXPECT_EQ((*collectives)->world_size(), n);
      body(**collectives);
    });
  for (std::thread& thread : threads) thread.join();
}

TEST(Collectives, SumOverRanksWithUnevenSizes) {
  for (int n : {1, 2, 3}) {
    with_ranks(n, [n](Collectives& c) {
      double mine = c.rank() + 1, total = n * (n + 1) / 2;
      std::vector<torch::Tensor> tensors{torch::full({3, 5}, mine),
                                         torch::full({1}, 2 * mine),
                                         torch::full({}, 3 * mine),
                                         torch::empty({0}),
                                         torch::full({7}, mine, torch::kFloat64),
                                         torch::full({2}, c.rank() + 1, torch::kInt64),
                                         torch::full({5'000'000}, mine),  // longer than a message
                                         torch::full({4, 3}, mine).t()};
      ASSERT_TRUE(c.all_reduce_sum(tensors).ok());
      EXPECT_TRUE(tensors[0].equal(torch::full({3, 5}, total)));
      EXPECT_TRUE(tensors[1].equal(torch::full({1}, 2 * total)));
      EXPECT_TRUE(tensors[2].equal(torch::full({}, 3 * total)));
      EXPECT_TRUE(tensors[4].equal(torch::full({7}, total, torch::kFloat64)));
      EXPECT_TRUE(tensors[5].equal(torch::full({2}, n * (n + 1) / 2, torch::kInt64)));
      EXPECT_TRUE(tensors[6].equal(torch::full({5'000'000}, total)));
      EXPECT_TRUE(tensors[7].equal(torch::full({3, 4}, total)));
      ASSERT_TRUE(c.all_reduce_sum({}).ok());
    });
  }
}

TEST(Collectives, BroadcastGivesTheFirstRanksValues) {
  with_ranks(3, [](Collectives& c) {
    std::vector<torch::Tensor> tensors{torch::full({3, 5}, c.rank()), torch::full({2}, 40 + c.rank(), torch::kInt64),
                                       torch::full({2}, c.rank() == 0, torch::kBool)};
    ASSERT_TRUE(c.broadcast(tensors).ok());
    EXPECT_TRUE(tensors[0].equal(torch::zeros({3, 5})));
    EXPECT_TRUE(tensors[1].equal(torch::full({2}, 40, torch::kInt64)));
    EXPECT_TRUE(tensors[2].equal(torch::ones({2}, torch::kBool)));
  });
}

TEST(Collectives, AllRanksGetTheSameBits) {
  std::vector<torch::Tensor> results(3);
  with_ranks(3, [&](Collectives& c) {
    torch::Tensor values = torch::linspace(0.1, 0.7, 1001) * (c.rank() + 0.37);
    ASSERT_TRUE(c.all_reduce_sum({values}).ok());
    results[static_cast<std::size_t>(c.rank())] = values;
  });
  EXPECT_TRUE(results[0].equal(results[1]));
  EXPECT_TRUE(results[0].equal(results[2]));
}

class EnvironmentTest : public ::testing::Test {
 protected:
  ~EnvironmentTest() override {
    for (const char* name : {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}) ::unsetenv(name);
  }
  static void set(const char* rank, const char* size, const char* address, const char* port) {
    ::setenv("RANK", rank, 1);
    ::setenv("WORLD_SIZE", size, 1);
    ::setenv("MASTER_ADDR", address, 1);
    ::setenv("MASTER_PORT", port, 1);
  }
};

TEST_F(EnvironmentTest, ReadsThePlace) {
  EXPECT_EQ(place_from_environment()->world_size, 1);
  set("2", "4", "10.0.0.1", "1234");
  Result<ProcessPlace> place = place_from_environment();
  ASSERT_TRUE(place.ok());
  EXPECT_EQ(place->rank, 2);
  EXPECT_EQ(place->world_size, 4);
  EXPECT_EQ(place->master_address, "10.0.0.1");
  EXPECT_EQ(place->master_port, 1234);
}

TEST_F(EnvironmentTest, NamesTheVariableThatIsWrong) {
  auto expect_named = [](const char* name) {
    Result<ProcessPlace> place = place_from_environment();
    ASSERT_FALSE(place.ok()) << name;
    EXPECT_EQ(place.status().code(), Code::kInvalidArgument);
    EXPECT_NE(place.status().message().find(name), std::string::npos) << place.status().message();
  };
  set("4", "4", "h", "1234");
  expect_named("RANK");
  set("x", "4", "h", "1234");
  expect_named("RANK");
  set("0", "0", "h", "1234");
  expect_named("WORLD_SIZE");
  set("0", "2", "h", "99999");
  expect_named("MASTER_PORT");
  set("0", "2", "", "1");
  expect_named("MASTER_ADDR");
  ::unsetenv("RANK");
  expect_named("RANK");
}

}  // namespace
}  // namespace facet::train
