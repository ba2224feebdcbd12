#include "ptq/quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "base/rng.h"
#include "engine/session.h"
#include "model/tiny_configs.h"
#include "ptq/gptq.h"
#include "ptq/lockstep.h"
#include "ptq/second_moments.h"
#include "quant/codec.h"
#include "quant/scale_search.h"

namespace facet {
namespace {

using Sequences = std::vector<std::vector<int>>;

Sequences random_sequences(const GemmaConfig& c, int n, int length, std::uint64_t seed = 77) {
  Rng rng(seed);
  Sequences out(n, std::vector<int>(length));
  for (auto& s : out)
    for (int& token : s) token = static_cast<int>(rng.below(c.vocab_size));
  return out;
}
PtqOptions options_for(const GemmaConfig& c, const char* scheme, PtqMethod method) {
  PtqOptions o;
  o.scheme = *parse_scheme(scheme);
  o.method = method;
  o.calibration = random_sequences(c, 6, 24);
  o.min_expert_tokens = 8;
  o.seed = 42;
  o.threads = 2;
  return o;
}
std::vector<float> floats(const TensorView& t) {
  const Tensor d = decode(t);
  return {d.floats().begin(), d.floats().end()};
}
bool same(const TensorView& a, const TensorView& b) {
  return a.dtype == b.dtype && a.shape == b.shape && a.bytes.size() == b.bytes.size() &&
         std::memcmp(a.bytes.data(), b.bytes.data(), a.bytes.size()) == 0 &&
         std::vector<float>(a.row_scales.begin(), a.row_scales.end()) ==
             std::vector<float>(b.row_scales.begin(), b.row_scales.end());
}
// Over all linears: the squared error of their outputs on the inputs of the float model, relative to the outputs
// themselves.
double output_error(const Checkpoint& source, const Checkpoint& quantized, const Sequences& text) {
  const Result<Model> model = Model::bind(source);
  ThreadPool pool(2);
  double sum = 0.0;
  const Status status = run_in_lockstep(
      *model, text, pool, [&](const Linear& l) { return !is_float(quantized.tensors.at(l.name).dtype); },
      [&](const Linear& l, LinearInputs inputs) {
        const Eigen::MatrixXd h = second_moments(inputs, l.cols, pool);
        const std::size_t size = std::size_t(l.rows) * l.cols, first = size * std::max(0, l.expert);
        const std::vector<float> w = floats(source.tensors.at(l.name)), d = floats(quantized.tensors.at(l.name));
        double error = 0.0, output = 0.0;
        for (std::size_t i = first; i < first + size; i += l.cols) {
          Eigen::VectorXd x(l.cols), e(l.cols);
          for (int j = 0; j < l.cols; ++j) {
            x(j) = w[i + j];
            e(j) = double(w[i + j]) - d[i + j];
          }
          error += e.dot(h * e);
          output += x.dot(h * x);
        }
        sum += error / output;
        return Status{};
      });
  EXPECT_TRUE(status.ok());
  return sum;
}

struct Case {
  const char* name;
  GemmaConfig config;
};
std::vector<Case> models() {
  return {{"e", tiny_e()}, {"k_eq_v", tiny_k_eq_v_dense()}, {"moe", tiny_moe()}, {"everything", tiny_everything()}};
}

TEST(Quantize, EveryMethodGivesEveryTensorItsType) {
  for (const Case& m : models()) {
    const Checkpoint source = random_checkpoint(m.config, 1);
    for (const char* scheme : {"q4_0", "mobile", "q8_0"})
      for (PtqMethod method : {PtqMethod::kRtn, PtqMethod::kMse, PtqMethod::kImatrix, PtqMethod::kGptq}) {
        const bool everything = std::string(m.name) == "everything";  // the others have the method that does the most
        if (std::string(scheme) == "q8_0" ? method != PtqMethod::kRtn : !everything && method != PtqMethod::kGptq)
          continue;
        SCOPED_TRACE(std::string(m.name) + " " + scheme + " " + std::string(name_of(method)));
        PtqOptions options = options_for(m.config, scheme, method);
        const Result<PtqResult> r = quantize_checkpoint(source, options);
        ASSERT_TRUE(r.ok()) << r.status().message();
        std::size_t n_encoded = 0;
        for (const TensorSpec& spec : tensor_specs(m.config)) {
          const TensorView &before = source.tensors.at(spec.name), &after = r->checkpoint.tensors.at(spec.name);
          ASSERT_EQ(after.dtype, *dtype_for(options.scheme, m.config, spec, before.dtype)) << spec.name;
          ASSERT_EQ(after.shape, before.shape);
          if (after.dtype == before.dtype) {
            EXPECT_TRUE(same(after, before));
            continue;
          }
          const TensorReport& report = r->report.tensors.at(n_encoded++);
          EXPECT_EQ(report.name, spec.name);
          EXPECT_EQ(report.type, after.dtype);
          EXPECT_EQ(after.groups(), has_row_scales(after.dtype) ? scale_groups(m.config, spec) : 0);
          const std::vector<float> w = floats(before), d = floats(after);
          double e = 0.0, norm = 0.0;
          for (std::size_t i = 0; i < w.size(); ++i) {
            e += (double(w[i]) - d[i]) * (double(w[i]) - d[i]);
            norm += double(w[i]) * w[i];
          }
          EXPECT_NEAR(report.relative_error, std::sqrt(e / norm), 1e-6) << spec.name;
          EXPECT_LT(report.relative_error, after.dtype == DType::kI2Row ? 0.8 : 0.3) << spec.name;
        }
        EXPECT_EQ(n_encoded, r->report.tensors.size());
        EXPECT_EQ(r->report.n_calibration_tokens, 144);
        EXPECT_EQ(r->checkpoint.metadata.at("facet.scheme"), scheme);
        EXPECT_EQ(r->checkpoint.metadata.at("facet.method"), name_of(method));
        EXPECT_EQ(r->checkpoint.metadata.at("facet.calibration_tokens"), "144");
        EXPECT_EQ(r->checkpoint.metadata.at("facet.seed"), "42");
        EXPECT_TRUE(Model::bind(r->checkpoint).ok());
      }
  }
}

TEST(Quantize, RtnIsThePlainRuleAndMseTheSearch) {
  const GemmaConfig c = tiny_e();
  const Checkpoint source = random_checkpoint(c, 2);
  const std::string up = "layers.7.mlp.up_proj.weight", table = "embed_tokens_per_layer.weight";
  const auto rtn4 = quantize_checkpoint(source, options_for(c, "q4_0", PtqMethod::kRtn));
  EXPECT_TRUE(same(rtn4->checkpoint.tensors.at(up),
                   encode(DType::kQ4_0, source.tensors.at(up).shape, floats(source.tensors.at(up)))->view()));
  for (bool search : {false, true}) {
    const auto r = quantize_checkpoint(source, options_for(c, "mobile", search ? PtqMethod::kMse : PtqMethod::kRtn));
    const auto scale = [&](std::span<const float> w, int bits) {
      return search ? search_group_scale(w, bits) : absmax_group_scale(w, bits);
    };
    const std::vector<float> w = floats(source.tensors.at(up)), t = floats(source.tensors.at(table));
    const std::size_t cols = source.tensors.at(up).cols();
    EXPECT_EQ(r->checkpoint.tensors.at(up).dtype, DType::kI2Row);
    for (std::size_t row : {0u, 5u})
      EXPECT_EQ(r->checkpoint.tensors.at(up).row_scales[row], scale(std::span(w).subspan(row * cols, cols), 2));
    EXPECT_EQ(r->checkpoint.tensors.at(table).row_scales[c.n_layers() * 3 + 2],
              scale(std::span(t).subspan((c.n_layers() * 3 + 2) * c.ple_size, c.ple_size), 4));
  }
}

// Each matrix must see the inputs that the model with all matrices before it quantized produces.  Told from outside:
// run the finished model, collect the inputs of a matrix, and do its GPTQ again from the float weights.
TEST(Quantize, GptqUsesInputsOfTheQuantizedModelBefore) {
  GemmaConfig c = tiny_e();
  c.tied_head = false;  // a tied table is gathered by its mse encoding during calibration, and differs afterwards
  const Checkpoint source = random_checkpoint(c, 3);
  for (const char* scheme : {"q4_0", "mobile"}) {
    PtqOptions options = options_for(c, scheme, PtqMethod::kGptq);
    options.activations = ActivationRange::kNone;
    const auto r = quantize_checkpoint(source, options);
    ASSERT_TRUE(r.ok()) << r.status().message();
    Checkpoint decoded = r->checkpoint;  // as f32: the calibration's arithmetic
    for (const TensorReport& t : r->report.tensors) decoded.set(t.name, decode(r->checkpoint.tensors.at(t.name)));
    const Model model = *Model::bind(decoded);
    ThreadPool pool(2);
    int n_compared = 0;
    const Status status = run_in_lockstep(
        model, options.calibration, pool,
        [&](const Linear& l) { return r->checkpoint.tensors.at(l.name).dtype != DType::kF32; },
        [&](const Linear& l, LinearInputs inputs) {
          const TensorView& t = r->checkpoint.tensors.at(l.name);
          const auto plan = plan_gptq(second_moments(inputs, l.cols, pool), 0.01, t.dtype != DType::kQ4_0);
          std::vector<float> w = floats(source.tensors.at(l.name)),
                             scales(t.dtype == DType::kQ4_0 ? w.size() / 32 : l.rows);
          quantize_by_gptq(*plan, t.dtype, w, l.cols, scales, pool);
          EXPECT_EQ(w, floats(t)) << l.name;
          ++n_compared;
          return Status{};
        });
    EXPECT_TRUE(status.ok());
    EXPECT_GT(n_compared, 60);
  }
}

TEST(Quantize, TiedHeadIsQuantizedForItsInputsOrByMse) {
  const GemmaConfig c = tiny_e();
  const Checkpoint source = random_checkpoint(c, 4);
  for (PtqMethod method : {PtqMethod::kImatrix, PtqMethod::kGptq}) {
    PtqOptions options = options_for(c, "mobile", method);
    const auto with = quantize_checkpoint(source, options);
    options.head_by_inputs = false;
    const auto without = quantize_checkpoint(source, options);
    const auto mse = quantize_checkpoint(source, options_for(c, "mobile", PtqMethod::kMse));
    const std::string table = "embed_tokens.weight";
    EXPECT_FALSE(same(with->checkpoint.tensors.at(table), mse->checkpoint.tensors.at(table)));
    EXPECT_TRUE(same(without->checkpoint.tensors.at(table), mse->checkpoint.tensors.at(table)));
    EXPECT_EQ(with->report.tensors.at(0).method, method);
    EXPECT_EQ(without->report.tensors.at(0).method, PtqMethod::kMse);
    // The layers before the head see the same table either way.
    EXPECT_TRUE(same(with->checkpoint.tensors.at("layers.2.mlp.down_proj.weight"),
                     without->checkpoint.tensors.at("layers.2.mlp.down_proj.weight")));
  }
}

TEST(Quantize, GptqWithAnOverwhelmingRidgeIsMse) {  // H -> a multiple of I
  const GemmaConfig c = tiny_moe();
  const Checkpoint source = random_checkpoint(c, 5);
  PtqOptions options = options_for(c, "mobile", PtqMethod::kGptq);
  options.damping = 1e12;
  options.min_expert_tokens = 1;
  const auto gptq = quantize_checkpoint(source, options);
  const auto mse = quantize_checkpoint(source, options_for(c, "mobile", PtqMethod::kMse));
  ASSERT_TRUE(gptq.ok() && mse.ok());
  for (const TensorReport& t : mse->report.tensors) {
    const std::vector<float> a = floats(gptq->checkpoint.tensors.at(t.name)),
                             b = floats(mse->checkpoint.tensors.at(t.name));
    std::size_t differ = 0;
    for (std::size_t i = 0; i < a.size(); ++i) differ += a[i] != b[i];
    EXPECT_LE(differ, a.size() / 1000) << t.name;
  }
}

TEST(Quantize, BetterMethodsLeaveSmallerOutputErrors) {
  const GemmaConfig c = tiny_e();
  const Checkpoint source = random_checkpoint(c, 6);
  const Sequences unseen = random_sequences(c, 10, 24, 1234);
  for (const char* scheme : {"q4_0", "mobile"}) {
    std::map<PtqMethod, double> error;
    for (PtqMethod method : {PtqMethod::kRtn, PtqMethod::kMse, PtqMethod::kImatrix, PtqMethod::kGptq}) {
      PtqOptions options = options_for(c, scheme, method);
      options.calibration = random_sequences(c, 20, 40);
      options.activations = ActivationRange::kNone;
      const auto r = quantize_checkpoint(source, options);
      ASSERT_TRUE(r.ok()) << r.status().message();
      error[method] = output_error(source, r->checkpoint, unseen);
    }
    // The activations of random weights are close to isotropic, so little is to be gained from knowing them;
    // gptq_test.cc has the correlated case.
    EXPECT_LT(error[PtqMethod::kMse], 0.95 * error[PtqMethod::kRtn]) << scheme;
    EXPECT_LT(error[PtqMethod::kImatrix], 0.95 * error[PtqMethod::kRtn]) << scheme;
    EXPECT_LT(error[PtqMethod::kGptq], 0.99 * error[PtqMethod::kMse]) << scheme;
  }
}

TEST(Quantize, ExpertsThatFewTokensReachFallBackAndAreCounted) {
  const GemmaConfig c = tiny_moe();
  const Checkpoint source = random_checkpoint(c, 7);
  PtqOptions options = options_for(c, "q4_0", PtqMethod::kGptq);
  options.calibration = random_sequences(c, 1, 2);  // two tokens: at most four of eight experts
  options.min_expert_tokens = 1;
  const auto some = quantize_checkpoint(source, options);
  ASSERT_TRUE(some.ok()) << some.status().message();
  EXPECT_GE(some->report.n_experts_by_mse, c.n_layers() * 2 * 4);
  options.min_expert_tokens = 64;
  const auto none = quantize_checkpoint(source, options);
  EXPECT_EQ(none->report.n_experts_by_mse, c.n_layers() * 2 * c.n_experts);
  const std::string experts = "layers.0.experts.down_proj";
  const auto mse = quantize_checkpoint(source, options_for(c, "q4_0", PtqMethod::kMse));
  for (const TensorReport& t : none->report.tensors)
    if (t.name.find("experts") != t.name.npos) {
      EXPECT_TRUE(same(none->checkpoint.tensors.at(t.name), mse->checkpoint.tensors.at(t.name)));
    }
}

TEST(Quantize, ThreadsDoNotChangeTheResult) {
  const GemmaConfig c = tiny_everything();
  const Checkpoint source = random_checkpoint(c, 8);
  for (const char* scheme : {"q4_0", "mobile"}) {
    PtqOptions options = options_for(c, scheme, PtqMethod::kGptq);
    options.threads = 1;
    const auto one = quantize_checkpoint(source, options);
    options.threads = 3;
    const auto three = quantize_checkpoint(source, options);
    for (const auto& [name, t] : one->checkpoint.tensors)
      EXPECT_TRUE(same(t, three->checkpoint.tensors.at(name))) << name;
    for (const auto& [module, s] : one->checkpoint.activation_scales) {
      EXPECT_EQ(s.input, three->checkpoint.activation_scales.at(module).input);
      EXPECT_EQ(s.output, three->checkpoint.activation_scales.at(module).output);
    }
  }
}

TEST(Quantize, MobileCalibratesItsActivations) {
  const GemmaConfig c = tiny_e();
  const Checkpoint source = random_checkpoint(c, 9);
  PtqOptions options = options_for(c, "mobile", PtqMethod::kMse);
  options.activations = ActivationRange::kAbsmax;
  const auto absmax = quantize_checkpoint(source, options);
  options.activations = ActivationRange::kPercentile;
  options.percentile = 99.0;
  const auto percentile = quantize_checkpoint(source, options);
  options.activations = ActivationRange::kNone;
  const auto none = quantize_checkpoint(source, options);
  ASSERT_TRUE(absmax.ok() && percentile.ok() && none.ok());
  EXPECT_TRUE(none->checkpoint.activation_scales.empty() && none->checkpoint.cache_scales.empty());

  // absmax, told from outside.
  std::map<std::string, float> largest;
  ThreadPool pool(1);
  const Model model = *Model::bind(none->checkpoint);
  Session session = *Session::create(model, pool, {.context = 24, .max_batch = 24});
  session.set_site_observer([&](const std::string& site, const float* x, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) largest[site] = std::max(largest[site], std::fabs(x[i]));
  });
  for (const auto& s : options.calibration) {
    session.reset();
    ASSERT_TRUE(session.evaluate(s, Session::Logits::kNone, {}).ok());
  }
  const auto& scales = absmax->checkpoint.activation_scales;
  for (const auto& [module, s] : scales) {
    EXPECT_EQ(s.input, largest.at(module + ".input") / 127.0f) << module;
    EXPECT_EQ(s.output, largest.at(module + ".output") / 127.0f) << module;
    EXPECT_LT(percentile->checkpoint.activation_scales.at(module).input, s.input);
  }
  EXPECT_EQ(scales.count("embed_tokens") + scales.count("lm_head") + scales.count("per_layer_model_projection"), 0u);
  EXPECT_EQ(scales.at("layers.0.self_attn.q_proj").input, scales.at("layers.0.self_attn.v_proj").input);
  EXPECT_EQ(scales.at("layers.9.mlp.gate_proj").input, scales.at("layers.9.mlp.up_proj").input);
  EXPECT_NE(scales.at("layers.9.mlp.gate_proj").output, scales.at("layers.9.mlp.up_proj").output);
  ASSERT_EQ(absmax->checkpoint.cache_scales.size(), 10u);
  for (int l = 0; l < 10; ++l) {
    EXPECT_EQ(absmax->checkpoint.cache_scales[l].k,
              largest.at("layers." + std::to_string(c.kv_donor(l)) + ".k") / 127.0f);
    EXPECT_EQ(absmax->checkpoint.cache_scales[l].v, 6.0f / 127.0f);
  }
}

TEST(Quantize, RulesDecideAndFloatStaysFloat) {
  const GemmaConfig c = tiny_e();
  const Checkpoint source = random_checkpoint(c, 10);
  PtqOptions options = options_for(c, "mobile", PtqMethod::kGptq);
  options.scheme.rules = {{"embed_tokens$", 8}, {"self_attn", 0}};
  const auto r = quantize_checkpoint(source, options);
  ASSERT_TRUE(r.ok()) << r.status().message();
  EXPECT_EQ(r->checkpoint.tensors.at("embed_tokens.weight").dtype, DType::kI8Row);
  EXPECT_EQ(r->checkpoint.tensors.at("layers.0.self_attn.q_proj.weight").dtype, DType::kF32);
  EXPECT_EQ(r->checkpoint.activation_scales.count("layers.0.self_attn.q_proj"), 0u);
}

TEST(Quantize, RefusesWhatItCannotDo) {
  const GemmaConfig c = tiny_e();
  const Checkpoint source = random_checkpoint(c, 11);
  const auto code = [&](const Checkpoint& m, const PtqOptions& o) { return quantize_checkpoint(m, o).status().code(); };
  PtqOptions o = options_for(c, "none", PtqMethod::kRtn);
  EXPECT_EQ(code(source, o), Code::kInvalidArgument);
  EXPECT_EQ(code(source, options_for(c, "q8_0", PtqMethod::kGptq)), Code::kInvalidArgument);
  o = options_for(c, "q4_0", PtqMethod::kGptq);
  o.calibration.clear();
  EXPECT_EQ(code(source, o), Code::kInvalidArgument);
  o = options_for(c, "mobile", PtqMethod::kRtn);
  o.calibration.clear();
  EXPECT_EQ(code(source, o), Code::kInvalidArgument);
  o.activations = ActivationRange::kNone;
  EXPECT_EQ(code(source, o), Code::kOk);
  o = options_for(c, "q4_0", PtqMethod::kImatrix);
  o.calibration[3][7] = c.vocab_size;
  EXPECT_EQ(code(source, o), Code::kInvalidArgument);
  o.calibration[3][7] = -1;
  EXPECT_EQ(code(source, o), Code::kInvalidArgument);
  o = options_for(c, "q4_0", PtqMethod::kImatrix);
  o.calibration[2].clear();
  EXPECT_EQ(code(source, o), Code::kInvalidArgument);

  const auto once = quantize_checkpoint(source, options_for(c, "q4_0", PtqMethod::kRtn));
  EXPECT_EQ(code(once->checkpoint, options_for(c, "q4_0", PtqMethod::kMse)), Code::kUnsupported);
  EXPECT_EQ(code(random_checkpoint(tiny_e(8), 1), options_for(tiny_e(8), "q4_0", PtqMethod::kRtn)),
            Code::kInvalidArgument);
  Checkpoint incomplete = source;
  incomplete.tensors.erase("layers.4.mlp.up_proj.weight");
  EXPECT_EQ(code(incomplete, options_for(c, "q4_0", PtqMethod::kRtn)), Code::kNotFound);

  EXPECT_EQ(parse_ptq_method("magic").status().code(), Code::kInvalidArgument);
  for (const char* name : {"rtn", "mse", "imatrix", "gptq"}) EXPECT_EQ(name_of(*parse_ptq_method(name)), name);
}

TEST(Quantize, NamesTheTensorThatIsNotFinite) {
  const GemmaConfig c = tiny_moe();
  for (PtqMethod method : {PtqMethod::kRtn, PtqMethod::kMse, PtqMethod::kImatrix, PtqMethod::kGptq})
    for (const char* scheme : {"q4_0", "mobile"}) {
      Checkpoint broken = random_checkpoint(c, 12);
      const std::string name = "layers.3.self_attn.o_proj.weight";
      std::vector<float> w = floats(broken.tensors.at(name));
      w[100] = std::numeric_limits<float>::quiet_NaN();
      broken.set(name, Tensor::from_floats(broken.tensors.at(name).shape, w));
      const Status s = quantize_checkpoint(broken, options_for(c, scheme, method)).status();
      EXPECT_EQ(s.code(), Code::kCorrupt);
      EXPECT_NE(s.message().find(name), std::string::npos) << s.message();
    }
}

TEST(Quantize, StopsWhenAsked) {
  const GemmaConfig c = tiny_e();
  const Checkpoint source = random_checkpoint(c, 13);
  std::atomic<bool> stop = false;
  int steps = 0;
  PtqOptions options = options_for(c, "mobile", PtqMethod::kGptq);
  options.stop = &stop;
  options.progress = [&](const std::string&, int done, int total) {
    EXPECT_LE(done, total);
    if (++steps == 20) stop = true;
  };
  EXPECT_EQ(quantize_checkpoint(source, options).status().code(), Code::kCancelled);
  EXPECT_EQ(steps, 20);
}

}  // namespace
}  // namespace facet
