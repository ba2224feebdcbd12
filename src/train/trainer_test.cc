#include "train/trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "train/quantizers.h"
#include "train/train_state.h"
#include "train/trainer_test.h"

namespace facet::train {
namespace {

namespace fs = std::filesystem;

// The progress of every step.
std::vector<TrainProgress> run_all(const TrainConfig& config, TrainParts parts) {
  std::vector<TrainProgress> steps;
  Result<TrainSummary> r =
      run_training(config, std::move(parts), {.progress = [&](const TrainProgress& p) { steps.push_back(p); }});
  EXPECT_TRUE(r.ok()) << r.status().message();
  return steps;
}

// The parameters, moments and hook state that a run left behind.
TrainState final_state(const TrainConfig& config) {
  Result<TrainState> state = load_train_state(config.output_dir + "/state", nullptr);
  EXPECT_TRUE(state.ok()) << state.status().message();
  return *std::move(state);
}

void expect_same_bits(const StateMap& a, const StateMap& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, tensor] : a) {
    ASSERT_TRUE(b.count(name)) << name;
    EXPECT_TRUE(tensor.equal(b.at(name))) << name;
  }
}

// Multiplies one matrix by a learned factor from step 12 on, after a calibration that observes its scale: a quantizer's
// whole life in miniature.
class StagedHooks : public FloatHooks {
 public:
  StagedHooks() {
    group_.push_back({.name = "factor", .parameters = {{"factor", factor_}}, .lr = 1e-2, .active = false});
  }
  torch::Tensor weight(const std::string& name, const torch::Tensor& w) override {
    if (name != "layers.0.mlp.up_proj.weight") return w;
    if (observing_) seen_ += w.detach().abs().max();
    return on_ && calibrated_ ? w * torch::exp(factor_) : w;
  }
  void begin_step(const StepInfo& info) override {
    on_ = info.step >= 12;
    group_[0].active = on_;
  }
  bool needs_calibration() const override { return on_ && !calibrated_; }
  void observe(bool on) override { observing_ = on; }
  Status finish_calibration() override {
    torch::NoGradGuard no_grad;
    factor_.copy_(seen_ * 0.01);
    calibrated_ = true;
    return {};
  }
  std::vector<ParameterGroup>& groups() override { return group_; }
  int stage() const override { return on_; }
  void save_state(StateMap& state) const override {
    state["factor"] = factor_;
    state["seen"] = seen_;
    state["calibrated"] = torch::tensor(calibrated_);
  }
  Status load_state(const StateMap& state) override {
    torch::NoGradGuard no_grad;
    factor_.copy_(state.at("factor"));
    seen_ = state.at("seen").clone();
    calibrated_ = state.at("calibrated").item<bool>();
    return {};
  }

 private:
  torch::Tensor factor_ = torch::zeros({}).set_requires_grad(true), seen_ = torch::zeros({});
  std::vector<ParameterGroup> group_;
  bool on_ = false, calibrated_ = false, observing_ = false;
};

TEST(Trainer, LearnsAndLeavesItsFiles) {
  TemporaryFolder folder;
  TrainConfig config = tiny_config(folder);
  config.max_steps = 60;
  config.eval_every = 20;
  config.save_every = 30;
  std::vector<TrainProgress> steps;
  std::vector<Validation> validations;
  TrainParts parts = tiny_parts(config);
  parts.beside.chat_template = "{{ '<|turn>' }}";
  Result<TrainSummary> summary = run_training(config, std::move(parts),
                                              {.progress = [&](const TrainProgress& p) { steps.push_back(p); },
                                               .validation = [&](const Validation& v) { validations.push_back(v); }});
  ASSERT_TRUE(summary.ok()) << summary.status().message();
  ASSERT_EQ(steps.size(), 60u);
  EXPECT_NEAR(steps[0].ce, std::log(384.0), 1.0);  // fresh logits are not quite flat
  EXPECT_LT(steps[59].ce, steps[0].ce - 1.5);
  EXPECT_EQ(summary->tokens, 60 * 4 * 16);
  ASSERT_EQ(validations.size(), 3u);
  EXPECT_EQ(validations[0].n_tokens, 8 * 16);
  EXPECT_NEAR(validations[2].ppl, std::exp(validations[2].ce), 1e-9);
  EXPECT_EQ(summary->model, config.output_dir + "/best");

  for (const char* name : {"best", "last"}) {
    Result<Checkpoint> checkpoint = load_checkpoint(config.output_dir + "/" + name);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
    EXPECT_EQ(checkpoint->config, tiny_model());
    Result<Tokenizer> tokenizer = load_tokenizer(config.output_dir + "/" + name);
    ASSERT_TRUE(tokenizer.ok());
    EXPECT_EQ(*tokenizer, tiny_tokenizer());
    EXPECT_EQ(load_companions(config.output_dir + "/" + name)->chat_template, "{{ '<|turn>' }}");
  }
  TrainConfig effective;
  ASSERT_TRUE(load_train_config(config.output_dir + "/train_config.json", effective).ok());
  EXPECT_TRUE(changed_fields(config, effective).empty());

  std::ifstream log(config.output_dir + "/log.jsonl");
  std::map<std::string, int> events;
  for (std::string line; std::getline(log, line);) ++events[nlohmann::json::parse(line).at("event")];
  EXPECT_EQ(events["step"], 60);
  EXPECT_EQ(events["validation"], 3);
  EXPECT_EQ(events["save"], 2);
  EXPECT_EQ(events["end"], 1);
  for (const auto& entry : fs::recursive_directory_iterator(config.output_dir))
    EXPECT_EQ(entry.path().string().find(".tmp"), std::string::npos) << entry.path();
}

