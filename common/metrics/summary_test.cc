#include "common/metrics/summary.h"

#include <cmath>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/fake_clock.h"

namespace dragonfly {
namespace {

using std::chrono::minutes;
using testing::DoubleNear;

double QuantileOf(const Summary& summary, std::size_t index, SteadyTime now) {
  return summary.Collect(now).summary.quantile.at(index).value;
}

TEST(SummaryTest, QuantilesAreNearTheirValues) {
  const FakeClock clock;
  Summary summary;
  for (int i = 1; i <= 1000; ++i) summary.Observe(i, clock.Now());
  const auto collected = summary.Collect(clock.Now()).summary;
  EXPECT_EQ(collected.sample_count, 1000U);
  EXPECT_EQ(collected.sample_sum, 500500);
  for (const auto& [quantile, value] : collected.quantile) {
    EXPECT_THAT(value, DoubleNear(quantile * 1000, quantile * 33)) << quantile;
  }
}

TEST(SummaryTest, KeepsItsPrecisionOverNineDecades) {
  const FakeClock clock;
  for (double value = 0.001; value < 1e7; value *= 3.7) {
    Summary summary;
    summary.Observe(value, clock.Now());
    EXPECT_THAT(QuantileOf(summary, 0, clock.Now()), DoubleNear(value, value * 0.032)) << value;
  }
}

TEST(SummaryTest, TakesWhatIsOutOfRangeForTheNearestItKnows) {
  const FakeClock clock;
  Summary summary;
  for (const double value : {0.0, -5.0, std::nan(""), 1e300}) summary.Observe(value, clock.Now());
  EXPECT_LT(QuantileOf(summary, 0, clock.Now()), 0.0011);
  EXPECT_GT(QuantileOf(summary, 3, clock.Now()), 6e7);
}

TEST(SummaryTest, ForgetsAfterTenMinutesButNotTheTotals) {
  FakeClock clock;
  Summary summary;
  EXPECT_TRUE(std::isnan(QuantileOf(summary, 0, clock.Now())));
  summary.Observe(7, clock.Now());
  clock.Advance(minutes(5));
  EXPECT_FALSE(std::isnan(QuantileOf(summary, 0, clock.Now())));
  clock.Advance(minutes(5));
  EXPECT_TRUE(std::isnan(QuantileOf(summary, 0, clock.Now())));
  EXPECT_EQ(summary.Collect(clock.Now()).summary.sample_count, 1U);
  // The place of the old values is used again.
  summary.Observe(100, clock.Now());
  EXPECT_THAT(QuantileOf(summary, 3, clock.Now()), DoubleNear(100, 3.2));
}

TEST(SummaryTest, LosesNothingBetweenThreads) {
  const FakeClock clock;
  Summary summary;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 10'000; ++n) summary.Observe(2, clock.Now());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(summary.Collect(clock.Now()).summary.sample_count, 40'000U);
  EXPECT_EQ(summary.Collect(clock.Now()).summary.sample_sum, 80'000);
}

TEST(SummaryFamilyTest, HasOneSummaryPerSetOfLabels) {
  const FakeClock clock;
  SummaryFamily family("d_milliseconds", "Help.", clock);
  family.Add({{"size", "1"}}).Observe(5, clock.Now());
  EXPECT_EQ(&family.Add({{"size", "1"}}), &family.Add({{"size", "1"}}));
  family.Add({{"size", "2"}});
  const auto collected = family.Collect();
  ASSERT_EQ(collected.size(), 1U);
  EXPECT_EQ(collected[0].name, "d_milliseconds");
  EXPECT_EQ(collected[0].type, prometheus::MetricType::Summary);
  ASSERT_EQ(collected[0].metric.size(), 2U);
  EXPECT_EQ(collected[0].metric[0].label[0].value, "1");
  EXPECT_EQ(collected[0].metric[0].summary.sample_count, 1U);
}

}  // namespace
}  // namespace dragonfly
