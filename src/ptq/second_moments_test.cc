#include "ptq/second_moments.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/rng.h"

namespace facet {
namespace {

TEST(SecondMoments, EqualThePlainSumsForAnyThreads) {
  for (int k : {1, 63, 64, 65, 200}) {
    Rng rng(k);
    std::vector<std::vector<float>> data;
    std::vector<InputRows> inputs;
    for (int n : {5, 1, 130}) {
      data.emplace_back(n * k);
      for (float& v : data.back()) v = rng.normal();
    }
    for (const auto& d : data) inputs.push_back({d.data(), static_cast<int>(d.size()) / k});
    Eigen::MatrixXd plain = Eigen::MatrixXd::Zero(k, k);
    for (const InputRows& rows : inputs)
      for (int t = 0; t < rows.n; ++t)
        for (int i = 0; i < k; ++i)
          for (int j = 0; j < k; ++j) plain(i, j) += double(rows.x[t * k + i]) * rows.x[t * k + j] / 136.0;
    ThreadPool one(1), three(3);
    const Eigen::MatrixXd h = second_moments(inputs, k, one);
    EXPECT_LT((h - plain).norm() / plain.norm(), 1e-6);
    EXPECT_EQ((h - h.transpose()).norm(), 0.0);
    EXPECT_TRUE(h == second_moments(inputs, k, three));
    const std::vector<double> squares = mean_squares(inputs, k, one);
    for (int j = 0; j < k; ++j) EXPECT_NEAR(squares[j], plain(j, j), 1e-12);
    EXPECT_EQ(squares, mean_squares(inputs, k, three));
    EXPECT_EQ(count_rows(inputs), 136);
  }
}

TEST(SecondMoments, NoRowsGiveZeros) {
  ThreadPool pool(1);
  EXPECT_EQ(second_moments({}, 3, pool).norm(), 0.0);
  EXPECT_EQ(mean_squares({}, 2, pool), (std::vector<double>{0, 0}));
}

}  // namespace
}  // namespace facet