TEST(Trainer, TheSavedModelHasTheValidationLossItClaims) {
  TemporaryFolder folder;
  TrainConfig config = tiny_config(folder);
  Result<TrainSummary> summary = run_training(config, tiny_parts(config), {});
  ASSERT_TRUE(summary.ok()) << summary.status().message();
  // A run of one step at learning rate 0 validates the loaded weights.
  Result<Checkpoint> best = load_checkpoint(summary->model);
  ASSERT_TRUE(best.ok()) << best.status().message();
  TrainConfig again = config;
  again.output_dir = folder / "again";
  again.max_steps = 1;
  again.lr = 0;
  TrainParts parts = tiny_parts(config);
  parts.student = *Graph::from_checkpoint(*best, {});
  Result<TrainSummary> check = run_training(again, std::move(parts), {});
  ASSERT_TRUE(check.ok()) << check.status().message();
  EXPECT_EQ(check->last->ce, summary->best->ce);
}

TEST(Trainer, MicroBatchesAddUpToOneBigBatch) {
  TemporaryFolder folder;
  TrainConfig one = tiny_config(folder), four = tiny_config(folder);
  one.output_dir = folder / "one";
  four.output_dir = folder / "four";
  four.batch_size = 1;
  four.grad_accum = 4;
  std::vector<TrainProgress> a = run_all(one, tiny_parts(one)), b = run_all(four, tiny_parts(four));
  ASSERT_EQ(a.size(), b.size());
  // Later steps amplify the rounding of the first: training is chaotic at this learning rate.
  for (std::size_t i = 0; i < 8; ++i) EXPECT_NEAR(a[i].loss, b[i].loss, 1e-4 * a[i].loss) << i;
  EXPECT_NEAR(a[0].loss, a[0].ce, 1e-5);
}

TEST(Trainer, StudentEqualToItsTeacherHasNothingToLearn) {
  TemporaryFolder folder;
  TrainConfig config = tiny_config(folder);
  config.loss = "kl";
  config.teacher = "tiny";
  config.max_steps = 2;
  TrainParts parts = tiny_parts(config);
  parts.teacher = Graph::initialize(tiny_model(), config.seed, {});
  std::vector<TrainProgress> steps = run_all(config, std::move(parts));
  EXPECT_NEAR(steps[0].loss, 0, 1e-7);
  EXPECT_EQ(*steps[0].kl, steps[0].loss);
  EXPECT_NEAR(steps[0].grad_norm, 0, 1e-5);

  TemporaryFolder other;  // with some weight on the labels there is: they are not the teacher's words
  config.output_dir = other / "out";
  config.label_weight = 0.25;
  parts = tiny_parts(config);
  parts.teacher = Graph::initialize(tiny_model(), config.seed, {});
  steps = run_all(config, std::move(parts));
  EXPECT_NEAR(steps[0].loss, 0.25 * steps[0].ce, 1e-5);
  EXPECT_GT(steps[0].grad_norm, 1e-3);
}

