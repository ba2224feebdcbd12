#include "model/verify.h"

#include <gtest/gtest.h>

#include <limits>

#include "model/checkpoint_testing.h"

namespace facet::model_test {
namespace {

// Which grid the floats of a model lie on, whatever it was decoded from.
TEST(Verify, NamesTheGridOfFloats) {
  ThreadPool pool(2);
  const GemmaConfig config = tiny_e();
  for (const char* scheme : {"q4_0", "mobile"}) {
    const Checkpoint coded = encoded(random_checkpoint(config, 3), scheme, DType::kBF16);
    Checkpoint floats = coded;
    for (const TensorSpec& spec : tensor_specs(config))
      floats.set(spec.name, *encode(DType::kBF16, spec.shape, decode(coded.tensors.at(spec.name)).floats()));
    for (const TensorSpec& spec : tensor_specs(config)) {
      const DType was = coded.tensors.at(spec.name).dtype;
      EXPECT_EQ(check_tensor(coded, spec, pool)->grid.name, "") << "says nothing of codes";
      const TensorCheck check = *check_tensor(floats, spec, pool);
      EXPECT_EQ(check.n_not_finite, 0);
      if (is_float(was)) continue;
      EXPECT_EQ(check.grid.n_on, check.grid.n_groups) << spec.name;
      EXPECT_EQ(check.grid.name, info(was).name) << spec.name;
    }
  }
}

TEST(Verify, CountsWhatIsOffTheGridOrNotFinite) {
  ThreadPool pool(2);
  const GemmaConfig config = tiny_e();
  const std::string name = "layers.1.mlp.down_proj.weight";
  Checkpoint c = encoded(random_checkpoint(config, 4), "q4_0", DType::kBF16);
  Tensor values = decode(c.tensors.at(name));
  const auto n_blocks = static_cast<std::int64_t>(values.floats().size() / 32);
  values.floats()[40] *= 1.37f;
  values.floats()[200] = std::numeric_limits<float>::quiet_NaN();
  c.set(name, std::move(values));
  for (const TensorSpec& spec : tensor_specs(config)) {
    if (spec.name != name) continue;
    const TensorCheck check = *check_tensor(c, spec, pool);
    EXPECT_EQ(check.n_not_finite, 1);
    EXPECT_EQ(check.grid.name, "q4_0");
    EXPECT_EQ(check.grid.n_groups, n_blocks);
    EXPECT_EQ(check.grid.n_on, n_blocks - 2);
  }
}

}  // namespace
}  // namespace facet::model_test
