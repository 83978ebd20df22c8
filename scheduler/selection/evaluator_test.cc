#include "scheduler/selection/evaluator.h"

#include <gtest/gtest.h>

#include "common/testing/matchers.h"
#include "scheduler/selection/parent_finder.h"
#include "scheduler/swarm/test_swarm.h"

namespace dragonfly::scheduler {
namespace {

TEST(EvaluatorTest, HeadroomIsThatOfTheBusiestPart) {
  EXPECT_DOUBLE_EQ(Headroom({}), 1);
  EXPECT_DOUBLE_EQ(Headroom({.cpu_percent = 50, .memory_percent = 80, .disk_percent = 90}), 1);
  EXPECT_DOUBLE_EQ(Headroom({.cpu_percent = 75}), 0.5);
  EXPECT_DOUBLE_EQ(Headroom({.cpu_percent = 75, .memory_percent = 98}), 0.1);
  EXPECT_DOUBLE_EQ(Headroom({.disk_percent = 95}), 0.5);
  EXPECT_DOUBLE_EQ(Headroom({.disk_bandwidth = 250'000'000}), 0.75);
  // Of several cores together, and what nobody can have announced.
  EXPECT_DOUBLE_EQ(Headroom({.cpu_percent = 1600}), 0);
  EXPECT_DOUBLE_EQ(Headroom({.disk_bandwidth = UINT64_MAX}), 0);
}

std::string FirstChoice(const std::string& algorithm) {
  TestSwarm swarm;
  HostInfo busy = TestSwarm::SomeHost("h-busy");
  busy.idc = "near";
  busy.load.cpu_percent = 100;
  HostInfo idle = TestSwarm::SomeHost("h-idle");
  HostInfo child = TestSwarm::SomeHost("h-child");
  child.idc = "near";
  BringTo(swarm.AddPeer("busy", busy), PeerState::kSucceeded, swarm.now);
  BringTo(swarm.AddPeer("idle", idle), PeerState::kSucceeded, swarm.now);
  Peer& peer = swarm.AddPeer("child", child);
  BringTo(peer, PeerState::kReceivedNormal, swarm.now);
  const auto evaluator = MakeEvaluator(algorithm);
  if (!evaluator.ok()) return evaluator.status().ToString();
  ParentFinder finder(**evaluator);
  Random random(1);
  return finder.Find(peer, {}, random).front().peer->id().str();
}

TEST(EvaluatorTest, ABusyNeighbourLosesOnlyWhereLoadCounts) {
  EXPECT_EQ(FirstChoice("default"), "busy");
  EXPECT_EQ(FirstChoice("load-aware"), "idle");
  EXPECT_EQ(FirstChoice("ml"), "busy");
  EXPECT_THAT(MakeEvaluator("plugin"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(ParentFinderTest, HostsThatWereHeardOfComeFirst) {
  TestSwarm swarm("a:Succeeded c:ReceivedNormal");
  HostInfo restored = TestSwarm::SomeHost("h-r");
  restored.idc = "near";
  swarm.hosts.Restore(restored, swarm.now);
  Peer& r = swarm.AddPeer("r", restored);
  BringTo(r, PeerState::kSucceeded, swarm.now);
  const auto evaluator = *MakeEvaluator("default");
  ParentFinder finder(*evaluator);
  Random random(1);
  auto found = finder.Find(swarm["c"], {}, random);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].peer->id().str(), "a");
  swarm.task.Lost(swarm["a"]);
  r.host().Touch(swarm.now);
  found = finder.Find(swarm["c"], {}, random);
  EXPECT_EQ(found[0].peer->id().str(), "r");
}

}  // namespace
}  // namespace dragonfly::scheduler
