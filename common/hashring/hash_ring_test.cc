#include "common/hashring/hash_ring.h"

#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/base/strings.h"
#include "common/hashring/siphash.h"
#include "common/testing/matchers.h"

namespace dragonfly {
namespace {

TEST(RingAddressTest, TakesAddressesWithPortsOnly) {
  EXPECT_THAT(RingAddress::Parse("10.0.0.1:8002"), IsOk());
  EXPECT_THAT(RingAddress::Parse("[2001:db8::1]:8002"), IsOk());
  for (const char* text : {"", "10.0.0.1", "host:8002", "2001:db8::1:8002", "[fe80::1%eth0]:1",
                           "10.0.0.1:", "10.0.0.1:65536", "10.0.0.1:8002x", "[10.0.0.1]:1", "[::1]"}) {
    EXPECT_THAT(RingAddress::Parse(text), StatusIs(absl::StatusCode::kInvalidArgument)) << text;
  }
}

TEST(HashRingTest, FindsTheNextPointAndWrapsAround) {
  const HashRing ring({{10, 0, 0}, {20, 1, 0}});
  EXPECT_EQ(ring.AtOrAfter(10)->member, 0U);
  EXPECT_EQ(ring.AtOrAfter(11)->member, 1U);
  EXPECT_EQ(ring.AtOrAfter(21)->member, 0U);
  EXPECT_EQ(ring.After(10)->member, 1U);
  EXPECT_EQ(ring.After(20)->member, 0U);
  EXPECT_EQ(HashRing().AtOrAfter(0), std::nullopt);
}

TEST(SchedulerRingTest, RefusesShortIdsAndEmptyRings) {
  const std::vector<RingAddress> one = {RingAddress::Parse("10.0.0.1:8002").value()};
  EXPECT_THAT(SchedulerRing(one).Pick("abcd"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(SchedulerRing({}).Pick("abcdef"), StatusIs(absl::StatusCode::kUnavailable));
}

TEST(SeedRingTest, MovesOnlyTheTasksOfAMemberThatLeaves) {
  std::vector<std::string> members;
  for (int i = 0; i < 10; ++i) members.push_back(StrCat("10.0.0.", i, ":4000"));
  const SeedRing all(members);
  const std::string gone = members.back();
  members.pop_back();
  const SeedRing rest(members);
  std::map<std::size_t, int> load;
  for (int i = 0; i < 1000; ++i) {
    const std::string task = StrCat("task-", i);
    const std::size_t before = *all.Pick(task);
    ++load[before];
    if (before != members.size()) EXPECT_EQ(*rest.Pick(task), before) << gone;
  }
  EXPECT_EQ(load.size(), 10U) << "every member has some";
}

TEST(SipHashTest, IsTheOneOfRustsDefaultHasher) {
  // SipHash-1-3 with a zero key.
  EXPECT_EQ(RingHash("27554"), 0x8bb4ecff9d4b2a1bU);
}

}  // namespace
}  // namespace dragonfly
