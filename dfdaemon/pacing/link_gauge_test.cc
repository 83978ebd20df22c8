#include "dfdaemon/pacing/link_gauge.h"

#include <chrono>

#include <gtest/gtest.h>

namespace dragonfly::dfdaemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const SteadyTime kStart{std::chrono::hours(1)};

// Moves bytes evenly for a while; returns the time afterwards.
SteadyTime Move(LinkGauge& gauge, SteadyTime now, milliseconds time, double rate) {
  for (milliseconds at{0}; at < time; at += milliseconds(5), now += milliseconds(5)) {
    gauge.Moved(now, static_cast<std::uint64_t>(rate * 0.005));
  }
  return now;
}

TEST(LinkGaugeTest, KnowsNothingAtFirst) {
  LinkGauge gauge;
  EXPECT_EQ(gauge.rate(kStart, seconds(1)), 0);
  EXPECT_EQ(gauge.capacity(kStart), 0);
}

TEST(LinkGaugeTest, KnowsAFastLinkAfterAFortiethOfASecond) {
  LinkGauge gauge;
  const SteadyTime now = Move(gauge, kStart, milliseconds(25), 1e9);
  EXPECT_NEAR(gauge.capacity(now), 1e9, 1e7);
}

TEST(LinkGaugeTest, ABurstAtTheBeginningCountsForLittle) {
  LinkGauge gauge;
  gauge.Moved(kStart, 256'000);
  const SteadyTime now = Move(gauge, kStart, seconds(1), 12.5e6);
  EXPECT_LT(gauge.capacity(now), 14e6);
}

TEST(LinkGaugeTest, ForgetsWhatItCarriedSlowly) {
  LinkGauge gauge;
  SteadyTime now = Move(gauge, kStart, seconds(1), 1e8);
  EXPECT_NEAR(gauge.rate(now, milliseconds(100)), 1e8, 1e6);
  now = Move(gauge, now, seconds(1), 1e7);
  EXPECT_NEAR(gauge.rate(now, milliseconds(100)), 1e7, 1e6);
  EXPECT_GT(gauge.capacity(now), 0.9e8);
  EXPECT_NEAR(gauge.capacity(now + seconds(20)), 0.48e8, 0.04e8);
}

TEST(LinkGaugeTest, BeginsAnewAfterARest) {
  LinkGauge gauge;
  SteadyTime now = Move(gauge, kStart, seconds(1), 1e8) + seconds(3);
  EXPECT_EQ(gauge.rate(now, milliseconds(100)), 0);
  now = Move(gauge, now, milliseconds(200), 1e8);
  EXPECT_NEAR(gauge.rate(now, milliseconds(100)), 1e8, 2e7);
}

}  // namespace
}  // namespace dragonfly::dfdaemon
