// Two processes on this machine, found by the usual environment variables, against one: the same loss curve.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "train/trainer_test.h"

extern char** environ;

namespace facet::train {
namespace {

constexpr const char* kConfig = "FACET_TEST_TRAIN_CONFIG";

TrainConfig base_config(const TemporaryFolder& folder, const std::string& name) {
  TrainConfig config = tiny_config(folder);
  config.output_dir = folder / name;
  config.max_steps = 50;
  config.eval_every = 25;
  config.save_every = 25;
  config.grad_accum = 2;
  // Adam's first steps are signs of gradients, so rounding can turn a whole step around where a gradient is near zero;
  // a larger eps and a gentle rate keep two runs that differ in rounding on one path.
  config.eps = 1e-4;
  config.lr = 1e-3;
  return config;
}

Status run_here(const TrainConfig& config) {
  FACET_ASSIGN(ProcessPlace place, place_from_environment());
  TrainParts parts = tiny_parts(config);
  FACET_ASSIGN(parts.collectives, Collectives::connect(place, torch::kCPU));
  Result<TrainSummary> summary = run_training(config, std::move(parts), {});
  return summary.ok() ? Status() : summary.status();
}

// What a spawned process runs: the config file that its environment names.  Run as an ordinary test it trains for
// itself.
TEST(TwoProcesses, Worker) {
  TemporaryFolder folder;
  TrainConfig config = base_config(folder, "alone");
  if (const char* path = std::getenv(kConfig)) {
    ASSERT_TRUE(load_train_config(path, config).ok());
  }
  Status status = run_here(config);
  EXPECT_TRUE(status.ok()) << status.message();
}

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

void run_in_processes(const TrainConfig& config, int n, const TemporaryFolder& folder) {
  std::string file = folder / "config.json";
  std::ofstream(file) << to_json(config);
  std::string port = std::to_string(free_port());
  std::vector<pid_t> children;
  for (int rank = 0; rank < n; ++rank) {
    std::vector<std::string> variables;
    for (char** e = environ; *e; ++e) variables.emplace_back(*e);
    for (std::string variable :
         {std::string(kConfig) + "=" + file, "RANK=" + std::to_string(rank), "WORLD_SIZE=" + std::to_string(n),
          std::string("MASTER_ADDR=127.0.0.1"), "MASTER_PORT=" + port})
      variables.push_back(variable);
    std::vector<char*> pointers;
    for (std::string& variable : variables) pointers.push_back(variable.data());
    pointers.push_back(nullptr);
    std::string program = "/proc/self/exe", filter = "--gtest_filter=TwoProcesses.Worker";
    char* arguments[] = {program.data(), filter.data(), nullptr};
    pid_t child = 0;
    ASSERT_EQ(::posix_spawn(&child, program.c_str(), nullptr, nullptr, arguments, pointers.data()), 0);
    children.push_back(child);
  }
  for (pid_t child : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }
}

// Losses of the steps, and of the validations, in the order of the log.
std::vector<double> losses(const TrainConfig& config, const std::string& event) {
  std::vector<double> values;
  std::ifstream log(config.output_dir + "/log.jsonl");
  for (std::string line; std::getline(log, line);) {
    nlohmann::json json = nlohmann::json::parse(line);
    if (json.at("event") == event) values.push_back(json.at("ce"));
  }
  return values;
}

void expect_near(const std::vector<double>& a, const std::vector<double>& b, double tolerance) {
  ASSERT_EQ(a.size(), b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_NEAR(a[i], b[i], tolerance) << i;
    largest = std::max(largest, std::abs(a[i] - b[i]));
  }
  ::testing::Test::RecordProperty("largest_difference", (std::ostringstream() << largest).str());
}

TEST(TwoProcesses, GiveTheLossCurveOfOne) {
  TemporaryFolder folder;
  TrainConfig one = base_config(folder, "one"), two = base_config(folder, "two");
  two.grad_accum = 1;  // half as many micro-batches on twice as many processes
  ASSERT_TRUE(run_here(one).ok());
  run_in_processes(two, 2, folder);
  EXPECT_EQ(losses(one, "step").size(), 50u);
  expect_near(losses(one, "step"), losses(two, "step"), 1e-4);
  expect_near(losses(one, "validation"), losses(two, "validation"), 1e-4);
}

TEST(TwoProcesses, OneGoesOnWhereTwoStopped) {
  TemporaryFolder folder;
  TrainConfig one = base_config(folder, "one"), cut = base_config(folder, "cut");
  one.schedule = cut.schedule = "constant";  // so that the first half does not know of the second
  one.warmup = cut.warmup = 2;
  ASSERT_TRUE(run_here(one).ok());
  cut.max_steps = 25;
  cut.grad_accum = 1;
  run_in_processes(cut, 2, folder);
  cut.max_steps = 50;
  cut.grad_accum = 2;
  cut.resume = true;
  Status status = run_here(cut);
  ASSERT_TRUE(status.ok()) << status.message();
  expect_near(losses(one, "step"), losses(cut, "step"), 1e-4);
}

}  // namespace
}  // namespace facet::train
