#include "train/drafter_graph.h"

#include <algorithm>

#include "base/atomic_file.h"
#include "model/drafter.h"
#include "train/draft_loss.h"
#include "train/trainer_test.h"

namespace facet::train {
namespace {

torch::Tensor random_tokens(std::int64_t rows, std::int64_t n, std::uint64_t seed) {
  Rng rng(seed, 3);
  torch::Tensor out = torch::empty({rows, n}, torch::kInt64);
  for (std::int64_t i = 0; i < out.numel(); ++i) out.data_ptr<std::int64_t>()[i] = 10 + rng.below(300);
  return out;
}

struct Pair {
  Graph target = Graph::initialize(tiny_model(), 1, {});
  Graph drafter = Graph::initialize(drafter_for(tiny_model(), 16, 24, 0), 2, {});
  Pair() {
    for (auto& [name, value] : target.parameters()) value.set_requires_grad(false);
  }
};

TEST(DrafterGraph, ConfigsFitTheirTargets) {
  for (const GemmaConfig& target : {tiny_e(), tiny_k_eq_v_dense(), tiny_moe(), tiny_everything(), tiny_model()}) {
    const GemmaConfig c = drafter_for(target, 32, 64, 0);
    EXPECT_TRUE(c.validate().ok()) << c.validate().message();
    EXPECT_TRUE(check_drafter(c, target).ok()) << check_drafter(c, target).message();
  }
  EXPECT_FALSE(drafter_for(tiny_e(), 32, 64, 3).validate().ok()) << "3 heads over 2 key/value heads";
}

// A guess may know what stands before the guessed token, and nothing of it or behind it.
TEST(DrafterGraph, NoStepSeesWhatItGuesses) {
  const Pair p;
  torch::NoGradGuard no_grad;
  GraphHooks hooks;
  const torch::Tensor tokens = random_tokens(1, 20, 1);
  torch::Tensor changed = tokens.clone();
  constexpr int kAt = 12, kSteps = 3;
  changed[0][kAt] = 5;
  const auto a = draft_steps(p.drafter, hooks, target_states(p.target, tokens), kSteps);
  const auto b = draft_steps(p.drafter, hooks, target_states(p.target, changed), kSteps);
  for (int i = 0; i < kSteps; ++i) {
    ASSERT_EQ(a[i].size(1), 19 - i);
    for (std::int64_t r = 0; r < a[i].size(1); ++r) {
      const bool fed = r + 1 + i >= kAt;  // the last token that it was fed
      EXPECT_EQ(torch::equal(a[i][0][r], b[i][0][r]), !fed) << i << " " << r;
    }
  }
}

// The whole run: a target that has learned its text, a drafter that learns the target, files that load.
TEST(DrafterGraph, TrainingMakesItAgreeWithItsTarget) {
  TemporaryFolder folder;
  TrainConfig config;
  config.teacher = folder / "target";
  config.train_text = folder / "train.u32";
  config.valid_text = folder / "valid.u32";
  config.output_dir = folder / "out";
  config.loss = "kl";
  config.draft_steps = 3;
  config.drafter_hidden = config.drafter_ffn = 32;
  config.context = 16;
  config.batch_size = 8;
  config.max_steps = 150;
  config.lr = 1e-2;
  config.threads = 1;
  for (auto [path, n, seed] : {std::tuple{config.train_text, 6000, 1}, {config.valid_text, 600, 2}}) {
    const TokenStream stream = tiny_stream(n, seed);
    ASSERT_TRUE(write_text_file(path, std::string(reinterpret_cast<const char*>(stream.ids.data()),
                                                  stream.ids.size() * sizeof stream.ids[0]))
                    .ok());
  }
  TrainConfig first = config;
  first.teacher.clear();
  first.draft_steps = 0;
  first.loss = "ce";
  first.model = folder / "config.json";
  ASSERT_TRUE(write_text_file(first.model, to_hf_config(tiny_model())).ok());
  ASSERT_TRUE(save_hf(folder / "tokenizer", random_checkpoint(tiny_model(), 1), tiny_tokenizer()).ok());
  first.tokenizer = folder / "tokenizer";
  first.output_dir = folder / "target_run";
  const Result<TrainSummary> target = train(first, {});
  ASSERT_TRUE(target.ok()) << target.status().message();
  config.teacher = target->model;

  const Result<TrainSummary> summary = train(config, {});
  ASSERT_TRUE(summary.ok()) << summary.status().message();
  ASSERT_TRUE(summary->agreement);
  EXPECT_GT(summary->agreement->n, 400);
  EXPECT_GT(summary->agreement->share(0), 0.7);
  EXPECT_GE(summary->agreement->share(0), summary->agreement->share(1));
  EXPECT_GT(summary->agreement->mean_length(), 2.2);
  EXPECT_LE(summary->agreement->mean_length(), 4.0);
  const Result<Checkpoint> saved = load_drafter(summary->model);
  ASSERT_TRUE(saved.ok()) << saved.status().message();
  EXPECT_TRUE(check_drafter(saved->config, load_checkpoint(config.teacher)->config).ok());

  // On from there, quantization-aware, to a file of blocks; and to the end of a longer run.
  TrainConfig next = config;
  next.init = summary->model;
  next.scheme = "q4_0";
  next.max_steps = 10;
  next.lr = 1e-3;
  next.output_dir = folder / "q4_0";
  next.drafter_hidden = 256;  // says nothing about one that exists
  const Result<TrainSummary> quantized = train(next, {});
  ASSERT_TRUE(quantized.ok()) << quantized.status().message();
  EXPECT_TRUE(quantized->deployed.ends_with(".gguf"));
  const Result<Checkpoint> blocks = load_drafter(quantized->deployed);
  ASSERT_TRUE(blocks.ok()) << blocks.status().message();
  EXPECT_EQ(blocks->main_type(), DType::kQ4_0);
  config.resume = true;
  config.max_steps = 160;
  const Result<TrainSummary> resumed = train(config, {});
  ASSERT_TRUE(resumed.ok()) << resumed.status().message();
  EXPECT_EQ(resumed->steps, 10);

  // A head in clusters, from that drafter or from nothing; half of the clusters used lose little.
  TrainConfig ordered = config;
  ordered.resume = false;
  ordered.init = resumed->model;
  ordered.centroids = 12;
  ordered.centroids_used = 6;
  ordered.max_steps = 60;
  ordered.output_dir = folder / "ordered";
  const Result<TrainSummary> clusters = train(ordered, {});
  ASSERT_TRUE(clusters.ok()) << clusters.status().message();
  EXPECT_GT(clusters->agreement->mean_length(), resumed->agreement->mean_length() - 0.1);
  const Result<Checkpoint> with_clusters = load_drafter(clusters->model), dense = load_drafter(resumed->model);
  ASSERT_TRUE(with_clusters.ok()) << with_clusters.status().message();
  EXPECT_EQ(with_clusters->config.n_clusters_used, 6);
  for (const auto& [name, tensor] : dense->tensors)
    EXPECT_TRUE(std::ranges::equal(with_clusters->tensors.at(name).bytes, tensor.bytes)) << name << " stays as it was";
  ordered.init.clear();
  ordered.max_steps = 8;
  ordered.output_dir = folder / "both";
  ordered.scheme = "q4_0";
  const Result<TrainSummary> both = train(ordered, {});
  ASSERT_TRUE(both.ok()) << both.status().message();
  EXPECT_EQ(both->steps, 2) << "a quarter of the others";
  EXPECT_TRUE(std::filesystem::exists(folder / "both/dense/best"));
  const Result<Checkpoint> deployed = load_drafter(both->deployed);
  ASSERT_TRUE(deployed.ok()) << deployed.status().message();
  EXPECT_EQ(deployed->config.n_clusters, 12);
  ordered.resume = true;
  ordered.centroid_steps = 5;
  const Result<TrainSummary> longer = train(ordered, {});
  ASSERT_TRUE(longer.ok()) << longer.status().message();
  EXPECT_EQ(longer->steps, 3);
}

TEST(DrafterGraph, RefusesWhatCannotBeTrained) {
  TemporaryFolder folder;
  ASSERT_TRUE(save_hf(folder / "target", random_checkpoint(tiny_model(), 1), tiny_tokenizer()).ok());
  ASSERT_TRUE(write_text_file(folder / "text", std::string(400, 'a')).ok());
  TrainConfig config;
  config.draft_steps = 2;
  config.loss = "kl";
  config.teacher = folder / "target";
  config.train_text = folder / "text";
  config.output_dir = folder / "out";
  config.context = 16;
  config.max_steps = 1;
  auto expect_code = [&](Code code, const std::string& word, auto&& change) {
    TrainConfig c = config;
    change(c);
    const Status status = train(c, {}).status();
    EXPECT_EQ(status.code(), code) << status.message();
    EXPECT_NE(status.message().find(word), std::string::npos) << status.message();
  };
  expect_code(Code::kInvalidArgument, "teacher", [](TrainConfig& c) { c.teacher.clear(); });
  expect_code(Code::kInvalidArgument, "model", [](TrainConfig& c) { c.model = "e2b"; });
  expect_code(Code::kInvalidArgument, "draft_steps", [](TrainConfig& c) { c.draft_steps = 16; });
  expect_code(Code::kInvalidArgument, "draft_steps", [](TrainConfig& c) { c.draft_steps = -1; });
  expect_code(Code::kInvalidArgument, "context", [](TrainConfig& c) { c.context = 4; });
  expect_code(Code::kInvalidArgument, "draft_length_share", [](TrainConfig& c) { c.draft_length_share = 1.5; });
  expect_code(Code::kInvalidArgument, "draft_overlap", [](TrainConfig& c) { c.draft_overlap = "worst"; });
  expect_code(Code::kInvalidArgument, "centroids_used", [](TrainConfig& c) { c.centroids_used = 1; });
  expect_code(Code::kInvalidArgument, "centroids", [](TrainConfig& c) { c.centroids = 7, c.draft_steps = 0; });
  expect_code(Code::kInvalidArgument, "mobile", [](TrainConfig& c) { c.scheme = "mobile"; });
  expect_code(Code::kUnsupported, "", [&](TrainConfig& c) { c.init = folder / "target"; });
  const GemmaConfig clustered = tiny_drafter(tiny_model(), 16);
  ASSERT_TRUE(save_drafter(folder / "clustered", random_checkpoint(clustered, 1), tiny_tokenizer()).ok());
  const GemmaConfig dense = tiny_drafter(tiny_model());
  ASSERT_TRUE(save_drafter(folder / "dense", random_checkpoint(dense, 1), tiny_tokenizer()).ok());
  expect_code(Code::kCorrupt, "clusters", [&](TrainConfig& c) { c.init = folder / "dense", c.centroids = 7; });
  expect_code(Code::kUnsupported, "clusters", [&](TrainConfig& c) { c.init = folder / "clustered"; });
}

}  // namespace
}  // namespace facet::train
