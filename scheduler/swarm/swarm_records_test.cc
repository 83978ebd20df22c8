// What is written down of a swarm, and what comes back.

#include <chrono>
#include <map>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/strings.h"
#include "common/testing/matchers.h"
#include "scheduler/swarm/test_swarm.h"

namespace dragonfly::scheduler {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

/// A swarm whose changes go into `written`, as into a store.
class KeptSwarm {
 public:
  KeptSwarm() {
    test.swarm.KeepChanges();
    test.hosts.KeepChanges();
  }

  [[nodiscard]] Times times() const {
    return {test.now, WallTime(std::chrono::duration_cast<WallTime::duration>(hours(500'000)))};
  }
  /// In portions of `budget`; returns how many records and keys there were.
  std::size_t Write(std::size_t budget = 100) {
    std::size_t all = 0;
    while (true) {
      StateChanges changes;
      test.swarm.TakeChanges(budget, times(), changes);
      if (changes.size() == 0) return all;
      all += changes.size();
      for (const TaskId& id : changes.gone_tasks) tasks.erase(id.str());
      for (const auto& [task, peer] : changes.gone_peers) peers.erase(peer.str());
      for (TaskRecord& task : changes.tasks) tasks[task.id.str()] = task;
      for (PeerRecord& peer : changes.peers) peers[peer.spec.id.str()] = peer;
    }
  }
  [[nodiscard]] std::set<std::string> Peers() const {
    std::set<std::string> ids;
    for (const auto& [id, record] : peers) ids.insert(id);
    return ids;
  }
  void Piece(const std::string& peer, PieceNumber number) {
    test[peer].finished_pieces.Set(number);
    test.task.Changed(test[peer]);
  }

  TestSwarm test;
  std::map<std::string, TaskRecord> tasks;
  std::map<std::string, PeerRecord> peers;
};

TEST(SwarmRecordsTest, OnlyPeersThatHavePiecesAreWritten) {
  KeptSwarm kept;
  kept.Write();
  EXPECT_THAT(kept.tasks, IsEmpty());
  kept.test.Add("seed*:BackToSource a:Succeeded b:Running<a c:ReceivedNormal d:Failed");
  kept.Piece("b", 3);
  kept.Write();
  EXPECT_THAT(kept.Peers(), UnorderedElementsAre("a", "b"));
  EXPECT_EQ(kept.tasks.size(), 1U);
  EXPECT_TRUE(kept.peers["a"].succeeded);
  EXPECT_FALSE(kept.peers["b"].succeeded);
  EXPECT_TRUE(kept.peers["b"].pieces.Has(3));
  EXPECT_EQ(kept.Write(), 0U);

  kept.Piece("seed", 0);
  EXPECT_EQ(kept.Write(), 1U);
  EXPECT_THAT(kept.Peers(), UnorderedElementsAre("a", "b", "seed"));
}

TEST(SwarmRecordsTest, WhatIsGoneIsTakenBack) {
  KeptSwarm kept;
  kept.test.Add("a:Succeeded b:Running<a c:ReceivedNormal");
  kept.Piece("b", 0);
  kept.Write();
  ASSERT_THAT(
      kept.test.task.Apply(kept.test["b"], PeerEvent::kDownloadFailed, kept.test.now), IsOk());
  kept.Write();
  EXPECT_THAT(kept.Peers(), UnorderedElementsAre("a"));
  kept.test.swarm.RemovePeer(kept.test["b"]);
  kept.test.swarm.RemovePeer(kept.test["c"]);
  EXPECT_EQ(kept.Write(), 0U);
  kept.test.swarm.RemovePeer(kept.test["a"]);
  EXPECT_EQ(kept.test.swarm.RemoveEmptyTasks(), 1U);
  EXPECT_EQ(kept.Write(), 2U);
  EXPECT_THAT(kept.peers, IsEmpty());
  EXPECT_THAT(kept.tasks, IsEmpty());
}

TEST(SwarmRecordsTest, EverythingIsWrittenAnewAlsoWhilePeersComeAndGo) {
  KeptSwarm kept;
  std::set<std::string> there;
  for (int i = 0; i < 200; ++i) {
    const std::string id = StrCat("p", i);
    kept.test.AddPeer(StrCat(id, i % 2 == 0 ? ":Succeeded" : ":ReceivedNormal"));
    if (i % 2 == 0) there.insert(id);
  }
  kept.Write();
  kept.peers.clear();
  kept.tasks.clear();
  kept.test.swarm.ChangesLost();
  for (int i = 0; i < 200; ++i) {
    StateChanges changes;
    kept.test.swarm.TakeChanges(3, kept.times(), changes);
    for (const auto& [task, peer] : changes.gone_peers) kept.peers.erase(peer.str());
    for (TaskRecord& task : changes.tasks) kept.tasks[task.id.str()] = task;
    for (PeerRecord& peer : changes.peers) kept.peers[peer.spec.id.str()] = peer;
    // Leaving and starting moves others about in the list.
    const std::string id = StrCat("p", i);
    if (i % 4 == 0) {
      kept.test.swarm.RemovePeer(kept.test[id]);
      there.erase(id);
    } else if (i % 4 == 1) {
      ASSERT_THAT(kept.test.task.Apply(kept.test[id], PeerEvent::kDownloadSucceeded, kept.test.now),
                  IsOk());
      there.insert(id);
    }
  }
  kept.Write();
  EXPECT_EQ(kept.Peers(), there);
  EXPECT_EQ(kept.tasks.size(), 1U);
}

TEST(SwarmRecordsTest, ComesBackAsItWas) {
  KeptSwarm kept;
  kept.test.Add("a:Succeeded b:Running<a");
  kept.test["a"].finished_pieces.Set(0);
  kept.Piece("b", 7);
  kept.Write();

  Swarm swarm{Swarm::Options{}};
  HostTable hosts;
  swarm.KeepChanges();
  Times later = kept.times();
  later.steady += minutes(5);
  later.wall += minutes(1);
  for (const char* const id : {"h-a", "h-b"}) hosts.Restore(TestSwarm::SomeHost(id), later.steady);
  for (const auto& [id, record] : kept.tasks) swarm.Restore(record, later);
  for (const auto& [id, record] : kept.peers) {
    EXPECT_NE(swarm.Restore(record, hosts.Find(record.host_id), later), nullptr);
    // Not twice, and not without its host or its task.
    EXPECT_EQ(swarm.Restore(record, hosts.Find(record.host_id), later), nullptr);
    EXPECT_EQ(swarm.Restore(record, nullptr, later), nullptr);
  }
  PeerRecord stray = kept.peers["a"];
  stray.task_id = TaskId("other");
  EXPECT_EQ(swarm.Restore(stray, hosts.Find(HostId("h-a")), later), nullptr);

  Task* const task = swarm.Find(TaskId("task"));
  ASSERT_NE(task, nullptr);
  EXPECT_EQ(task->state(), TaskState::kRunning);
  EXPECT_EQ(task->spec().content_length, kept.test.task.spec().content_length);
  EXPECT_EQ(task->updated, later.steady - minutes(1));
  const Peer* const a = task->Find("a");
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a->state(), PeerState::kSucceeded);
  EXPECT_TRUE(a->finished_pieces.Has(0));
  EXPECT_FALSE(a->lost());
  EXPECT_TRUE(a->doubtful());
  a->host().Touch(later.steady);
  EXPECT_FALSE(a->doubtful());
  const Peer* const b = task->Find("b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->state(), PeerState::kRunning);
  EXPECT_TRUE(b->restored());
  EXPECT_TRUE(b->finished_pieces.Has(7));
  EXPECT_EQ(swarm.PeersOn(b->host()).size(), 1U);

  // It is written already; what goes is taken back.
  StateChanges changes;
  swarm.TakeChanges(100, later, changes);
  EXPECT_THAT(changes.gone_peers, IsEmpty());
  swarm.RemovePeer(*task->Find("b"));
  changes = {};
  swarm.TakeChanges(100, later, changes);
  EXPECT_THAT(changes.gone_peers, ElementsAre(std::pair(TaskId("task"), PeerId("b"))));
}

TEST(HostRecordsTest, HostsThatComeAndGoAreWritten) {
  HostTable hosts;
  hosts.KeepChanges();
  const SteadyTime now(hours(1));
  for (int i = 0; i < 100; ++i) hosts.Announce(TestSwarm::SomeHost(StrCat("h", i)), now);
  hosts.Announce(TestSwarm::SomeHost("h1"), now);
  std::set<std::string> there;
  const auto take = [&] {
    while (true) {
      StateChanges changes;
      hosts.TakeChanges(32, changes);
      if (changes.size() == 0) return;
      for (const HostInfo& host : changes.hosts) EXPECT_TRUE(there.insert(host.id.str()).second);
      for (const HostId& host : changes.gone_hosts) EXPECT_EQ(there.erase(host.str()), 1U);
    }
  };
  take();
  EXPECT_EQ(there.size(), 100U);
  hosts.Remove(HostId("h5"));
  take();
  EXPECT_EQ(there.size(), 99U);
  HostInfo silent = TestSwarm::SomeHost("h6");
  silent.announce_interval = minutes(1);
  there.erase("h6");
  hosts.Announce(silent, now);
  take();
  EXPECT_EQ(hosts.RemoveSilent(now + minutes(3)).size(), 1U);
  take();
  EXPECT_EQ(there.size(), 98U);
  there.clear();
  hosts.ChangesLost();
  take();
  EXPECT_EQ(there.size(), 98U);
}

TEST(HostRecordsTest, ARestoredHostIsConfirmedWhenItAnnouncesItself) {
  HostTable hosts;
  const SteadyTime now(hours(1));
  HostInfo info = TestSwarm::SomeHost("h");
  info.announce_interval = minutes(5);
  hosts.Restore(info, now);
  const std::shared_ptr<Host> host = hosts.Find(info.id);
  ASSERT_NE(host, nullptr);
  EXPECT_FALSE(host->confirmed());
  EXPECT_THAT(hosts.RemoveSilent(now + minutes(9)), IsEmpty());
  hosts.Announce(info, now + minutes(9));
  EXPECT_TRUE(host->confirmed());
  hosts.Restore(info, now + minutes(10));
  EXPECT_TRUE(host->confirmed());
  hosts.Restore(TestSwarm::SomeHost("dead"), now);
  info = TestSwarm::SomeHost("gone");
  info.announce_interval = minutes(5);
  hosts.Restore(info, now);
  EXPECT_EQ(hosts.RemoveSilent(now + minutes(11)).size(), 1U);
}

}  // namespace
}  // namespace dragonfly::scheduler