TEST(Trainer, DistillationBringsTheStudentToItsTeacher) {
  TemporaryFolder folder;
  TrainConfig config = tiny_config(folder);
  config.loss = "kl";
  config.teacher = "tiny";
  config.max_steps = 40;
  TrainParts parts = tiny_parts(config);
  parts.teacher = Graph::initialize(tiny_model(), config.seed + 1, {});
  // A teacher with something to say: fresh weights are almost uniform.
  for (auto& [name, value] : parts.teacher->parameters()) {
    torch::NoGradGuard no_grad;
    if (name.find("embed_tokens.weight") != std::string::npos) value.mul_(3);
  }
  std::vector<TrainProgress> steps = run_all(config, std::move(parts));
  EXPECT_LT(*steps.back().kl, 0.8 * *steps.front().kl);
}

// 20 steps, and 10 steps, a stop and 10 more: every bit of weights, moments and hooks agrees.
void expect_resume_is_exact(const std::function<TrainParts(const TrainConfig&)>& make, TrainConfig config,
                            const TemporaryFolder& folder) {
  TrainConfig whole = config, cut = config;
  whole.output_dir = folder / "whole";
  cut.output_dir = folder / "cut";
  std::vector<TrainProgress> a = run_all(whole, make(whole)), b;
  std::atomic<bool> cancel = false;
  auto stop_at_10 = [&](const TrainProgress& p) {
    b.push_back(p);
    cancel = p.step == 10;
  };
  Result<TrainSummary> stopped = run_training(cut, make(cut), {.progress = stop_at_10, .cancel = &cancel});
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.status().code(), Code::kCancelled) << stopped.status().message();
  EXPECT_EQ(final_state(cut).step, 10);
  cut.resume = true;
  cancel = false;
  Result<TrainSummary> rest = run_training(cut, make(cut), {.progress = stop_at_10, .cancel = &cancel});
  ASSERT_TRUE(rest.ok()) << rest.status().message();
  EXPECT_EQ(rest->steps, 10);

  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i].loss, b[i].loss) << i;
  TrainState x = final_state(whole), y = final_state(cut);
  expect_same_bits(x.parameters, y.parameters);
  expect_same_bits(x.optimizer, y.optimizer);
  expect_same_bits(x.hooks, y.hooks);
  EXPECT_EQ(x.best_step, y.best_step);
  EXPECT_EQ(x.best_score, y.best_score);
}

TEST(Trainer, ResumeIsExactForTheFloatGraph) {
  TemporaryFolder folder;
  TrainConfig config = tiny_config(folder);
  config.save_every = 0;
  config.weight_decay = 0.1;
  expect_resume_is_exact([](const TrainConfig& c) { return tiny_parts(c); }, config, folder);
}

TEST(Trainer, ResumeIsExactAcrossAStageSwitch) {
  TemporaryFolder folder;
  TrainConfig config = tiny_config(folder);
  auto make = [](const TrainConfig& c) {
    TrainParts parts = tiny_parts(c);
    parts.hooks = std::make_unique<StagedHooks>();
    return parts;
  };
  expect_resume_is_exact(make, config, folder);
}

TEST(Trainer, ResumeIsExactForQuantizers) {
  for (const char* scheme : {"q4_0", "mobile"}) {
    TemporaryFolder folder;
    TrainConfig config = tiny_config(folder);
    config.scheme = scheme;
    config.loss = "kl";
    config.teacher = "tiny";
    config.qat.act_start = 0.6;  // step 12
    config.qat.kv_start = 0.7;
    config.qat.calibration_windows = 4;
    config.qat.dampening = 0.3;
    config.qat.anchor = 5.0;
    ASSERT_TRUE(validate(config).ok());
    config.eval_every = config.save_every = 0;
    auto make = [](const TrainConfig& c) {
      int unit = c.scheme == "q4_0" ? 32 : 8;  // blocks of 32 want rows of 32
      TrainParts parts = tiny_parts(c, unit);
      parts.teacher = Graph::initialize(tiny_model(unit), c.seed, {});
      Result<std::unique_ptr<TrainHooks>> hooks = make_hooks(c, parts.student);
      EXPECT_TRUE(hooks.ok()) << hooks.status().message();
      parts.hooks = *std::move(hooks);
      return parts;
    };
    expect_resume_is_exact(make, config, folder);
  }
}

