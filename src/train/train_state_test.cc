#include "train/train_state.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "train/state_file.h"

namespace facet::train {
namespace {

namespace fs = std::filesystem;

class TrainStateTest : public ::testing::Test {
 protected:
  TrainStateTest() {
    std::string pattern = (fs::temp_directory_path() / "facet_state_XXXXXX").string();
    dir_ = ::mkdtemp(pattern.data());
  }
  ~TrainStateTest() override { fs::remove_all(dir_); }
  fs::path folder(std::int64_t step) const {
    char name[32];
    std::snprintf(name, sizeof(name), "step-%08lld", static_cast<long long>(step));
    return fs::path(dir_) / name;
  }
  // Every value of the state of step n is n.
  static TrainState state_of(std::int64_t n) {
    TrainState state;
    state.step = n;
    state.window = 8 * n;
    state.best_score = 0.1 * static_cast<double>(n);
    state.config = "{\"seed\": 1}";
    state.parameters["w"] = torch::full({300, 70}, static_cast<double>(n));
    state.optimizer["first/w"] = torch::full({300, 70}, static_cast<double>(n));
    state.hooks["flag"] = torch::tensor(n, torch::kInt64);
    return state;
  }
  static void expect_is(const TrainState& state, std::int64_t n) {
    EXPECT_EQ(state.step, n);
    EXPECT_EQ(state.window, 8 * n);
    EXPECT_EQ(state.best_score, 0.1 * static_cast<double>(n));
    EXPECT_TRUE(state.parameters.at("w").equal(torch::full({300, 70}, static_cast<double>(n))));
    EXPECT_TRUE(state.optimizer.at("first/w").equal(torch::full({300, 70}, static_cast<double>(n))));
    EXPECT_EQ(state.hooks.at("flag").item<std::int64_t>(), n);
  }
  std::string dir_;
  std::vector<std::string> warnings_;
  std::function<void(std::string_view)> warn_ = [this](std::string_view text) { warnings_.emplace_back(text); };
};

TEST_F(TrainStateTest, StateFileKeepsEveryTypeAndShape) {
  StateMap map{{"f32", torch::randn({3, 5})},
               {"f64", torch::randn({2}, torch::kFloat64)},
               {"bf16", torch::randn({4, 4}).to(torch::kBFloat16)},
               {"i64", torch::tensor(std::int64_t{-7}, torch::kInt64)},
               {"i32", torch::arange(5, torch::kInt32)},
               {"u8", torch::arange(5).to(torch::kUInt8)},
               {"bool", torch::tensor({true, false, true})},
               {"empty", torch::empty({0, 3})},
               {"a \"quoted\"/name", torch::randn({6, 2}).t()}};
  std::string path = dir_ + "/x.safetensors";
  Result<StateFileInfo> info = write_state_file(path, map);
  ASSERT_TRUE(info.ok()) << info.status().message();
  Result<StateMap> back = read_state_file(path, *info);
  ASSERT_TRUE(back.ok()) << back.status().message();
  ASSERT_EQ(back->size(), map.size());
  for (const auto& [name, tensor] : map) {
    EXPECT_EQ(back->at(name).scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(back->at(name).equal(tensor)) << name;
  }
}

TEST_F(TrainStateTest, StateFileRefusesAnyFlippedByte) {
  std::string path = dir_ + "/x.safetensors";
  StateFileInfo info = *write_state_file(path, {{"w", torch::ones({3})}});
  std::string bytes;
  {
    std::ifstream in(path, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  for (std::size_t i = 0; i <= bytes.size(); ++i) {
    std::string bad = i == bytes.size() ? bytes.substr(0, i - 1) : bytes;
    if (i < bytes.size()) bad[i] = static_cast<char>(bad[i] ^ 0x10);
    std::ofstream(path, std::ios::binary | std::ios::trunc).write(bad.data(), static_cast<std::streamsize>(bad.size()));
    EXPECT_EQ(read_state_file(path, info).status().code(), Code::kCorrupt) << i;
  }
}

TEST_F(TrainStateTest, StateFileIsNotTrustedBecauseItsChecksumAgrees) {
  // Whoever can write the manifest can make checksums agree; formats/ validates the rest (its tests have the long
  // list).
  std::string path = dir_ + "/x.safetensors";
  for (std::string header : {R"({"w":{"dtype":"F32","shape":[4],"data_offsets":[0,17]}})",
                             R"({"w":{"dtype":"F32","shape":[-4],"data_offsets":[0,16]}})",
                             R"({"w":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,16]}})",
                             R"({"w":{"dtype":"I16","shape":[8],"data_offsets":[0,16]}})", R"({"w":3})", "[", ""}) {
    std::uint64_t n = header.size();
    std::string bytes = std::string(reinterpret_cast<const char*>(&n), 8) + header + std::string(16, '\0');
    std::ofstream(path, std::ios::binary | std::ios::trunc)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    EXPECT_EQ(read_state_file(path, *state_file_info(path)).status().code(), Code::kCorrupt) << header;
  }
}

TEST_F(TrainStateTest, KeepsTheNewestTwo) {
  for (std::int64_t step : {10, 20, 30}) ASSERT_TRUE(save_train_state(dir_, state_of(step)).ok());
  EXPECT_FALSE(fs::exists(folder(10)));
  EXPECT_TRUE(fs::exists(folder(20)));
  Result<TrainState> state = load_train_state(dir_, warn_);
  ASSERT_TRUE(state.ok());
  expect_is(*state, 30);
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(TrainStateTest, NoStateIsNotFound) {
  EXPECT_FALSE(has_train_state(dir_));
  EXPECT_EQ(load_train_state(dir_, warn_).status().code(), Code::kNotFound);
  EXPECT_EQ(load_train_state(dir_ + "/nowhere", warn_).status().code(), Code::kNotFound);
}

TEST_F(TrainStateTest, DamageFallsBackToTheSaveBefore) {
  for (const char* file : {"parameters.safetensors", "optimizer.safetensors", "hooks.safetensors", "manifest.json"}) {
    for (bool remove : {true, false}) {
      ASSERT_TRUE(save_train_state(dir_, state_of(10)).ok());
      ASSERT_TRUE(save_train_state(dir_, state_of(20)).ok());
      if (remove)
        fs::remove(folder(20) / file);
      else
        fs::resize_file(folder(20) / file, fs::file_size(folder(20) / file) / 2);
      warnings_.clear();
      Result<TrainState> state = load_train_state(dir_, warn_);
      ASSERT_TRUE(state.ok()) << file;
      expect_is(*state, 10);
      EXPECT_EQ(warnings_.size(), 1u) << file;
    }
  }
}

TEST_F(TrainStateTest, AFullDiskLeavesTheLastSave) {
  ASSERT_TRUE(save_train_state(dir_, state_of(10)).ok());
  for (const char* file : {"parameters.safetensors", "optimizer.safetensors", "hooks.safetensors", "manifest.json"}) {
    // The temporary name of the file leads to the device that is always full.
    fs::create_directories(folder(20));
    fs::create_symlink("/dev/full", folder(20) / (std::string(file) + ".tmp"));
    Status status = save_train_state(dir_, state_of(20));
    EXPECT_EQ(status.code(), Code::kNoResources) << file << ": " << status.message();
    Result<TrainState> state = load_train_state(dir_, warn_);
    ASSERT_TRUE(state.ok());
    expect_is(*state, 10);
    fs::remove_all(folder(20));
  }
  ASSERT_TRUE(save_train_state(dir_, state_of(20)).ok());
  expect_is(*load_train_state(dir_, warn_), 20);
}

TEST_F(TrainStateTest, AKillAtAnyMomentLeavesAConsistentState) {
  ASSERT_TRUE(save_train_state(dir_, state_of(1)).ok());
  std::vector<TrainState> states;
  for (std::int64_t n = 2; n < 400; ++n) states.push_back(state_of(n));
  std::int64_t newest = 1;
  for (int round = 0; round < 12; ++round) {
    pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {  // copies and writes only: no libtorch threads in here
      for (const TrainState& state : states)
        if (state.step > newest && !save_train_state(dir_, state).ok()) ::_exit(1);
      ::_exit(0);
    }
    ::usleep(3000 + 1700 * static_cast<unsigned>(round));
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    Result<TrainState> state = load_train_state(dir_, warn_);
    ASSERT_TRUE(state.ok()) << state.status().message();
    EXPECT_GE(state->step, newest);
    newest = state->step;
    expect_is(*state, newest);
  }
}

}  // namespace
}  // namespace facet::train
