#include "train/train_config.h"

#include <gtest/gtest.h>

#include <set>

#include "train/schedule.h"

namespace facet::train {
namespace {

TrainConfig valid_config() {
  TrainConfig c;
  c.init = "model";
  c.train_text = "text";
  c.output_dir = "out";
  c.max_steps = 10;
  return c;
}

TEST(TrainConfig, JsonRoundTripKeepsEveryField) {
  TrainConfig c = valid_config();
  c.seed = 0xFFFFFFFFFFFFFFFFu;
  c.lr = 3.0000000000000004e-4;
  c.freeze = {"norm", "embed.*"};
  c.qat.scheme.rules = {{"embed_tokens$", 4}, {"mlp", 2}};
  c.qat.quantize_kv = false;
  TrainConfig back;
  ASSERT_TRUE(parse_train_config(to_json(c), back).ok());
  EXPECT_TRUE(changed_fields(c, back).empty());
  EXPECT_EQ(back.seed, c.seed);
  EXPECT_EQ(back.lr, c.lr);
  EXPECT_EQ(back.qat.scheme.rules[1].pattern, "mlp");
  back.lr = 1;
  back.context = 7;
  EXPECT_EQ(changed_fields(c, back), (std::vector<std::string>{"context", "lr"}));
}

TEST(TrainConfig, FieldsAreUniqueAndExplained) {
  std::set<std::string> keys;
  for (const ConfigField& field : config_fields()) {
    EXPECT_TRUE(keys.insert(field.key).second) << field.key;
    EXPECT_FALSE(field.help.empty()) << field.key;
  }
  EXPECT_TRUE(keys.count("grad_accum"));
}

TEST(TrainConfig, UnknownKeyNamesTheNearest) {
  TrainConfig c;
  Status s = parse_train_config(R"({"grad_acum": 2})", c);
  EXPECT_EQ(s.code(), Code::kInvalidArgument);
  EXPECT_NE(s.message().find("'grad_acum'"), std::string::npos);
  EXPECT_NE(s.message().find("'grad_accum'"), std::string::npos);
  EXPECT_NE(set_config_field(c, "out-dir", "x").message().find("'output_dir'"), std::string::npos);
}

TEST(TrainConfig, RefusesWhatDoesNotFit) {
  for (const char* text : {"", "[]", "{", R"({"lr": "fast"})", R"({"context": 1.5})", R"({"context": 1e30})",
                           R"({"seed": -1})", R"({"resume": 1})", R"({"rules": [["a"]]})", R"({"freeze": [1]})",
                           R"({"lr": 1, "lr": 2})", R"({"grad_accum": 1, "grad-accum": 2})", R"({"init": null})"}) {
    TrainConfig c;
    EXPECT_EQ(parse_train_config(text, c).code(), Code::kInvalidArgument) << text;
    EXPECT_TRUE(changed_fields(c, TrainConfig{}).empty()) << "half applied: " << text;
  }
}

TEST(TrainConfig, FlagsReadAsPeopleWriteThem) {
  TrainConfig c;
  ASSERT_TRUE(set_config_field(c, "max-tokens", "20M").ok());
  EXPECT_EQ(c.max_tokens, 20000000);
  ASSERT_TRUE(set_config_field(c, "max-tokens", "1.5k").ok());
  EXPECT_EQ(c.max_tokens, 1500);
  ASSERT_TRUE(set_config_field(c, "lr", "3e-4").ok());
  EXPECT_EQ(c.lr, 3e-4);
  ASSERT_TRUE(set_config_field(c, "resume", "on").ok());
  EXPECT_TRUE(c.resume);
  ASSERT_TRUE(set_config_field(c, "rules", "embed_tokens$=4,layers\\.[0-4]\\.mlp=2").ok());
  ASSERT_EQ(c.qat.scheme.rules.size(), 2u);
  EXPECT_EQ(c.qat.scheme.rules[1].pattern, "layers\\.[0-4]\\.mlp");
  EXPECT_EQ(c.qat.scheme.rules[1].bits, 2);
  ASSERT_TRUE(set_config_field(c, "seed", "18446744073709551615").ok());
  EXPECT_EQ(c.seed, 0xFFFFFFFFFFFFFFFFu);
  for (auto [key, value] : {std::pair{"lr", "3e-4x"},
                            {"lr", ""},
                            {"lr", "nan"},
                            {"context", "1.5"},
                            {"context", "-"},
                            {"context", "99999999999"},
                            {"resume", "maybe"},
                            {"rules", "a"},
                            {"rules", "a=b"}})
    EXPECT_EQ(set_config_field(c, key, value).code(), Code::kInvalidArgument) << key << "=" << value;
}

TEST(TrainConfig, ValidateNamesTheSetting) {
  auto expect_named = [](auto change, const std::string& key) {
    TrainConfig c = valid_config();
    change(c);
    Status s = validate(c);
    EXPECT_EQ(s.code(), Code::kInvalidArgument) << key;
    EXPECT_NE(s.message().find("'" + key + "'"), std::string::npos) << s.message();
  };
  TrainConfig good = valid_config();
  good.scheme = "mobile";
  ASSERT_TRUE(validate(good).ok());
  EXPECT_EQ(good.qat.scheme.kind, Scheme::Kind::kMobile);
  expect_named([](TrainConfig& c) { c.init = ""; }, "init");
  expect_named([](TrainConfig& c) { c.model = "e2b"; }, "init");
  expect_named([](TrainConfig& c) { c.scheme = "q3_k"; }, "scheme");
  expect_named([](TrainConfig& c) { c.loss = "kl"; }, "teacher");
  expect_named([](TrainConfig& c) { c.label_weight = 0.1; }, "label_weight");  // with loss ce
  expect_named([](TrainConfig& c) { c.lr = 0.1, c.qat.anchor = 20; }, "anchor");
  expect_named([](TrainConfig& c) { c.max_tokens = 5; }, "max_steps");
  expect_named([](TrainConfig& c) { c.context = 1; }, "context");
  expect_named([](TrainConfig& c) { c.lr = -1; }, "lr");
  expect_named([](TrainConfig& c) { c.qat.freeze_at = 1.5; }, "freeze_at");
  expect_named([](TrainConfig& c) { c.qat.scheme.rules = {{"a", 2}}; }, "rules");
  expect_named([](TrainConfig& c) { c.resume = c.overwrite = true; }, "resume");
}

TEST(TrainConfig, TokensBecomeSteps) {
  TrainConfig c = valid_config();
  c.max_steps = 0;
  c.context = 100;
  c.batch_size = 2;
  c.grad_accum = 3;
  c.max_tokens = 1201;
  EXPECT_EQ(total_steps(c, 1), 3);
  EXPECT_EQ(total_steps(c, 2), 2);
}

TEST(Schedule, CosineKnownValues) {
  Schedule s = make_schedule("cosine", 100, 0.1, 0.0, 0.2);
  EXPECT_EQ(s.warmup_steps, 10);
  EXPECT_DOUBLE_EQ(lr_fraction(s, 0), 0.1);
  EXPECT_DOUBLE_EQ(lr_fraction(s, 9), 1.0);
  EXPECT_DOUBLE_EQ(lr_fraction(s, 10), 1.0);
  EXPECT_NEAR(lr_fraction(s, 55), 0.5, 1e-12);
  EXPECT_NEAR(lr_fraction(s, 100), 0.0, 1e-12);
  EXPECT_GT(lr_fraction(s, 99), 0.0);
  EXPECT_NEAR(lr_fraction(make_schedule("cosine", 100, 0, 0.005, 0), 100), 0.005, 1e-12);
}

TEST(Schedule, WsdAndConstant) {
  Schedule s = make_schedule("wsd", 100, 5, 0.0, 0.2);  // warmup in steps
  EXPECT_EQ(s.warmup_steps, 5);
  EXPECT_DOUBLE_EQ(lr_fraction(s, 4), 1.0);
  EXPECT_DOUBLE_EQ(lr_fraction(s, 79), 1.0);
  EXPECT_DOUBLE_EQ(lr_fraction(s, 90), 0.5);
  EXPECT_DOUBLE_EQ(lr_fraction(make_schedule("constant", 100, 0, 0.5, 0.2), 99), 1.0);
  EXPECT_EQ(make_schedule("cosine", 3, 60, 0, 0).warmup_steps, 3);
  EXPECT_DOUBLE_EQ(lr_fraction(make_schedule("cosine", 1, 0, 0, 0), 0), 1.0);
}

}  // namespace
}  // namespace facet::train