TEST(Trainer, BestStartsAfreshInEachStage) {
  TemporaryFolder folder;
  TrainConfig config = tiny_config(folder);
  config.lr = 0;  // scores stay what they are, and the stage's factor makes the model worse or better
  TrainParts parts = tiny_parts(config);
  parts.hooks = std::make_unique<StagedHooks>();
  std::vector<Validation> validations;
  Result<TrainSummary> r =
      run_training(config, std::move(parts), {.validation = [&](const Validation& v) { validations.push_back(v); }});
  ASSERT_TRUE(r.ok()) << r.status().message();
  ASSERT_EQ(validations.size(), 4u);  // steps 5, 10, 15, 20
  EXPECT_TRUE(validations[0].best);
  EXPECT_FALSE(validations[1].best);
  EXPECT_TRUE(validations[2].best);
  EXPECT_EQ(r->best->stage, 1);
}

// Breaks the gradient (or the loss) of chosen steps.
class BrokenHooks : public FloatHooks {
 public:
  BrokenHooks(std::int64_t first, std::int64_t last, bool loss) : first_(first), last_(last), loss_(loss) {}
  void begin_step(const StepInfo& info) override { bad_ = info.step >= first_ && info.step <= last_; }
  torch::Tensor weight(const std::string&, const torch::Tensor& w) override {
    if (!bad_) return w;
    if (loss_) return w * std::numeric_limits<float>::quiet_NaN();
    torch::Tensor out = w * 1;
    if (out.requires_grad())
      out.register_hook([](const torch::Tensor& g) { return g * std::numeric_limits<float>::infinity(); });
    return out;
  }

 private:
  std::int64_t first_, last_;
  bool loss_, bad_ = false;
};

TEST(Trainer, OneBadGradientIsSkippedTwoEndTheRun) {
  for (bool two : {false, true}) {
    TemporaryFolder folder;
    TrainConfig config = tiny_config(folder);
    config.eval_every = 0;
    TrainParts parts = tiny_parts(config);
    parts.hooks = std::make_unique<BrokenHooks>(7, two ? 8 : 7, false);
    std::string said;
    Result<TrainSummary> r =
        run_training(config, std::move(parts), {.message = [&](std::string_view text) { said += text; }});
    EXPECT_NE(said.find("step 7: the gradient is not finite; skipped"), std::string::npos) << said;
    EXPECT_EQ(r.ok(), !two);
    if (!two) continue;
    EXPECT_EQ(r.status().code(), Code::kInternal);
    EXPECT_NE(r.status().message().find("step 8"), std::string::npos) << r.status().message();
    EXPECT_EQ(final_state(config).step, 5);
  }
}

TEST(Trainer, NanLossEndsTheRunAndNamesTheStep) {
  TemporaryFolder folder;
  TrainConfig config = tiny_config(folder);
  TrainParts parts = tiny_parts(config);
  parts.hooks = std::make_unique<BrokenHooks>(6, 6, true);
  Result<TrainSummary> r = run_training(config, std::move(parts), {});
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.status().code(), Code::kInternal);
  EXPECT_EQ(r.status().message().rfind("step 6: the loss is", 0), 0u) << r.status().message();
  EXPECT_EQ(final_state(config).step, 5);
  EXPECT_TRUE(load_checkpoint(config.output_dir + "/last").ok());
}

TEST(Trainer, AFullDiskEndsTheRunAndLeavesTheLastSave) {
  TemporaryFolder folder;
  TrainConfig config = tiny_config(folder);
  // The disk fills up between the save of step 5 and that of step 10.
  auto fill = [&](const TrainProgress& p) {
    if (p.step != 7) return;
    fs::create_directories(config.output_dir + "/state/step-00000010");
    fs::create_symlink("/dev/full", config.output_dir + "/state/step-00000010/optimizer.safetensors.tmp");
  };
  Result<TrainSummary> r = run_training(config, tiny_parts(config), {.progress = fill});
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.status().code(), Code::kNoResources) << r.status().message();
  EXPECT_EQ(final_state(config).step, 5);
  EXPECT_TRUE(load_checkpoint(config.output_dir + "/last").ok());
}

