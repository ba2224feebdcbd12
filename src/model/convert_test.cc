// Conversions: every form out of every other and back, and what they say of weights that lie on no grid.
#include "model/convert.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/half.h"
#include "model/checkpoint_testing.h"

namespace facet::model_test {
namespace {

constexpr ConvertTarget kAll[] = {ConvertTarget::kQ4_0Gguf, ConvertTarget::kBF16Gguf, ConvertTarget::kMobile,
                                  ConvertTarget::kW4A16, ConvertTarget::kHf};

// Linears as compressed-tensors has them, tables as bf16.
Checkpoint packed(const Checkpoint& c, int group) {
  Checkpoint out = c;
  for (const TensorSpec& spec : tensor_specs(c.config)) {
    const Tensor values = decode(c.tensors.at(spec.name));
    if (!is_linear(spec.role) || spec.role == Role::kHead) {
      out.set(spec.name, *encode(DType::kBF16, spec.shape, values.floats()));
      continue;
    }
    std::vector<float> scales(values.floats().size() / static_cast<std::size_t>(group));
    for (std::size_t g = 0; g < scales.size(); ++g) {
      float absmax = 0;
      for (float v : values.floats().subspan(g * group, group)) absmax = std::max(absmax, std::abs(v));
      scales[g] = to_float(to_bfloat16(absmax / 7.5f));
    }
    out.set(spec.name, *encode_rows(DType::kI4Row, spec.shape, values.floats(), scales));
  }
  return out;
}

class Convert : public CheckpointTest {
 protected:
  ThreadPool pool_{2};
  ConvertReport report_;

