#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/random.h"
#include "common/testing/matchers.h"
#include "scheduler/swarm/test_swarm.h"

namespace dragonfly::scheduler {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

TEST(TaskTest, RefusesAnEdgeThatClosesACycle) {
  TestSwarm swarm("a:Running b:Running<a c:Running<b");
  EXPECT_THAT(swarm.task.AddEdge(swarm["c"], swarm["a"]),
              StatusIs(absl::StatusCode::kInternal, "cycle between vertices"));
  EXPECT_TRUE(swarm["a"].parents().empty());
}

TEST(TaskTest, TakesBackWhatAnEdgeAddedEvenIfTheLengthChanged) {
  TaskSpec spec = TestSwarm::SomeTask();
  spec.content_length = -1;
  TestSwarm swarm("p:Succeeded a:Running<p", spec);
  TaskSpec later = TestSwarm::SomeTask();
  swarm.task.Refresh(later);
  swarm.task.DetachFromParents(swarm["a"]);
  const UploadLoad load = swarm["p"].host().load();
  EXPECT_EQ(load.tx_bandwidth, 0U);
  EXPECT_EQ(load.content_length, 0U);
  EXPECT_EQ(load.concurrent_upload_count, 0);
  EXPECT_EQ(load.upload_count, 1U);
}

TEST(TaskTest, GivesCountersBackWhenTheTaskGoes) {
  std::shared_ptr<Host> host;
  {
    TestSwarm swarm("p:Succeeded a:Running<p");
    host = swarm["p"].shared_host();
    EXPECT_EQ(host->load().concurrent_upload_count, 1);
  }
  EXPECT_EQ(host->load().concurrent_upload_count, 0);
}

TEST(TaskTest, AFinishedPeerLosesItsParentsAndKeepsItsChildren) {
  TestSwarm swarm("p:Succeeded a:Running<p b:Running<a");
  EXPECT_THAT(swarm.task.Apply(swarm["a"], PeerEvent::kDownloadSucceeded, swarm.now), IsOk());
  EXPECT_TRUE(swarm["a"].parents().empty());
  EXPECT_EQ(swarm["b"].parents().size(), 1U);
}

TEST(TaskTest, CountsWhoReadsTheSourceUntilTheyEndOrGo) {
  TestSwarm swarm("a:BackToSource b:BackToSource c:BackToSource");
  EXPECT_EQ(swarm.task.back_to_source_count(), 3U);
  EXPECT_THAT(swarm.task.Apply(swarm["a"], PeerEvent::kDownloadSucceeded, swarm.now), IsOk());
  EXPECT_THAT(swarm.task.Apply(swarm["b"], PeerEvent::kLeave, swarm.now), IsOk());
  swarm.swarm.RemovePeer(swarm["c"]);
  EXPECT_EQ(swarm.task.back_to_source_count(), 0U);
}

TEST(TaskTest, SamplesUniformlyWithoutReplacement) {
  TestSwarm swarm;
  for (int i = 0; i < 20; ++i) swarm.AddPeer(StrCat("p", i, ":Succeeded"));
  Random random(7);
  std::vector<int> drawn(20);
  for (int round = 0; round < 4000; ++round) {
    std::set<std::string> seen;
    for (const auto& peer : swarm.task.Sample(5, random)) {
      EXPECT_TRUE(seen.insert(peer->id().str()).second);
      ++drawn[static_cast<std::size_t>(std::stoi(peer->id().str().substr(1)))];
    }
    EXPECT_EQ(seen.size(), 5U);
  }
  for (const int count : drawn) EXPECT_NEAR(count, 1000, 150);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(swarm[StrCat("p", i)].id().str(), StrCat("p", i));
}

TEST(TaskTest, DrawsOnlyPeersThatCanBeParents) {
  TestSwarm swarm("seed*:Running");
  for (int i = 0; i < 50; ++i) swarm.AddPeer(StrCat("p", i, ":ReceivedNormal"));
  Random random(7);
  const auto sample = swarm.task.Sample(5, random);
  ASSERT_EQ(sample.size(), 1U);
  EXPECT_EQ(sample[0]->id().str(), "seed");
  EXPECT_THAT(swarm.task.Apply(swarm["p7"], PeerEvent::kDownload, swarm.now), IsOk());
  EXPECT_EQ(swarm.task.Sample(5, random).size(), 2U);
  EXPECT_THAT(swarm.task.Apply(swarm["seed"], PeerEvent::kDownloadFailed, swarm.now), IsOk());
  EXPECT_EQ(swarm.task.Sample(5, random).size(), 1U);
  swarm.swarm.RemovePeer(swarm["p7"]);
  EXPECT_EQ(swarm.task.Sample(5, random).size(), 0U);
  EXPECT_EQ(swarm.task.peer_count(), 50U);
}

TEST(TaskTest, RemembersNoPieceNumberWithoutBounds) {
  PieceSet pieces;
  EXPECT_FALSE(pieces.Set(4'000'000'000U));
  EXPECT_TRUE(pieces.Set(130));
  EXPECT_FALSE(pieces.Set(130));
  EXPECT_TRUE(pieces.Has(130));
  EXPECT_FALSE(pieces.Has(129));
  EXPECT_EQ(pieces.count(), 1U);
}

struct JudgeCase {
  const char* name;
  std::string peer;
  Duration later;
  Swarm::Verdict verdict;
};

TEST(SwarmTest, JudgesPeersByTheCollectorsRules) {
  using enum Swarm::Verdict;
  const JudgeCase cases[] = {
      {"left", "a:Leave", 0s, kDelete},
      {"failed", "a:Failed", 0s, kLeave},
      {"running, no piece for long", "a:Running", 31min, kLeave},
      {"running, a piece lately", "a:Running", 29min, kKeep},
      {"reads the source, no piece for long", "a:BackToSource", 31min, kLeave},
      {"finished, host announced itself lately", "a:Succeeded", 59min, kKeep},
      {"host silent", "a:Succeeded", 61min, kLeave},
  };
  for (const JudgeCase& test : cases) {
    TestSwarm swarm(test.peer);
    EXPECT_EQ(swarm.swarm.Judge(swarm["a"], swarm.now + test.later), test.verdict) << test.name;
  }
}

TEST(SwarmTest, APeerOfAHostThatSharesNothingStaysUntilItsDownloadEnded) {
  TestSwarm swarm("a:Running");
  HostInfo leech = TestSwarm::SomeHost("h-a");
  leech.disable_shared = true;
  swarm.hosts.Announce(leech, swarm.now);
  EXPECT_EQ(swarm.swarm.Judge(swarm["a"], swarm.now), Swarm::Verdict::kKeep);
  EXPECT_THAT(swarm.task.Apply(swarm["a"], PeerEvent::kDownloadSucceeded, swarm.now), IsOk());
  EXPECT_EQ(swarm.swarm.Judge(swarm["a"], swarm.now), Swarm::Verdict::kLeave);
}

TEST(SwarmTest, ForgetsFinishedPeersThatServeNobodyInACrowdedTask) {
  TestSwarm swarm;
  for (int i = 0; i < 301; ++i) swarm.AddPeer(StrCat("p", i, ":Succeeded"));
  EXPECT_EQ(swarm.swarm.Judge(swarm["p0"], swarm.now), Swarm::Verdict::kDelete);
  swarm.AddPeer("child:Running<p0");
  EXPECT_EQ(swarm.swarm.Judge(swarm["p0"], swarm.now), Swarm::Verdict::kKeep);
}

TEST(SwarmTest, SweepsInPortionsAndMayRemoveWhatItVisits) {
  TestSwarm swarm;
  for (int i = 0; i < 10; ++i) swarm.AddPeer(StrCat("p", i, ":Leave"));
  Swarm::Cursor cursor;
  int portions = 1;
  const auto remove = [&](Peer& peer, Swarm::Verdict) { swarm.swarm.RemovePeer(peer); };
  while (!swarm.swarm.Sweep(cursor, 3, swarm.now, remove)) ++portions;
  EXPECT_EQ(portions, 4);
  EXPECT_EQ(swarm.task.peer_count(), 0U);
  EXPECT_EQ(swarm.swarm.RemoveEmptyTasks(), 1U);
  EXPECT_EQ(swarm.swarm.task_count(), 0U);
}

TEST(SwarmTest, KeepsAnEmptyTaskThatASeedPeerIsFetching) {
  TestSwarm swarm;
  swarm.task.seeding = true;
  EXPECT_EQ(swarm.swarm.RemoveEmptyTasks(), 0U);
}

TEST(SwarmTest, FindsThePeersOfAHost) {
  TestSwarm swarm("a@h:Running b@h:Succeeded c@g:Running");
  const std::shared_ptr<Host> host = swarm.hosts.Find(HostId("h"));
  EXPECT_THAT(swarm.swarm.PeersOn(*host), testing::UnorderedElementsAre(&swarm["a"], &swarm["b"]));
  swarm.swarm.RemovePeer(swarm["b"]);
  swarm.swarm.RemovePeer(swarm["a"]);
  EXPECT_THAT(swarm.swarm.PeersOn(*host), testing::IsEmpty());
}

// Whether the host or the task has fewer peers, the answer is the same.
TEST(SwarmTest, FindsThePeersOfAHostThatDownloadATask) {
  TestSwarm swarm("a@h:Running b@g:Running c@g:Running");
  const std::shared_ptr<Host> host = swarm.hosts.Find(HostId("h"));
  const SteadyTime now{};
  Task& other = swarm.swarm.FindOrCreate(TaskId("other"), TaskSpec(), now);
  const auto add = [&](std::string_view id) {
    PeerSpec spec;
    spec.id = PeerId(id);
    return &swarm.swarm.AddPeer(other, host, std::move(spec), now);
  };
  Peer* const d = add("d");
  EXPECT_THAT(swarm.swarm.PeersOn(*host, swarm.task), testing::ElementsAre(&swarm["a"]));
  EXPECT_THAT(swarm.swarm.PeersOn(*host, other), testing::ElementsAre(d));
  std::vector<Peer*> all = {d, add("e"), add("f"), add("g")};
  EXPECT_THAT(swarm.swarm.PeersOn(*host, swarm.task), testing::ElementsAre(&swarm["a"]));
  EXPECT_THAT(swarm.swarm.PeersOn(*host, other), testing::UnorderedElementsAreArray(all));
}

TEST(HostTableTest, RemovesHostsThatMissedTwoAnnouncements) {
  HostTable hosts;
  const SteadyTime now(1h);
  HostInfo silent = TestSwarm::SomeHost("silent");
  silent.announce_interval = 5min;
  hosts.Announce(silent, now);
  hosts.Announce(TestSwarm::SomeHost("without-interval"), now);
  EXPECT_THAT(hosts.RemoveSilent(now + 10min), testing::IsEmpty());
  EXPECT_THAT(hosts.RemoveSilent(now + 11min), testing::SizeIs(1));
  EXPECT_EQ(hosts.Find(HostId("silent")), nullptr);
  EXPECT_NE(hosts.Find(HostId("without-interval")), nullptr);
}

TEST(HostTableTest, KeepsAHostWhoseIntervalIsTheLongestThereIs) {
  HostTable hosts;
  const SteadyTime now(1h);
  HostInfo patient = TestSwarm::SomeHost("patient");
  patient.announce_interval = Duration::max();
  hosts.Announce(patient, now);
  EXPECT_THAT(hosts.RemoveSilent(now + 24h), testing::IsEmpty());
}

TEST(HostTableTest, AnAnnouncementKeepsCountersAndReachesEveryView) {
  HostTable hosts;
  const SteadyTime now(1h);
  const auto host = hosts.Announce(TestSwarm::SomeHost("h"), now);
  const HostView view(host);
  EXPECT_FALSE(view.info().disable_shared);
  host->AddUpload({1, 2, 3});
  HostInfo changed = TestSwarm::SomeHost("h");
  changed.disable_shared = true;
  EXPECT_EQ(hosts.Announce(changed, now), host);
  EXPECT_TRUE(view.info().disable_shared);
  EXPECT_EQ(host->load().concurrent_piece_count, 2U);
}

/// As SomeHost(), of a daemon that trades.
HostInfo Trading(std::string_view id) {
  HostInfo info = TestSwarm::SomeHost(id);
  info.trades = true;
  return info;
}

TEST(SwarmTest, PeersThatTradeMayBeParentsOfEachOther) {
  TestSwarm swarm;
  for (const char* id : {"a", "b", "c"}) {
    BringTo(swarm.AddPeer(id, Trading(StrCat("h-", id))), PeerState::kRunning, swarm.now);
  }
  EXPECT_THAT(swarm.task.AddEdge(swarm["a"], swarm["b"]), IsOk());
  EXPECT_THAT(swarm.task.AddEdge(swarm["b"], swarm["a"]), IsOk());
  EXPECT_FALSE(swarm.task.AddEdge(swarm["a"], swarm["b"]).ok()) << "it is there already";
  EXPECT_FALSE(swarm.task.AddEdge(swarm["a"], swarm["a"]).ok());
}

TEST(SwarmTest, NoCycleGoesOverAPeerThatDoesNotTrade) {
  TestSwarm swarm;
  BringTo(swarm.AddPeer("a", Trading("h-a")), PeerState::kRunning, swarm.now);
  swarm.AddPeer("old:Running<a");
  BringTo(swarm.AddPeer("c", Trading("h-c")), PeerState::kRunning, swarm.now);
  EXPECT_THAT(swarm.task.AddEdge(swarm["old"], swarm["c"]), IsOk());
  EXPECT_FALSE(swarm.task.AddEdge(swarm["old"], swarm["a"]).ok());
  EXPECT_FALSE(swarm.task.AddEdge(swarm["c"], swarm["a"]).ok()) << "a, old, c, a";
  swarm.task.MarkUnfit(swarm["a"]);
  EXPECT_TRUE(swarm.task.IsMarked(swarm["a"]));
  EXPECT_TRUE(swarm.task.IsMarked(swarm["old"]));
  EXPECT_TRUE(swarm.task.IsMarked(swarm["c"]));
}

TEST(SwarmTest, KnowsWhenNobodyHasMoreThanAPeer) {
  TestSwarm swarm;
  for (const char* id : {"a", "b"}) {
    BringTo(swarm.AddPeer(id, Trading(StrCat("h-", id))), PeerState::kRunning, swarm.now);
  }
  EXPECT_TRUE(swarm.task.NobodyHasMore(swarm["a"], swarm.now));
  swarm["b"].finished_pieces.Set(3);
  EXPECT_FALSE(swarm.task.NobodyHasMore(swarm["a"], swarm.now));
  EXPECT_TRUE(swarm.task.NobodyHasMore(swarm["b"], swarm.now));
  swarm["a"].finished_pieces.Set(3);
  EXPECT_TRUE(swarm.task.NobodyHasMore(swarm["a"], swarm.now));
  Peer& reader = swarm.AddPeer("reader:BackToSource");
  EXPECT_FALSE(swarm.task.NobodyHasMore(swarm["a"], swarm.now));
  EXPECT_TRUE(swarm.task.NobodyHasMore(swarm["a"], swarm.now + std::chrono::seconds(10)))
      << "it brings nothing";
  swarm["a"].Block(reader.id());
  EXPECT_TRUE(swarm.task.NobodyHasMore(swarm["a"], swarm.now));
  EXPECT_FALSE(swarm.task.NobodyHasMore(swarm["b"], swarm.now));
  swarm.task.Lost(reader);
  EXPECT_TRUE(swarm.task.NobodyHasMore(swarm["b"], swarm.now));
  swarm.AddPeer("whole:Succeeded");
  EXPECT_FALSE(swarm.task.NobodyHasMore(swarm["b"], swarm.now));
}

TEST(SwarmTest, WhoWasSentToTheSourceIsWaitedFor) {
  TestSwarm swarm;
  for (const char* id : {"a", "b"}) {
    BringTo(swarm.AddPeer(id, Trading(StrCat("h-", id))), PeerState::kRunning, swarm.now);
  }
  swarm.task.last_source_grant = {PeerId("b"), swarm.now + std::chrono::seconds(60)};
  EXPECT_FALSE(swarm.task.NobodyHasMore(swarm["a"], swarm.now + std::chrono::seconds(69)));
  EXPECT_TRUE(swarm.task.NobodyHasMore(swarm["a"], swarm.now + std::chrono::seconds(70)));
}

}  // namespace
}  // namespace dragonfly::scheduler
