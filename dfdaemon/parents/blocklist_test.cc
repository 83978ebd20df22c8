#include "dfdaemon/parents/blocklist.h"

#include <string>

#include <gtest/gtest.h>

namespace dragonfly::dfdaemon {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

const HostId kHost("10.0.0.1-a");
const SteadyTime kNow{std::chrono::hours(1)};

TEST(ParentBlocklistTest, ALiarIsBlockedForTenMinutesAndNamedOnce) {
  ParentBlocklist blocklist;
  EXPECT_TRUE(blocklist.Lied(kHost, kNow));
  EXPECT_FALSE(blocklist.Lied(kHost, kNow));
  EXPECT_TRUE(blocklist.Blocked(kHost, kNow + minutes(10) - seconds(1)));
  EXPECT_FALSE(blocklist.Blocked(kHost, kNow + minutes(10)));
  EXPECT_TRUE(blocklist.Lied(kHost, kNow + minutes(11)));
}

TEST(ParentBlocklistTest, ThreeFailuresInARowBlock) {
  ParentBlocklist blocklist;
  EXPECT_FALSE(blocklist.Failed(kHost, kNow));
  EXPECT_FALSE(blocklist.Failed(kHost, kNow));
  EXPECT_FALSE(blocklist.Blocked(kHost, kNow));
  EXPECT_TRUE(blocklist.Failed(kHost, kNow));
  EXPECT_TRUE(blocklist.Blocked(kHost, kNow));
  EXPECT_FALSE(blocklist.Blocked(HostId("10.0.0.2-b"), kNow));
}

TEST(ParentBlocklistTest, OnlyALiarIsQuarantined) {
  ParentBlocklist blocklist;
  for (int i = 0; i < 3; ++i) blocklist.Failed(kHost, kNow);
  EXPECT_TRUE(blocklist.Blocked(kHost, kNow));
  EXPECT_FALSE(blocklist.Quarantined(kHost, kNow));
  blocklist.Lied(kHost, kNow);
  EXPECT_TRUE(blocklist.Quarantined(kHost, kNow));
  EXPECT_FALSE(blocklist.Quarantined(kHost, kNow + minutes(10)));
}

TEST(ParentBlocklistTest, ASuccessInBetweenStartsTheCountAnew) {
  ParentBlocklist blocklist;
  blocklist.Failed(kHost, kNow);
  blocklist.Failed(kHost, kNow);
  blocklist.Succeeded(kHost);
  EXPECT_FALSE(blocklist.Failed(kHost, kNow));
}

TEST(ParentBlocklistTest, BlocksForFailuresGrowUpToFiveMinutes) {
  ParentBlocklist blocklist;
  SteadyTime now = kNow;
  for (const int expected : {10, 20, 40, 80, 160, 300, 300}) {
    for (int i = 0; i < 3; ++i) blocklist.Failed(kHost, now);
    EXPECT_TRUE(blocklist.Blocked(kHost, now + seconds(expected - 1)));
    now += seconds(expected);
    EXPECT_FALSE(blocklist.Blocked(kHost, now));
  }
}

TEST(ParentBlocklistTest, ASuccessDoesNotClearALiar) {
  ParentBlocklist blocklist;
  blocklist.Lied(kHost, kNow);
  blocklist.Succeeded(kHost);
  EXPECT_TRUE(blocklist.Blocked(kHost, kNow));
}

TEST(ParentBlocklistTest, IsBounded) {
  BlocklistOptions options;
  options.max_hosts = 4;
  ParentBlocklist blocklist(options);
  for (int i = 0; i < 100; ++i) {
    blocklist.Lied(HostId(std::to_string(i)), kNow + std::chrono::milliseconds(i));
  }
  EXPECT_EQ(blocklist.size(), 4U);
  EXPECT_TRUE(blocklist.Blocked(HostId("99"), kNow + seconds(1))) << "the newest stays";
}

}  // namespace
}  // namespace dragonfly::dfdaemon
