#include "eval/report.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"

namespace facet {
namespace {

namespace fs = std::filesystem;

// An arm whose windows have the given mean loss and KL.
EvalRecord arm(const std::string& scheme, const std::string& method, double nll, double kl) {
  EvalRecord r;
  r.path = scheme + "-" + method;
  r.sha256 = "00";
  r.scheme = scheme;
  r.method = method;
  r.text_path = "test.txt";
  r.context = 10;
  double total_nll = 0, total_kl = 0;
  for (int w = 0; w < 20; ++w) {
    double wobble = 1 + 0.01 * (w % 5 - 2);
    r.text.windows.push_back(
        {.tokens = 10, .nll = 10 * nll * wobble, .against = {{.nll = 30, .kl = 10 * kl * wobble, .same_top = 9}}});
    total_nll += r.text.windows.back().nll;
    total_kl += r.text.windows.back().against[0].kl;
  }
  r.text.tokens = 200;
  r.text.ppl = std::exp(total_nll / 200);
  Divergence d;
  d.kld_mean = total_kl / 200;
  d.top1 = 0.9;
  r.text.against.push_back(d);
  r.references.push_back({"float", "11", d});
  return r;
}

class ReportTest : public testing::Test {
 protected:
  void SetUp() override {
    // Tests of one binary run side by side.
    folder_ = fs::path(testing::TempDir()) /
              (std::string("facet_report_") + testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void put(const std::string& name, const EvalRecord& r) {
    ASSERT_TRUE(write_text_file((folder_ / (name + ".eval.json")).string(), to_json(r)).ok());
  }
  fs::path folder_;
};

TEST_F(ReportTest, ARecordSurvivesTheFile) {
  EvalRecord r = arm("q4_0", "qat", 3.1, 0.004);
  r.tasks = TaskEval{{true, false, true}, 2.0 / 3, 0.27, 0.25};
  auto back = parse_eval_record(to_json(r), "x");
  ASSERT_TRUE(back.ok()) << back.status().message();
  EXPECT_EQ(to_json(*back), to_json(r));
  EXPECT_EQ(parse_eval_record("{}", "x.json").status().code(), Code::kCorrupt);
}

TEST_F(ReportTest, SharesWonBack) {
  put("float", arm("none", "float", 3.0, 0));
  put("rtn", arm("q4_0", "rtn", 3.10, 0.010));
  put("gptq", arm("q4_0", "gptq", 3.05, 0.006));
  put("qat", arm("q4_0", "qat", 3.02, 0.003));
  auto report = build_report(folder_.string());
  ASSERT_TRUE(report.ok()) << report.status().message();
  ASSERT_EQ(report->summaries.size(), 1u);
  const SchemeSummary& s = report->summaries[0];
  EXPECT_EQ(s.best_ptq_method, "gptq");
  EXPECT_NEAR(s.against_plain.kl_cut, 0.7, 1e-9);
  EXPECT_NEAR(s.against_best.kl_cut, 0.5, 1e-9);
  EXPECT_NEAR(s.against_plain.ppl_won_back, (std::exp(3.10) - std::exp(3.02)) / (std::exp(3.10) - std::exp(3.0)), 1e-9);
  EXPECT_LE(s.against_best.kl_cut_interval.low, 0.5 + 1e-9);
  EXPECT_GE(s.against_best.kl_cut_interval.high, 0.5 - 1e-9);
  EXPECT_TRUE(s.against_plain.ppl_meaningful);

  auto json = nlohmann::json::parse(report_json(*report));
  EXPECT_NEAR(json["kl_cut"]["q4_0"]["best_ptq"].get<double>(), 0.5, 1e-9);
  EXPECT_EQ(json["rows"].size(), 4u);
  for (const char* key : {"scheme", "method", "ppl", "ppl_stderr", "kld_mean", "top1_agreement", "task_accuracy",
                          "bits_per_weight", "file_bytes", "peak_rss_bytes", "tokens_per_second"})
    EXPECT_TRUE(json["rows"][0].contains(key)) << key;
  std::string html = report_html(*report);
  EXPECT_NE(html.find("<svg"), std::string::npos);
  EXPECT_EQ(html.find("http://www.w3.org/2000/svg") == std::string::npos, false);
  EXPECT_NE(report_table(*report).find("QAT cuts KL by 50.0 %"), std::string::npos);
}

TEST_F(ReportTest, ALabelledArmMeetsItsOwnLabelFirst) {
  auto labelled = [](EvalRecord r, const char* label) {
    r.label = label;
    return r;
  };
  put("float", arm("none", "float", 3.0, 0));
  put("mse", arm("mobile", "mse", 3.10, 0.010));
  put("gptq", arm("mobile", "gptq", 3.05, 0.006));
  put("qat", arm("mobile", "qat", 3.02, 0.003));
  put("seed2", labelled(arm("mobile", "qat", 3.02, 0.002), "seed 2"));
  put("h8-gptq", labelled(arm("mobile", "gptq", 3.01, 0.002), "head 8"));
  put("h8-qat", labelled(arm("mobile", "qat", 3.01, 0.001), "head 8"));
  auto report = build_report(folder_.string());
  ASSERT_TRUE(report.ok()) << report.status().message();
  ASSERT_EQ(report->summaries.size(), 1u);
  const std::vector<LabelledArm>& others = report->summaries[0].others;
  ASSERT_EQ(others.size(), 2u);
  EXPECT_EQ(others[0].label, "head 8");
  EXPECT_NEAR(others[0].against_best.kl_cut, 0.5, 1e-9);
  EXPECT_FALSE(others[0].against_plain.has_value());
  EXPECT_EQ(others[1].label, "seed 2");
  EXPECT_NEAR(others[1].against_best.kl_cut, 1 - 0.002 / 0.006, 1e-9);
  EXPECT_NEAR(others[1].against_plain->kl_cut, 0.8, 1e-9);
  EXPECT_NEAR(report->summaries[0].against_best.kl_cut, 0.5, 1e-9);
  auto json = nlohmann::json::parse(report_json(*report));
  EXPECT_NEAR(json["intervals"]["mobile"]["other_qat_arms"]["seed 2"]["kl_cut"]["mse"].get<double>(), 0.8, 1e-9);
  EXPECT_NE(report_table(*report).find("QAT (head 8) cuts KL by 50.0 %"), std::string::npos);
  EXPECT_NE(report_html(*report).find("QAT: seed 2"), std::string::npos);
}

TEST_F(ReportTest, ShowsValidationsAndEachArmsOwnFloat) {
  put("float", arm("none", "float", 3.0, 0));
  EvalRecord qat = arm("q4_0", "qat", 3.02, 0.003);
  qat.references.push_back({"qat/last", "22", {}});
  qat.references[1].divergence.kld_mean = 0.0123456;
  qat.text.against.push_back(qat.references[1].divergence);
  for (WindowSums& w : qat.text.windows) w.against.push_back(w.against[0]);
  put("qat", qat);
  fs::create_directories(folder_ / "run");
  ASSERT_TRUE(
      write_text_file((folder_ / "run" / "log.jsonl").string(), R"({"event":"step","step":10,"loss":0.5,"kl":0.5}
{"event":"validation","step":10,"ce":3.1,"kl":0.25}
{"event":"step","step":20,"loss":0.4,"kl":0.4}
{"event":"validation","step":20,"ce":3.0}
{"event":"sav)")
          .ok());
  auto report = build_report(folder_.string());
  ASSERT_TRUE(report.ok()) << report.status().message();
  ASSERT_EQ(report->curves.size(), 1u);
  EXPECT_EQ(report->curves[0].loss, (std::vector<double>{0.5, 0.4}));
  EXPECT_EQ(report->curves[0].valid, (std::vector<double>{0.25, 3.0}));
  std::string html = report_html(*report);
  EXPECT_NE(html.find("KL to own float"), std::string::npos);
  EXPECT_NE(html.find("0.01235"), std::string::npos);
}

TEST_F(ReportTest, RefusesMixedTextsAndEmptyFolders) {
  EXPECT_EQ(build_report(folder_.string()).status().code(), Code::kNotFound);
  put("a", arm("none", "float", 3.0, 0));
  EvalRecord other = arm("q4_0", "rtn", 3.1, 0.01);
  other.text.tokens = 100;
  put("b", other);
  EXPECT_EQ(build_report(folder_.string()).status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace facet