TEST(Trainer, FrozenTensorsStayAndTheOthersMove) {
  TemporaryFolder folder;
  TrainConfig config = tiny_config(folder);
  config.embedding_lr = 0;
  config.freeze = {"layers\\.1\\.mlp"};
  config.max_steps = 3;
  std::map<std::string, torch::Tensor> before;
  TrainParts parts = tiny_parts(config);
  for (const auto& [name, value] : parts.student.parameters()) before[name] = value.detach().clone();
  run_all(config, std::move(parts));
  for (const auto& [name, value] : final_state(config).parameters) {
    bool frozen =
        name.find("embed_tokens.weight") != std::string::npos || name.find("layers.1.mlp") != std::string::npos;
    EXPECT_EQ(value.equal(before.at(name)), frozen) << name;
  }
}

TEST(Trainer, RefusesWhatCannotBeTrained) {
  auto refuse = [](auto change, const std::string& part) {
    TemporaryFolder folder;
    TrainConfig config = tiny_config(folder);
    TrainParts parts = tiny_parts(config);
    change(config, parts);
    Result<TrainSummary> r = run_training(config, std::move(parts), {});
    ASSERT_FALSE(r.ok()) << part;
    EXPECT_EQ(r.status().code(), Code::kInvalidArgument) << r.status().message();
    EXPECT_NE(r.status().message().find(part), std::string::npos) << r.status().message();
  };
  refuse([](TrainConfig&, TrainParts& p) { p.train_tokens = tiny_stream(10, 1); },
         "10 tokens are fewer than one context of 16");
  refuse([](TrainConfig&, TrainParts& p) { p.valid_tokens = tiny_stream(10, 1); }, "valid.txt: 10 tokens");
  refuse([](TrainConfig& c, TrainParts&) { c.context = 1000; }, "512 positions");
  refuse([](TrainConfig& c, TrainParts&) { c.freeze = {"("}; }, "no regular expression");
  refuse([](TrainConfig& c, TrainParts&) { c.freeze = {"."}; }, "nothing to train");
  refuse(
      [](TrainConfig&, TrainParts& p) {
        GemmaConfig other = tiny_model();
        other.vocab_size = 416;
        p.teacher = Graph::initialize(other, 1, {});
      },
      "the teacher has a vocabulary of 416, the student of 384");
  refuse(
      [](TrainConfig&, TrainParts& p) {
        GemmaConfig small = tiny_model();
        small.vocab_size = 256;
        p.student = Graph::initialize(small, 1, {});
      },
      "the tokenizer has");
}

TEST(Trainer, DoesNotRunOverASavedRun) {
  TemporaryFolder folder;
  TrainConfig config = tiny_config(folder);
  config.max_steps = 5;
  run_all(config, tiny_parts(config));
  auto code = [&](auto change) {
    TrainConfig next = config;
    change(next);
    Result<TrainSummary> r = run_training(next, tiny_parts(next), {});
    return r.ok() ? Code::kOk : r.status().code();
  };
  EXPECT_EQ(code([](TrainConfig&) {}), Code::kInvalidArgument);
  EXPECT_EQ(code([](TrainConfig& c) { c.resume = true, c.seed = 9; }), Code::kInvalidArgument);
  EXPECT_EQ(code([](TrainConfig& c) { c.resume = true, c.batch_size = 3; }), Code::kInvalidArgument);
  EXPECT_EQ(code([&](TrainConfig& c) { c.resume = true, c.output_dir = folder / "empty"; }), Code::kNotFound);
  EXPECT_EQ(code([](TrainConfig& c) { c.resume = true, c.max_steps = 8; }), Code::kOk);
  EXPECT_EQ(final_state(config).step, 8);
  EXPECT_EQ(code([](TrainConfig& c) { c.overwrite = true; }), Code::kOk);
  EXPECT_EQ(final_state(config).step, 5);
}

TEST(RunLog, ProgressLineReadsAsPromised) {
  TrainProgress p{.step = 120, .total_steps = 2000, .loss = 1.8321, .kl = 0.0123, .lr = 1e-3};
  p.tokens_per_second = 410.4;
  p.peak_rss_bytes = 900'000'000;
  p.eta_seconds = 2530;
  EXPECT_EQ(format_progress(p), "step 120/2000 loss 1.832 kl 0.0123 lr 1.00e-03 tok/s 410 rss 0.9 GB eta 00:42:10");
  Validation v{.step = 200, .ce = 3.7612, .ppl = 43.0, .kl = 0.0031, .top1_agreement = 0.953, .best = true};
  EXPECT_EQ(format_validation(v), "valid step 200 ce 3.7612 ppl 43 kl 0.0031 top1 95.3% (best)");
}

}  // namespace
}  // namespace facet::train
