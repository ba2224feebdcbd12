// checkpoint_testing.h: what this room's tests share.  Tests only.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "formats/safetensors/safetensors_writer.h"
#include "model/checkpoint.h"
#include "model/scheme.h"
#include "model/tiny_configs.h"
#include "model/tiny_tokenizer.h"
#include "quant/codec.h"

namespace facet::model_test {

namespace fs = std::filesystem;

// An empty folder of the running test's own, removed afterwards.
class CheckpointTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    root_ = fs::path(::testing::TempDir()) /
            ("facet_" + std::string(info->test_suite_name()) + "_" + info->name() + "_" + std::to_string(::getpid()));
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }
  std::string path(const std::string& name) const { return (root_ / name).string(); }

 private:
  fs::path root_;
};

struct NamedConfig {
  std::string name;
  GemmaConfig config;
};
inline std::vector<NamedConfig> tiny_configs() {
  return {
      {"e", tiny_e()}, {"moe", tiny_moe()}, {"k_eq_v_dense", tiny_k_eq_v_dense()}, {"everything", tiny_everything()}};
}

// Every tensor in the type that `scheme` gives it; scales of row types by absmax, activation and cache scales made up.
inline Checkpoint encoded(const Checkpoint& c, const Scheme& scheme, DType float_type) {
  Checkpoint out = c;
  for (const TensorSpec& spec : tensor_specs(c.config)) {
    const Tensor values = decode(c.tensors.at(spec.name));
    const DType type = *dtype_for(scheme, c.config, spec, float_type);
    if (!has_row_scales(type)) {
      out.set(spec.name, *encode(type, spec.shape, values.floats()));
      continue;
    }
    const int groups = scale_groups(c.config, spec);
    const std::size_t n = static_cast<std::size_t>(spec.shape.back() / groups);
    std::vector<float> scales(values.floats().size() / n);
    for (std::size_t g = 0; g < scales.size(); ++g) {
      float absmax = 0;
      for (float v : values.floats().subspan(g * n, n)) absmax = std::max(absmax, std::abs(v));
      scales[g] = absmax / (static_cast<float>(1 << (bits_of(type) - 1)) - 0.5f);
    }
    out.set(spec.name, *encode_rows(type, spec.shape, values.floats(), scales));
    if (is_linear(spec.role) && spec.role != Role::kHead)
      out.activation_scales[module_name(spec)] = {0.01f * static_cast<float>(spec.layer + 2), 0.25f};
  }
  if (scheme.kind == Scheme::Kind::kMobile)
    for (int l = 0; l < c.config.n_layers(); ++l)
      out.cache_scales.push_back({0.01f * static_cast<float>(1 + c.config.kv_donor(l)), 6.0f / 127});
  return out;
}
inline Checkpoint encoded(const Checkpoint& c, const char* scheme, DType float_type) {
  return encoded(c, *parse_scheme(scheme), float_type);
}

inline void expect_same(const TensorView& a, const TensorView& b, const std::string& name) {
  EXPECT_EQ(a.dtype, b.dtype) << name;
  EXPECT_EQ(a.shape, b.shape) << name;
  EXPECT_TRUE(std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end())) << name;
  EXPECT_TRUE(std::equal(a.row_scales.begin(), a.row_scales.end(), b.row_scales.begin(), b.row_scales.end())) << name;
}

inline void expect_same(const Checkpoint& a, const Checkpoint& b) {
  EXPECT_EQ(a.config, b.config);
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (const auto& [name, t] : a.tensors) {
    ASSERT_TRUE(b.tensors.contains(name)) << name;
    expect_same(t, b.tensors.at(name), name);
  }
  ASSERT_EQ(a.activation_scales.size(), b.activation_scales.size());
  for (const auto& [name, s] : a.activation_scales) {
    ASSERT_TRUE(b.activation_scales.contains(name)) << name;
    EXPECT_EQ(s.input, b.activation_scales.at(name).input) << name;
    EXPECT_EQ(s.output, b.activation_scales.at(name).output) << name;
  }
  ASSERT_EQ(a.cache_scales.size(), b.cache_scales.size());
  for (std::size_t l = 0; l < a.cache_scales.size(); ++l) {
    EXPECT_EQ(a.cache_scales[l].k, b.cache_scales[l].k) << l;
    EXPECT_EQ(a.cache_scales[l].v, b.cache_scales[l].v) << l;
  }
  EXPECT_EQ(a.metadata, b.metadata);
}

inline std::string read_all(const std::string& path) {
  auto text = read_text_file(path);
  EXPECT_TRUE(text.ok()) << text.status().message();
  return text.ok() ? *text : "";
}

// Every file of folder `a` is in `b` with the same bytes, and the other way round.
inline void expect_same_folders(const std::string& a, const std::string& b) {
  std::vector<std::string> names, others;
  for (const auto& entry : fs::directory_iterator(a)) names.push_back(entry.path().filename().string());
  for (const auto& entry : fs::directory_iterator(b)) others.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  std::sort(others.begin(), others.end());
  ASSERT_EQ(names, others);
  for (const std::string& name : names) EXPECT_TRUE(read_all(a + "/" + name) == read_all(b + "/" + name)) << name;
}

// The status a hostile file earns: this code, all these words, one line.
inline void expect_refused(const Status& status, Code code, const std::vector<std::string>& words,
                           const std::string& what) {
  EXPECT_EQ(status.code(), code) << what << ": " << status.message();
  for (const std::string& word : words)
    EXPECT_NE(status.message().find(word), std::string::npos) << what << ": " << status.message();
  EXPECT_EQ(status.message().find('\n'), std::string::npos) << what << ": " << status.message();
}

// A safetensors file in memory, to be bent into something else.
struct StoredItem {
  SafetensorsType type;
  Shape shape;
  std::vector<std::byte> bytes;

  static StoredItem of_floats(Shape shape, const std::vector<float>& values) {
    StoredItem out{SafetensorsType::kF32, std::move(shape), {}};
    const auto bytes = std::as_bytes(std::span(values));
    out.bytes.assign(bytes.begin(), bytes.end());
    return out;
  }
};
using StoredItems = std::map<std::string, StoredItem>;

inline StoredItems read_items(const std::string& folder) {
  StoredItems out;
  auto file = read_safetensors(folder + "/model.safetensors");
  EXPECT_TRUE(file.ok()) << file.status().message();
  if (!file.ok()) return out;
  for (const SafetensorsTensor& t : file->tensors) out[t.name] = {t.type, t.shape, {t.bytes.begin(), t.bytes.end()}};
  return out;
}

inline void write_items(const std::string& file, const StoredItems& items) {
  std::vector<SafetensorsItem> list;
  for (const auto& [name, item] : items) list.push_back({name, item.type, item.shape, item.bytes});
  const Status status = write_safetensors(file, list, {{"format", "pt"}});
  ASSERT_TRUE(status.ok()) << status.message();
}

}  // namespace facet::model_test
