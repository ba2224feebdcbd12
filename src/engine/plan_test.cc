#include "engine/plan.h"

#include "engine/drafter.h"
#include "engine/engine_testing.h"
#include "engine/kv_cache.h"
#include "model/drafter.h"

namespace facet::engine_test {
namespace {

std::uint64_t bytes_of_role(const Model& model, auto&& wanted) {
  std::uint64_t bytes = 0;
  for (const TensorSpec& spec : tensor_specs(model.config())) {
    const TensorView& t = model.checkpoint().tensors.at(spec.name);
    if (wanted(spec)) bytes += t.bytes.size() + t.row_scales.size_bytes();
  }
  return bytes;
}

// A token reads every matrix once, but of tables one row and of experts the chosen ones.
TEST(Plan, WeightBytesPerTokenAreThoseOfTheFile) {
  FACET_FOR_EACH_TINY(tiny) {
    auto model = Model::bind(random_checkpoint(tiny.config, 1));
    ASSERT_TRUE(model.ok()) << model.status().message();
    const GemmaConfig& c = tiny.config;
    auto is_expert = [](Role r) { return r == Role::kExpertsGateUp || r == Role::kExpertsDown; };
    std::uint64_t expected = bytes_of_role(
        *model, [&](const TensorSpec& s) { return s.is_matrix && s.role != Role::kPleTable && !is_expert(s.role); });
    expected += bytes_of_role(*model, [&](const TensorSpec& s) { return s.role == Role::kPleTable; }) / c.vocab_size;
    expected += bytes_of_role(*model, [&](const TensorSpec& s) { return s.role == Role::kEmbedding; }) / c.vocab_size;
    if (c.has_moe())
      expected += bytes_of_role(*model, [&](const TensorSpec& s) { return is_expert(s.role); }) / c.n_experts *
                  c.n_experts_used;
    EXPECT_EQ(weight_bytes_per_token(*model), expected);
  }
}

TEST(Plan, CacheBytesPerTokenStopGrowingAtTheWindow) {
  auto model = Model::bind(random_checkpoint(tiny_e(8), 1));
  ASSERT_TRUE(model.ok()) << model.status().message();
  const GemmaConfig& c = model->config();
  SessionOptions options{.context = 64, .kv = KvType::kF16};
  std::uint64_t sliding = 0, global = 0;  // bytes of a position that all layers read
  for (int l = 0; l < c.n_layers(); ++l)
    (c.is_global(l) ? global : sliding) += std::uint64_t(c.n_kv_heads_of(l) * c.head_size_of(l) * 2 * 2);
  EXPECT_EQ(cache_bytes_per_token(*model, options, 0), sliding + global);
  EXPECT_EQ(cache_bytes_per_token(*model, options, 63), sliding * c.sliding_window + global * 64);
}

TEST(Plan, EveryByteOfTheFileIsSomewhere) {
  FACET_FOR_EACH_TINY(tiny) {
    auto model = Model::bind(random_checkpoint(tiny.config, 1));
    ASSERT_TRUE(model.ok()) << model.status().message();
    ThreadPool pool(1);
    Session session = *Session::create(*model, pool, {.context = 64, .max_batch = 8});
    const MemoryPlan plan = plan_memory(session);
    EXPECT_EQ(plan.weights + plan.experts + plan.tables + plan.vectors, model->checkpoint().byte_size());
    EXPECT_EQ(plan.cache, session.cache_bytes());
    EXPECT_GT(plan.buffers, 8u * tiny.config.hidden_size * sizeof(float) * 3);
    // A longer context needs a larger cache, and nothing else.
    Session longer = *Session::create(*model, pool, {.context = 256, .max_batch = 8});
    const MemoryPlan more = plan_memory(longer);
    EXPECT_GT(more.cache, plan.cache);
    EXPECT_EQ(more.resident() - more.cache, plan.resident() - plan.cache);
  }
}

TEST(Plan, ADrafterAddsAllOfItsFileAndWhatItsDraftsTake) {
  const Model model = *Model::bind(random_checkpoint(tiny_e(8), 1));
  ThreadPool pool(1);
  Session session = *Session::create(model, pool, {.context = 64, .max_batch = 8});
  const MemoryPlan alone = plan_memory(session);
  const std::uint64_t row = 384 * sizeof(float);
  for (int n_clusters : {0, 16}) {
    SCOPED_TRACE(n_clusters);
    Checkpoint checkpoint = random_checkpoint(tiny_drafter(tiny_e(8), n_clusters, 8), 2);
    checkpoint.token_ordering = random_token_ordering(checkpoint.config, 2);
    const Model drafter_model = *Model::bind(checkpoint);
    const Drafter drafter = *Drafter::create(drafter_model, session);
    const MemoryPlan one = plan_memory(drafter, 1), seven = plan_memory(drafter, 7);
    const std::uint64_t ordering = n_clusters > 0 ? 384 * sizeof(int) : 0;
    EXPECT_EQ(one.weights + one.vectors, checkpoint.byte_size() + ordering);
    EXPECT_GE(one.weights, byte_size(drafter_model.head()) + byte_size(drafter_model.centroids()));
    EXPECT_GE(one.weights, drafter.weight_bytes_per_step());
    EXPECT_EQ(one.buffers + row, drafter.buffer_bytes());
    EXPECT_EQ(one.logits, 2 * row);
    EXPECT_EQ(seven.resident() - one.resident(), 6 * row);
    EXPECT_EQ(one.cache + one.program + one.tables + one.experts, 0u);
    const MemoryPlan sum = alone + seven;
    EXPECT_EQ(sum.resident(), alone.resident() + seven.resident());
    EXPECT_EQ(sum.tables, alone.tables);
    EXPECT_TRUE(check_memory(sum, sum.resident()).ok());
    EXPECT_EQ(check_memory(sum, sum.resident() - 1).code(), Code::kNoResources);
  }
}

TEST(Plan, TheLimitIsCheckedWithTheNumbers) {
  MemoryPlan plan;
  plan.weights = 900'000'000;
  plan.cache = 200'000'000;
  EXPECT_TRUE(check_memory(plan, 0).ok());
  EXPECT_TRUE(check_memory(plan, plan.resident()).ok());
  const Status refused = check_memory(plan, 1'000'000'000);
  EXPECT_EQ(refused.code(), Code::kNoResources);
  EXPECT_NE(refused.message().find("1100 MB, the limit is 1000 MB (weights 900 MB, cache 200 MB"), std::string::npos)
      << refused.message();
}

}  // namespace
}  // namespace facet::engine_test