  std::string file(const std::string& name, ConvertTarget target) const {
    return path(name) + (is_gguf(target) ? ".gguf" : "");
  }
  Status try_convert(const std::string& from, ConvertTarget target, const std::string& to, bool allow_ptq = false) {
    FACET_ASSIGN(const Checkpoint source, load_checkpoint(from));
    return try_convert(source, target, to, allow_ptq);
  }
  Status try_convert(const Checkpoint& source, ConvertTarget target, const std::string& to, bool allow_ptq = false) {
    ConvertOptions options;
    options.allow_ptq = allow_ptq;
    FACET_ASSIGN(Conversion conversion, Conversion::create(source, target, options, pool_));
    const Status status = save_checkpoint(to, conversion.outline(), tiny_tokenizer(), conversion.stream());
    report_ = conversion.report();
    return status;
  }
  std::string convert(const std::string& from, ConvertTarget target, const std::string& name) {
    const std::string to = file(name, target);
    const Status status = try_convert(from, target, to);
    EXPECT_TRUE(status.ok()) << from << " to " << name_of(target) << ": " << status.message();
    return to;
  }
  void expect_same_bytes(const std::string& a, const std::string& b) {
    if (a.ends_with(".gguf"))
      EXPECT_EQ(read_all(a), read_all(b)) << a << " " << b;
    else
      expect_same_folders(a, b);
  }
};

// Floats on the grid of a form -> that form -> floats -> that form: the second pass gives the bytes of the first.
TEST_F(Convert, ThereAndBackOnEachGrid) {
  int n = 0;
  for (const NamedConfig& tiny : tiny_configs())
    for (ConvertTarget target : {ConvertTarget::kQ4_0Gguf, ConvertTarget::kMobile, ConvertTarget::kW4A16}) {
      SCOPED_TRACE(tiny.name + " " + std::string(name_of(target)));
      if (target == ConvertTarget::kW4A16 && tiny.config.has_moe()) continue;
      const Checkpoint floats = random_checkpoint(tiny.config, 5);
      const Checkpoint grid = target == ConvertTarget::kW4A16
                                  ? packed(floats, 32)
                                  : encoded(floats, target == ConvertTarget::kMobile ? "mobile" : "q4_0", DType::kBF16);
      const std::string name = "t" + std::to_string(n++) + "_", hf = path(name + "hf");
      ASSERT_TRUE(try_convert(grid, ConvertTarget::kHf, hf).ok());
      const std::string first = convert(hf, target, name + "1");
      EXPECT_GT(report_.n_groups, 0);
      EXPECT_EQ(report_.n_off, 0);
      const std::string hf_again = convert(first, ConvertTarget::kHf, name + "hf2");
      const std::string second = convert(hf_again, target, name + "2");
      expect_same_bytes(hf_again, convert(second, ConvertTarget::kHf, name + "hf3"));
      expect_same_bytes(first, second);

      // Value for value: the codes are those that were planted, and the floats are the same numbers.
      const Checkpoint a = *load_checkpoint(hf), b = *load_checkpoint(hf_again), c = *load_checkpoint(first);
      for (const TensorSpec& spec : tensor_specs(tiny.config)) {
        const Tensor x = decode(a.tensors.at(spec.name)), y = decode(b.tensors.at(spec.name));
        EXPECT_TRUE(std::ranges::equal(x.floats(), y.floats())) << spec.name;
        const TensorView& was = grid.tensors.at(spec.name);
        EXPECT_EQ(is_float(was.dtype), is_float(c.tensors.at(spec.name).dtype)) << spec.name;
        if (!has_row_scales(was.dtype)) continue;
        EXPECT_TRUE(std::ranges::equal(was.bytes, c.tensors.at(spec.name).bytes)) << spec.name << ": codes";
      }
    }
}

// From each form to each other one that can hold it exactly, and back.
TEST_F(Convert, EveryPair) {
  const GemmaConfig config = tiny_e();
  // Scales of few bits and tables on the grid: weights that every form can hold but for mobile rows.
  const Checkpoint blocks = encoded(random_checkpoint(config, 6), "q4_0", DType::kBF16);
  Checkpoint grid = blocks;
  for (const TensorSpec& spec : tensor_specs(config)) {
    if (blocks.tensors.at(spec.name).dtype != DType::kQ4_0) continue;
    const Tensor values = decode(blocks.tensors.at(spec.name));
    std::vector<float> scales(values.floats().size() / 32);
    for (std::size_t b = 0; b < scales.size(); ++b) {
      float absmax = 0;
      for (float v : values.floats().subspan(32 * b, 32)) absmax = std::max(absmax, std::abs(v));
      scales[b] = to_float(to_bfloat16(absmax / 7.5f));
    }
    grid.set(spec.name, *encode_q4_0_with_scales(spec.shape, values.floats(), scales));
  }
  ASSERT_TRUE(try_convert(grid, ConvertTarget::kQ4_0Gguf, path("start.gguf")).ok());
  std::map<ConvertTarget, std::string> made;
  for (ConvertTarget to : kAll)
    if (to != ConvertTarget::kMobile)
      made[to] = convert(path("start.gguf"), to, "from_start_" + std::string(name_of(to)));
  for (auto [from, source] : made)
    for (auto [to, expected] : made) {
      SCOPED_TRACE(std::string(name_of(from)) + " to " + std::string(name_of(to)));
      const std::string name = "pair_" + std::string(name_of(from)) + "_" + std::string(name_of(to));
      expect_same_bytes(expected, convert(source, to, name));
    }
  // Mobile rows: with the floats on their grid.
  ASSERT_TRUE(
      try_convert(encoded(random_checkpoint(config, 7), "mobile", DType::kBF16), ConvertTarget::kMobile, path("m"))
          .ok());
  expect_same_bytes(path("m"), convert(path("m"), ConvertTarget::kMobile, "m_again"));  // activation scales included
  const std::string hf = convert(path("m"), ConvertTarget::kHf, "m_hf"),
                    gguf = convert(path("m"), ConvertTarget::kBF16Gguf, "m_bf16");
  expect_same_bytes(convert(hf, ConvertTarget::kMobile, "m_from_hf"),
                    convert(gguf, ConvertTarget::kMobile, "m_from_gguf"));
}

TEST_F(Convert, OffTheGridIsCountedAndNamed) {
  const Checkpoint grid = encoded(random_checkpoint(tiny_e(), 8), "q4_0", DType::kBF16);
  ASSERT_TRUE(try_convert(grid, ConvertTarget::kHf, path("hf")).ok());
  StoredItems items = read_items(path("hf"));
  StoredItem& noisy = items.at("model.layers.3.mlp.up_proj.weight");
  const std::size_t columns = static_cast<std::size_t>(noisy.shape[1]), at = 5 * columns + 33;
  const BFloat16 value = to_bfloat16(0.0123f);
  std::memcpy(noisy.bytes.data() + 2 * at, &value, sizeof value);
  write_items(path("hf") + "/model.safetensors", items);

  const Status status = try_convert(path("hf"), ConvertTarget::kQ4_0Gguf, path("out.gguf"));
  expect_refused(status, Code::kGateFailed,
                 {"layers.3.mlp.up_proj.weight", "row 5", "column 32", "1 of", "--allow-ptq"}, "noise");
  EXPECT_FALSE(fs::exists(path("out.gguf")));
  ASSERT_TRUE(try_convert(path("hf"), ConvertTarget::kQ4_0Gguf, path("out.gguf"), /*allow_ptq=*/true).ok());
  EXPECT_EQ(report_.n_off, 1);
  ASSERT_EQ(report_.off_grid.size(), 1u);
  EXPECT_EQ(report_.off_grid[0].row, 5);
  // Everything else came back as it was.
  const Checkpoint back = *load_checkpoint(path("out.gguf"));
  for (const auto& [name, t] : grid.tensors) {
    if (t.dtype != DType::kQ4_0) continue;
    std::size_t different = 0;
    for (std::size_t b = 0; b < t.bytes.size(); b += 18) {
      const bool codes =
          !std::equal(t.bytes.begin() + b + 2, t.bytes.begin() + b + 18, back.tensors.at(name).bytes.begin() + b + 2);
      different += codes;
    }
    EXPECT_LE(different, name == "layers.3.mlp.up_proj.weight" ? 1u : 0u) << name;
  }
}

TEST_F(Convert, PlainFloatsAreRefused) {
  const Checkpoint floats = encoded(random_checkpoint(tiny_e(), 9), "none", DType::kBF16);
  for (ConvertTarget target : {ConvertTarget::kQ4_0Gguf, ConvertTarget::kMobile, ConvertTarget::kW4A16}) {
    const std::string to = file("plain", target);
    expect_refused(try_convert(floats, target, to), Code::kGateFailed, {"grid", "more tensors"},
                   std::string(name_of(target)));
    EXPECT_FALSE(fs::exists(to));
    EXPECT_TRUE(try_convert(floats, target, to, /*allow_ptq=*/true).ok());
    EXPECT_GT(report_.n_off, 0);
    fs::remove_all(to);
  }
}

TEST_F(Convert, NothingNotFiniteGoesThrough) {
  Checkpoint floats = encoded(random_checkpoint(tiny_e(), 10), "none", DType::kF32);
  Tensor t = decode(floats.tensors.at("layers.0.mlp.up_proj.weight"));
  t.floats()[7] = std::numeric_limits<float>::quiet_NaN();
  floats.set("layers.0.mlp.up_proj.weight", std::move(t));
  for (ConvertTarget target : kAll)
    expect_refused(try_convert(floats, target, file("nan", target), true), Code::kCorrupt,
                   {"layers.0.mlp.up_proj", "NaN"}, std::string(name_of(target)));
}

TEST_F(Convert, ExpertsHaveNoW4A16) {
  expect_refused(try_convert(random_checkpoint(tiny_moe(), 1), ConvertTarget::kW4A16, path("x")), Code::kUnsupported,
                 {"experts"}, "moe");
}

TEST_F(Convert, FloatsKeepWhatTheyHold) {
  // f32 values of more bits than bf16 has stay f32; those that fit become bf16.
  Checkpoint c = encoded(random_checkpoint(tiny_e(), 11), "none", DType::kF32);
  const Tensor few = decode(
      encode(DType::kBF16, {1, 64}, decode(c.tensors.at("layers.0.mlp.up_proj.weight")).floats().first(64))->view());
  ASSERT_TRUE(try_convert(c, ConvertTarget::kHf, path("hf")).ok());
  EXPECT_EQ(load_checkpoint(path("hf"))->tensors.at("layers.0.mlp.up_proj.weight").dtype, DType::kF32);
  c = encoded(encoded(random_checkpoint(tiny_e(), 11), "none", DType::kBF16), "none", DType::kF32);
  ASSERT_TRUE(try_convert(c, ConvertTarget::kHf, path("hf2")).ok());
  const Checkpoint back = *load_checkpoint(path("hf2"));
  for (const auto& [name, t] : back.tensors) EXPECT_EQ(t.dtype, DType::kBF16) << name;
}

TEST_F(Convert, GroupsOfOtherSizes) {  // 64 columns to a scale: read, and written as Q4_0
  GemmaConfig config = tiny_k_eq_v_dense(64);
  ASSERT_TRUE(save_checkpoint(path("g64"), packed(random_checkpoint(config, 12), 64), tiny_tokenizer()).ok());
  Checkpoint c = *load_checkpoint(path("g64"));
  EXPECT_EQ(c.tensors.at("layers.0.self_attn.q_proj.weight").groups(), config.hidden_size / 64);
  const std::string gguf = file("g64", ConvertTarget::kQ4_0Gguf);
  const Status status = try_convert(path("g64"), ConvertTarget::kQ4_0Gguf, gguf);
  expect_refused(status, Code::kGateFailed, {"embed_tokens"}, "tables are plain floats");
}

class PackedFolder : public Convert {
 protected:
  void SetUp() override {
    Convert::SetUp();
    ASSERT_TRUE(save_checkpoint(path("w"), packed(random_checkpoint(tiny_e(), 13), 32), tiny_tokenizer()).ok());
  }
  void refuse(const std::function<void(StoredItems&)>& edit, Code code, const std::vector<std::string>& words) {
    StoredItems items = read_items(path("w"));
    edit(items);
    fs::remove_all(path("bad"));
    fs::copy(path("w"), path("bad"));
    write_items(path("bad") + "/model.safetensors", items);
    expect_refused(load_checkpoint(path("bad")).status(), code, words, words.front());
  }
  void refuse_config(const std::function<void(nlohmann::ordered_json&)>& edit, Code code,
                     const std::vector<std::string>& words) {
    auto config = nlohmann::ordered_json::parse(read_all(path("w") + "/config.json"));
    edit(config["quantization_config"]);
    fs::remove_all(path("bad"));
    fs::copy(path("w"), path("bad"));
    ASSERT_TRUE(write_text_file(path("bad") + "/config.json", config.dump()).ok());
    expect_refused(load_checkpoint(path("bad")).status(), code, words, words.front());
  }
  const std::string q_ = "model.layers.0.self_attn.q_proj";
};

TEST_F(PackedFolder, ComesBack) {
  const Checkpoint back = *load_checkpoint(path("w"));
  expect_same(back, packed(random_checkpoint(tiny_e(), 13), 32));
  ASSERT_TRUE(save_checkpoint(path("again"), back, tiny_tokenizer()).ok());
  expect_same_folders(path("w"), path("again"));
}

TEST_F(PackedFolder, BadTensorsAreRefused) {
  refuse([&](auto& i) { i.erase(q_ + ".weight_scale"); }, Code::kNotFound, {"q_proj.weight_scale"});
  refuse([&](auto& i) { i.erase(q_ + ".weight_shape"); }, Code::kNotFound, {"q_proj.weight_shape"});
  refuse([&](auto& i) { i.erase(q_ + ".weight_packed"); }, Code::kNotFound, {"q_proj.weight"});
  refuse([&](auto& i) { i[q_ + ".weight_shape"].bytes[0] ^= std::byte{1}; }, Code::kCorrupt,
         {"weight_shape", "config wants"});
  refuse([&](auto& i) { i[q_ + ".weight_shape"].type = SafetensorsType::kF64; }, Code::kCorrupt,
         {"weight_shape", "I64"});
  refuse([&](auto& i) { std::swap(i[q_ + ".weight_packed"].shape[0], i[q_ + ".weight_packed"].shape[1]); },
         Code::kCorrupt, {"weight_packed"});
  refuse([&](auto& i) { i[q_ + ".weight_packed"].type = SafetensorsType::kF32; }, Code::kCorrupt,
         {"weight_packed", "I32"});
  refuse([&](auto& i) { std::swap(i[q_ + ".weight_scale"].shape[0], i[q_ + ".weight_scale"].shape[1]); },
         Code::kCorrupt, {"weight_scale"});
  refuse(
      [&](auto& i) {
        i[q_ + ".weight_scale"].bytes[0] = i[q_ + ".weight_scale"].bytes[1] = std::byte{0x7f};
        i[q_ + ".weight_scale"].bytes[0] = std::byte{0xc0};
      },
      Code::kCorrupt, {"weight_scale", "nan"});
  refuse([&](auto& i) { i[q_ + ".weight_zero_point"] = i[q_ + ".weight_shape"]; }, Code::kCorrupt,
         {"weight_zero_point"});
}

TEST_F(PackedFolder, OtherKindsAreRefused) {
  auto weights = [](auto& q) -> nlohmann::ordered_json& { return q["config_groups"]["group_0"]["weights"]; };
  refuse_config([&](auto& q) { weights(q)["num_bits"] = 8; }, Code::kUnsupported, {"num_bits is 8"});
  refuse_config([&](auto& q) { weights(q)["symmetric"] = false; }, Code::kUnsupported, {"symmetric"});
  refuse_config([&](auto& q) { weights(q)["type"] = "float"; }, Code::kUnsupported, {"type"});
  refuse_config([&](auto& q) { weights(q)["actorder"] = "group"; }, Code::kUnsupported, {"actorder"});
  refuse_config([&](auto& q) { weights(q).erase("num_bits"); }, Code::kUnsupported, {"num_bits is missing"});
  refuse_config(
      [&](auto& q) {
        q["config_groups"]["group_0"]["input_activations"] = {{"num_bits", 8}};
      },
      Code::kUnsupported, {"input_activations"});
  refuse_config([&](auto& q) { q["format"] = "marlin-24"; }, Code::kUnsupported, {"format", "marlin-24"});
  refuse_config([&](auto& q) { q["config_groups"] = 3; }, Code::kCorrupt, {"config_groups"});
  refuse_config([&](auto& q) { q["config_groups"]["group_0"] = nullptr; }, Code::kCorrupt, {"group_0"});
  refuse_config([&](auto& q) { q["quant_method"] = "awq"; }, Code::kUnsupported, {"awq"});
}

}  // namespace
}  // namespace facet::model_test
