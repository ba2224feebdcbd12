#include "model/scheme.h"

#include <gtest/gtest.h>

#include <map>

#include "model/tiny_configs.h"

namespace facet {
namespace {

Scheme scheme(const char* name) { return *parse_scheme(name); }

DType type_of(const Scheme& s, const GemmaConfig& c, const TensorSpec& spec) {
  const Result<DType> type = dtype_for(s, c, spec, DType::kBF16);
  EXPECT_TRUE(type.ok()) << type.status().message();
  return type.ok() ? *type : DType::kF32;
}

// What the released mobile checkpoints hold, role by role.
TEST(Scheme, MobileBitsOfTheReleases) {
  for (const char* name : {"e2b", "e4b"}) {
    const bool e2b = std::string_view(name) == "e2b";
    const GemmaConfig c = *preset(name);
    for (const TensorSpec& spec : tensor_specs(c)) {
      DType expected = DType::kBF16;
      switch (spec.role) {
        case Role::kEmbedding:
          expected = DType::kI2Row;
          break;
        case Role::kPleTable:
          expected = e2b ? DType::kI4Row : DType::kI2Row;
          break;
        case Role::kQ:
        case Role::kK:
        case Role::kV:
        case Role::kO:
          expected = DType::kI4Row;
          break;
        case Role::kGate:
        case Role::kUp:
        case Role::kDown:
          expected = e2b && spec.layer >= 15 ? DType::kI2Row : DType::kI4Row;
          break;
        case Role::kPleGate:
        case Role::kPleProj:
          expected = DType::kI8Row;
          break;
        default:
          break;
      }
      EXPECT_EQ(type_of(scheme("mobile"), c, spec), expected) << name << " " << spec.name;
      EXPECT_EQ(scale_groups(c, spec), spec.role == Role::kPleTable ? (e2b ? 35 : 42) : 1);
    }
  }
}

// The same as bytes: the ledger of Google's E2B file, whose parts sum to its size (docs/formats/mobile.md).
TEST(Scheme, MobileBytesOfE2B) {
  const GemmaConfig c = *preset("e2b");
  std::map<std::string, std::int64_t> payload, scales;
  for (const TensorSpec& spec : tensor_specs(c)) {
    const DType type = type_of(scheme("mobile"), c, spec);
    std::string part = "float";
    if (spec.role == Role::kEmbedding) part = "embedding";
    if (spec.role == Role::kPleTable) part = "ple";
    if (spec.role == Role::kPleModelProj) part = "ple model projection";
    if (spec.name.find("self_attn") != std::string::npos && spec.is_matrix) part = "attention";
    if (spec.name.find(".mlp.") != std::string::npos) part = spec.layer < 15 ? "mlp 4" : "mlp 2";
    if (spec.role == Role::kPleGate || spec.role == Role::kPleProj) part = "ple linears";
    const std::int64_t rows = element_count(spec.shape) / spec.shape.back();
    payload[part] += rows * static_cast<std::int64_t>(*row_bytes(type, spec.shape.back()));
    if (has_row_scales(type)) scales[part] += 4 * rows * scale_groups(c, spec);
  }
  const std::map<std::string, std::int64_t> expected_payload{
      {"embedding", 100663296}, {"ple", 1174405120},
      {"attention", 139198464}, {"mlp 4", 212336640},
      {"mlp 2", 283115520},     {"ple linears", 27525120},
      {"float", 571974},        {"ple model projection", 27525120}};
  const std::map<std::string, std::int64_t> expected_scales{{"embedding", 1048576}, {"ple", 36700160},
                                                            {"attention", 595968},  {"mlp 4", 829440},
                                                            {"mlp 2", 2088960},     {"ple linears", 250880}};
  EXPECT_EQ(payload, expected_payload);
  EXPECT_EQ(scales, expected_scales);
}

TEST(Scheme, AnUntiedHeadHasTheBitsOfTheEmbedding) {
  GemmaConfig c = tiny_e();
  c.tied_head = false;
  for (const TensorSpec& spec : tensor_specs(c))
    if (spec.role == Role::kHead) {
      EXPECT_EQ(type_of(scheme("mobile"), c, spec), DType::kI2Row);
    }
}

TEST(Scheme, RulesAreCheckedBeforeTheyAreUsed) {
  const GemmaConfig c = tiny_e();
  auto message = [&](std::vector<BitRule> rules, const char* name = "mobile") {
    Scheme s = scheme(name);
    s.rules = std::move(rules);
    return check_rules(s, c).message();
  };
  EXPECT_EQ(message({}), "");
  EXPECT_EQ(message({{"embed_tokens$", 8}, {"embed_tokens$", 4}, {"mlp", 0}}), "");  // a later rule may be shadowed
  EXPECT_NE(message({{"mlp", 4}, {"embed_token$", 8}}).find("'embed_token$' matches no matrix"), std::string::npos);
  EXPECT_NE(message({{"input_layernorm", 8}}).find("matches no matrix"), std::string::npos);  // a vector stays float
  EXPECT_NE(message({{"mlp(", 4}}).find("not a regular expression"), std::string::npos);
  EXPECT_NE(message({{"mlp", 4}}, "q4_0").find("q4_0 has no rules"), std::string::npos);
}

TEST(Scheme, RulesComeFirstAndTheFirstMatchWins) {
  const GemmaConfig c = tiny_everything();
  Scheme s = scheme("mobile");
  s.rules = {{R"(embed_tokens$)", 4}, {R"(layers\.1\.)", 8}, {R"(layers\.1\.mlp)", 2}, {R"(layers\.0\.mlp)", 0}};
  for (const TensorSpec& spec : tensor_specs(c)) {
    const DType type = type_of(s, c, spec);
    if (spec.role == Role::kEmbedding) {
      EXPECT_EQ(type, DType::kI4Row);
    }
    if (spec.name == "layers.1.mlp.up_proj.weight") {
      EXPECT_EQ(type, DType::kI8Row);
    }
    if (spec.name == "layers.0.mlp.up_proj.weight") {
      EXPECT_EQ(type, DType::kBF16);
    }
    if (spec.name == "layers.0.self_attn.q_proj.weight") {
      EXPECT_EQ(type, DType::kI4Row);
    }
    if (spec.role == Role::kRouter || !spec.is_matrix) {
      EXPECT_EQ(type, DType::kBF16) << spec.name;
    }
    if (spec.role == Role::kExpertsDown && spec.layer != 1) {
      EXPECT_EQ(type, DType::kI4Row);
    }
  }
  const TensorSpec embedding = tensor_specs(c)[0];
  for (const BitRule& bad : {BitRule{"(", 4}, BitRule{"embed", 3}, BitRule{"embed", 16}}) {
    s.rules = {bad};
    const auto type = dtype_for(s, c, embedding, DType::kF32);
    ASSERT_FALSE(type.ok()) << bad.pattern;
    EXPECT_EQ(type.status().code(), Code::kInvalidArgument);
  }
}

TEST(Scheme, BlocksTakeEveryMatrixButTheRouter) {
  for (const char* name : {"q4_0", "q8_0"}) {
    const DType block = *dtype_from_name(name);
    const GemmaConfig c = tiny_everything(32);
    for (const TensorSpec& spec : tensor_specs(c)) {
      const bool is_float = !spec.is_matrix || spec.role == Role::kRouter;
      EXPECT_EQ(type_of(scheme(name), c, spec), is_float ? DType::kBF16 : block) << spec.name;
    }
    const auto narrow = dtype_for(scheme(name), tiny_e(8), tensor_specs(tiny_e(8))[0], DType::kF32);
    ASSERT_FALSE(narrow.ok());  // rows of 16
    EXPECT_EQ(narrow.status().code(), Code::kInvalidArgument);
    EXPECT_NE(narrow.status().message().find("embed_tokens"), std::string::npos);
  }
  const GemmaConfig c = tiny_e();
  for (const TensorSpec& spec : tensor_specs(c)) EXPECT_EQ(type_of(scheme("none"), c, spec), DType::kBF16);
}

TEST(Scheme, NamesRoundTripAndUnknownOnesAreRefused) {
  for (const char* name : {"none", "q8_0", "q4_0", "mobile"}) EXPECT_EQ(name_of(scheme(name).kind), name);
  for (const char* name : {"", "Q4_0", "int4"}) EXPECT_EQ(parse_scheme(name).status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace facet
