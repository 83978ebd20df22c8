#include "scheduler/selection/dispatcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/matchers.h"
#include "scheduler/selection/test_dispatcher.h"

namespace dragonfly::scheduler {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

constexpr char kLimitReached[] = "source: scheduling exceeded RetryBackToSourceLimit";
constexpr char kFlagged[] = "source: peer's NeedBackToSource is true";

/// Peers `p0`, `p1`, … start as soon as they are told their parents; no time passes.
void StartWhoWasToldParents(TestDispatcher& test,
                            const std::vector<std::shared_ptr<RecordingChannel>>& channels) {
  for (bool progress = true; progress;) {
    progress = false;
    for (std::size_t i = 0; i < channels.size(); ++i) {
      const std::string id = StrCat("p", i);
      if (channels[i]->answers.empty() || test.StateOf(id) != "ReceivedNormal") continue;
      if (!channels[i]->answers.back().starts_with("parents")) continue;
      progress = true;
      EXPECT_THAT(test.dispatcher->Started(TestDispatcher::Key(id), test.clock.Now()), IsOk());
    }
  }
}

TEST(DispatcherTest, AWaitingPeerIsServedWhenItsSeedStarts) {
  TestDispatcher test;
  const auto channel = test.RegisterOnNewHost("a");
  ASSERT_THAT(test.seeds.requests, SizeIs(1));
  EXPECT_EQ(test.seeds.requests[0].download, "download");
  EXPECT_THAT(channel->answers, IsEmpty());

  test.StartSeed();
  EXPECT_THAT(channel->answers, ElementsAre("parents: seed"));
  EXPECT_THAT(channel->settled, testing::Optional(IsOk()));
  EXPECT_EQ(test.dispatcher->NextDeadline(), std::nullopt);
}

TEST(DispatcherTest, ASecondPeerDoesNotTriggerASecondSeed) {
  TestDispatcher test;
  test.RegisterOnNewHost("a");
  test.RegisterOnNewHost("b");
  EXPECT_THAT(test.seeds.requests, SizeIs(1));
}

TEST(DispatcherTest, ManyPeersAtOnceDoNotAllHangOnTheSeed) {
  TestDispatcher test;
  std::vector<std::shared_ptr<RecordingChannel>> channels;
  for (int i = 0; i < 64; ++i) channels.push_back(test.RegisterOnNewHost(StrCat("p", i)));
  test.StartSeed();
  EXPECT_THAT(test.peer("seed")->children(), SizeIs(1));

  StartWhoWasToldParents(test, channels);
  std::size_t with_one_parent = 0;
  for (std::size_t i = 0; i < channels.size(); ++i) {
    ASSERT_THAT(channels[i]->answers, SizeIs(1)) << i;
    if (test.peer(StrCat("p", i))->parents().size() == 1) ++with_one_parent;
  }
  EXPECT_EQ(with_one_parent, 1U);
  EXPECT_LE(test.peer("seed")->children().size(), 8U);
}

TEST(DispatcherTest, APeerDoesNotWaitForeverForOthersToStart) {
  TestDispatcher test;
  std::vector<std::shared_ptr<RecordingChannel>> channels;
  for (int i = 0; i < 6; ++i) channels.push_back(test.RegisterOnNewHost(StrCat("p", i)));
  test.StartSeed();
  EXPECT_THAT(channels[5]->answers, IsEmpty());
  test.Pass(150ms);
  EXPECT_THAT(channels[5]->answers, ElementsAre("parents: seed"));
}

TEST(DispatcherTest, WithoutSeedsTheFirstPeerReadsTheSourceAndTheOthersHaveItAsParent) {
  TestDispatcher test;
  test.seeds.available = false;
  const auto a = test.RegisterOnNewHost("a");
  const auto b = test.RegisterOnNewHost("b");
  EXPECT_THAT(a->answers, ElementsAre(kFlagged));
  EXPECT_THAT(b->answers, IsEmpty());
  EXPECT_THAT(test.dispatcher->BackToSourceStarted(TestDispatcher::Key("a"), test.clock.Now()),
              IsOk());
  EXPECT_THAT(b->answers, ElementsAre("parents: a"));
}

TEST(DispatcherTest, NobodyWaitsForThoseOnItsOwnHost) {
  TestDispatcher test;
  test.seeds.available = false;
  // A daemon reads a part of it and prefetches the rest as another peer.
  const auto part = test.RegisterOnNewHost("a");
  EXPECT_THAT(part->answers, ElementsAre(kFlagged));
  EXPECT_THAT(test.dispatcher->BackToSourceStarted(TestDispatcher::Key("a"), test.clock.Now()),
              IsOk());
  const auto rest = std::make_shared<RecordingChannel>();
  test.dispatcher->Register({HostId("h-a"), TaskId("task"), PeerId("rest")},
                            TestDispatcher::SomeRegistration(), rest, test.clock.Now());
  EXPECT_THAT(rest->answers, SizeIs(1)) << "the source, at once";
  const auto other = test.RegisterOnNewHost("b");
  EXPECT_THAT(other->answers, ElementsAre("parents: a"));
}

TEST(DispatcherTest, WhenSeedingFailsOneOfTheWaitingReadsTheSource) {
  TestDispatcher test;
  const auto a = test.RegisterOnNewHost("a");
  const auto b = test.RegisterOnNewHost("b");
  test.dispatcher->SeedingEnded(TaskId("task"), absl::InternalError("404"), test.clock.Now());
  EXPECT_THAT(a->answers, ElementsAre(kLimitReached));
  EXPECT_THAT(b->answers, IsEmpty());

  // The source fails for it too: the next one asks and sees for itself.
  EXPECT_THAT(test.dispatcher->BackToSourceFailed(TestDispatcher::Key("a"), test.clock.Now()),
              IsOk());
  EXPECT_THAT(b->answers, ElementsAre(kLimitReached));
  EXPECT_EQ(test.task()->state(), TaskState::kFailed);
  EXPECT_EQ(test.task()->spec().content_length, -1);
}

TEST(DispatcherTest, AtTheEndOfItsPatienceOnlyOneOfManyGoesToTheSource) {
  TestDispatcher test;
  std::vector<std::shared_ptr<RecordingChannel>> channels;
  for (int i = 0; i < 50; ++i) channels.push_back(test.RegisterOnNewHost(StrCat("p", i)));
  test.Pass(2600ms);
  std::size_t sent = 0;
  for (std::size_t i = 0; i < channels.size(); ++i) {
    if (channels[i]->answers.empty()) continue;
    EXPECT_THAT(channels[i]->answers, ElementsAre(kLimitReached));
    if (sent++ == 0) {
      EXPECT_THAT(test.dispatcher->BackToSourceStarted(TestDispatcher::Key(StrCat("p", i)),
                                                       test.clock.Now()),
                  IsOk());
    }
  }
  EXPECT_LE(sent, 3U);
  StartWhoWasToldParents(test, channels);
  for (const auto& channel : channels) EXPECT_THAT(channel->answers, SizeIs(1));
}

TEST(DispatcherTest, ASeedThatHadTheTaskAlreadyBecomesAParent) {
  TestDispatcher test;
  test.AddHost("h-seed", HostType::kSuper);
  const auto a = test.RegisterOnNewHost("a");
  test.dispatcher->SeedingEnded(TaskId("task"), SeedOutcome{HostId("h-seed"), PeerId("seed-peer")},
                                test.clock.Now());
  EXPECT_THAT(a->answers, ElementsAre("parents: seed-peer"));
}

TEST(DispatcherTest, ATaskWhoseHoldersAreGoneIsSeededAgain) {
  TestDispatcher test;
  test.RegisterOnNewHost("a");
  test.StartSeed();
  test.dispatcher->SeedingEnded(TaskId("task"), SeedOutcome{}, test.clock.Now());
  test.dispatcher->HostLeft(*test.hosts.Remove(HostId("h-seed")), test.clock.Now());
  test.dispatcher->HostLeft(*test.hosts.Remove(HostId("h-a")), test.clock.Now());
  EXPECT_EQ(test.task()->peer_count(), 0U);
  test.RegisterOnNewHost("b");
  EXPECT_THAT(test.seeds.requests, SizeIs(2));
}

TEST(DispatcherTest, APeerThatVanishesWhileItWaitsFails) {
  TestDispatcher test;
  const auto a = test.RegisterOnNewHost("a");
  test.dispatcher->Disconnected(TestDispatcher::Key("a"), test.clock.Now());
  EXPECT_THAT(a->settled, testing::Optional(StatusIs(absl::StatusCode::kCancelled)));
  EXPECT_EQ(test.StateOf("a"), "Failed");
  EXPECT_EQ(test.dispatcher->NextDeadline(), std::nullopt);
}

TEST(DispatcherTest, APeerThatVanishesWhileItDownloadsKeepsItsState) {
  TestDispatcher test;
  test.StartSeed();
  test.RegisterOnNewHost("a");
  EXPECT_THAT(test.dispatcher->Started(TestDispatcher::Key("a"), test.clock.Now()), IsOk());
  test.dispatcher->Disconnected(TestDispatcher::Key("a"), test.clock.Now());
  EXPECT_EQ(test.StateOf("a"), "Running");
}

TEST(DispatcherTest, NobodyWaitsForAPeerThatVanishedBeforeItStarted) {
  TestDispatcher test;
  test.seeds.available = false;
  EXPECT_THAT(test.RegisterOnNewHost("a")->answers, ElementsAre(kFlagged));
  const auto b = test.RegisterOnNewHost("b");
  EXPECT_THAT(b->answers, IsEmpty());
  test.dispatcher->Disconnected(TestDispatcher::Key("a"), test.clock.Now());
  EXPECT_EQ(test.StateOf("a"), "Leave");
  EXPECT_THAT(b->answers, ElementsAre(kLimitReached));
}

TEST(DispatcherTest, ATaskThatOnlyVanishedPeersWantedIsSeededAgain) {
  TestDispatcher test;
  const auto a = test.RegisterOnNewHost("a");
  test.dispatcher->SeedingEnded(TaskId("task"), absl::InternalError("404"), test.clock.Now());
  EXPECT_THAT(a->answers, ElementsAre(kLimitReached));
  test.dispatcher->Disconnected(TestDispatcher::Key("a"), test.clock.Now());
  test.RegisterOnNewHost("b");
  EXPECT_THAT(test.seeds.requests, SizeIs(2));
}

TEST(DispatcherTest, AParentWhoseConversationBrokeIsOfferedLast) {
  TestDispatcher test;
  test.StartSeed("a-seed");
  test.StartSeed("b-seed");
  EXPECT_THAT(test.RegisterOnNewHost("x")->answers, ElementsAre("parents: a-seed,b-seed"));
  test.dispatcher->Disconnected(TestDispatcher::Key("a-seed"), test.clock.Now());
  EXPECT_THAT(test.RegisterOnNewHost("y")->answers, ElementsAre("parents: b-seed,a-seed"));
}

TEST(DispatcherTest, ADaemonThatWasRestartedIsNotOfferedAsWhoItWas) {
  TestDispatcher test;
  test.seeds.available = false;
  test.RegisterOnNewHost("a");
  EXPECT_THAT(test.dispatcher->BackToSourceStarted(TestDispatcher::Key("a"), test.clock.Now()),
              IsOk());
  EXPECT_THAT(test.RegisterOnNewHost("b")->answers, ElementsAre("parents: a"));
  EXPECT_THAT(test.dispatcher->Started(TestDispatcher::Key("b"), test.clock.Now()), IsOk());
  test.dispatcher->Disconnected(TestDispatcher::Key("a"), test.clock.Now());
  EXPECT_EQ(test.StateOf("a"), "BackToSource");

  const auto again = std::make_shared<RecordingChannel>();
  test.dispatcher->Register({HostId("h-a"), TaskId("task"), PeerId("again")},
                            TestDispatcher::SomeRegistration(), again, test.clock.Now());
  EXPECT_EQ(test.StateOf("a"), "gone");
  test.Pass(5s);
  EXPECT_THAT(again->answers, ElementsAre(kLimitReached)) << "not b, which waited for a";
}

TEST(DispatcherTest, WhatARestartedDaemonHadFinishedItStillHas) {
  TestDispatcher test;
  test.StartSeed();
  test.RegisterOnNewHost("a");
  EXPECT_THAT(test.dispatcher->Started(TestDispatcher::Key("a"), test.clock.Now()), IsOk());
  EXPECT_THAT(test.dispatcher->Finished(TestDispatcher::Key("a"), test.clock.Now()), IsOk());
  test.dispatcher->Disconnected(TestDispatcher::Key("a"), test.clock.Now());
  test.dispatcher->Register({HostId("h-a"), TaskId("task"), PeerId("again")},
                            TestDispatcher::SomeRegistration(),
                            std::make_shared<RecordingChannel>(), test.clock.Now());
  EXPECT_EQ(test.StateOf("a"), "Succeeded");
}

TEST(DispatcherTest, AClientThatReadsNoAnswersFails) {
  TestDispatcher test;
  test.AddHost("h-a");
  auto channel = std::make_shared<RecordingChannel>();
  channel->gone = true;
  Registration registration = TestDispatcher::SomeRegistration();
  registration.need_back_to_source = true;
  test.dispatcher->Register(TestDispatcher::Key("a"), registration, channel, test.clock.Now());
  EXPECT_THAT(channel->settled, testing::Optional(StatusIs(absl::StatusCode::kFailedPrecondition,
                                                           "load stream failed")));
  EXPECT_EQ(test.StateOf("a"), "Failed");
}

TEST(DispatcherTest, ADeletedPeerGetsNoAnswer) {
  TestDispatcher test;
  const auto a = test.RegisterOnNewHost("a");
  test.dispatcher->DeletePeer(TaskId("task"), PeerId("a"), test.clock.Now());
  EXPECT_THAT(a->settled,
              testing::Optional(StatusIs(absl::StatusCode::kNotFound, "peer a not found")));
  EXPECT_EQ(test.StateOf("a"), "gone");
}

TEST(DispatcherTest, DeletingATaskTakesOnlyThePeersOfThatHost) {
  TestDispatcher test;
  test.StartSeed();
  test.RegisterOnNewHost("a");
  test.RegisterOnNewHost("b");
  test.dispatcher->DeleteTask(HostId("h-a"), TaskId("task"), test.clock.Now());
  EXPECT_EQ(test.StateOf("a"), "gone");
  EXPECT_EQ(test.StateOf("b"), "ReceivedNormal");
}

TEST(DispatcherTest, AClientThatMayNotReadTheSourceIsGivenTheFullTime) {
  TestDispatcher test;
  const auto seeded = test.RegisterOnNewHost("seeded");
  Registration registration = TestDispatcher::SomeRegistration();
  registration.peer.disable_back_to_source = true;
  const auto a = test.RegisterOnNewHost("a", registration);
  test.dispatcher->SeedingEnded(TaskId("task"), absl::InternalError("404"), test.clock.Now());
  EXPECT_THAT(seeded->answers, ElementsAre(kLimitReached));
  EXPECT_THAT(test.dispatcher->BackToSourceFailed(TestDispatcher::Key("seeded"), test.clock.Now()),
              IsOk());
  EXPECT_THAT(a->answers, IsEmpty());
  test.Pass(5s);
  EXPECT_THAT(a->answers, ElementsAre(kLimitReached));
}

TEST(DispatcherTest, SweepsMoveFailedPeersToLeaveAndThenForgetThem) {
  TestDispatcher test;
  test.RegisterOnNewHost("a");
  EXPECT_THAT(test.dispatcher->Failed(TestDispatcher::Key("a"), test.clock.Now()), IsOk());
  Swarm::Cursor cursor;
  EXPECT_TRUE(test.dispatcher->SweepPeers(cursor, 100, test.clock.Now()));
  EXPECT_EQ(test.StateOf("a"), "Leave");
  EXPECT_TRUE(test.dispatcher->SweepPeers(cursor, 100, test.clock.Now()));
  EXPECT_EQ(test.StateOf("a"), "gone");
}

TEST(DispatcherTest, PiecesRefreshPeerParentAndHost) {
  TestDispatcher test;
  test.StartSeed();
  test.RegisterOnNewHost("a");
  test.clock.Advance(10min);
  PieceReport report;
  report.number = 3;
  report.parent_id = "seed";
  report.length = 5;
  ReportMemo memo;
  EXPECT_THAT(
      test.dispatcher->PieceFinished(TestDispatcher::Key("a"), report, memo, test.clock.Now()),
      IsOk());
  EXPECT_TRUE(test.peer("a")->finished_pieces.Has(3));
  EXPECT_EQ(test.peer("seed")->updated, test.clock.Now());
  EXPECT_EQ(test.hosts.Find(HostId("h-seed"))->updated(), test.clock.Now());
  ReportMemo of_x;
  EXPECT_THAT(
      test.dispatcher->PieceFinished(TestDispatcher::Key("x"), report, of_x, test.clock.Now()),
      StatusIs(absl::StatusCode::kNotFound, "peer x not found"));
}

TEST(DispatcherTest, RemembersNoPeerThatIsGone) {
  TestDispatcher test;
  test.StartSeed();
  test.RegisterOnNewHost("a");
  PieceReport report;
  report.parent_id = "seed";
  ReportMemo memo;
  const PeerKey key = TestDispatcher::Key("a");
  EXPECT_THAT(test.dispatcher->PieceFinished(key, report, memo, test.clock.Now()), IsOk());
  test.dispatcher->DeletePeer(key.task_id, PeerId("seed"), test.clock.Now());
  EXPECT_THAT(test.dispatcher->PieceFinished(key, report, memo, test.clock.Now()), IsOk());
  test.dispatcher->DeletePeer(key.task_id, key.peer_id, test.clock.Now());
  EXPECT_THAT(test.dispatcher->PieceFinished(key, report, memo, test.clock.Now()),
              StatusIs(absl::StatusCode::kNotFound, "peer a not found"));
}

/// Peers of daemons that trade, with a seed that reads the source.
class TradingTest : public ::testing::Test {
 protected:
  TradingTest() { test_.StartSeed(); }
  void Start(const std::string& peer) {
    HostInfo info = TestSwarm::SomeHost("h-" + peer);
    info.trades = true;
    test_.hosts.Announce(std::move(info), test_.clock.Now());
    const auto channel = test_.Register(peer);
    test_.Pass(std::chrono::milliseconds(200));
    ASSERT_EQ(channel->answers.size(), 1U) << peer;
    ASSERT_TRUE(test_.dispatcher->Started(TestDispatcher::Key(peer), test_.clock.Now()).ok());
  }
  std::string Reschedule(const std::string& peer, std::vector<PeerId> used = {}) {
    const auto channel = std::make_shared<RecordingChannel>();
    test_.dispatcher->Reschedule(TestDispatcher::Key(peer), used, channel, test_.clock.Now());
    test_.Pass(std::chrono::seconds(1));
    return channel->answers.empty() ? "nothing" : channel->answers.front();
  }
  [[nodiscard]] std::size_t Parents(const std::string& peer) {
    return test_.peer(peer)->parents().size();
  }

  TestDispatcher test_;
};

TEST_F(TradingTest, AskingAgainAddsParents) {
  for (const char* peer : {"a", "b", "c"}) Start(peer);
  const std::size_t before = Parents("a");
  EXPECT_THAT(Reschedule("a"), ::testing::StartsWith("parents: "));
  EXPECT_GT(Parents("a"), before);
  for (int i = 0; i < 3; ++i) (void)Reschedule("a");
  EXPECT_EQ(Parents("a"), 3U) << "the seed, b and c";
  EXPECT_THAT(Reschedule("a"), ::testing::StartsWith("parents: "))
      << "nobody new, and yet an answer";
}

TEST_F(TradingTest, AParentThatWasOfNoUseIsDropped) {
  for (const char* peer : {"a", "b"}) Start(peer);
  (void)Reschedule("a");
  ASSERT_EQ(Parents("a"), 2U);
  (void)Reschedule("a", {PeerId("b")});
  EXPECT_EQ(Parents("a"), 1U);
}

TEST_F(TradingTest, WhenTheSeedDiesOneOfThemReadsTheSource) {
  for (const char* peer : {"a", "b"}) Start(peer);
  (void)Reschedule("a");
  (void)Reschedule("b");
  ASSERT_TRUE(
      test_.dispatcher->BackToSourceFailed(TestDispatcher::Key("seed"), test_.clock.Now()).ok());
  test_.dispatcher->SeedingEnded(TaskId("task"), absl::UnavailableError("died"), test_.clock.Now());
  EXPECT_THAT(Reschedule("a"), ::testing::StartsWith("source: "));
  ASSERT_TRUE(
      test_.dispatcher->BackToSourceStarted(TestDispatcher::Key("a"), test_.clock.Now()).ok());
  EXPECT_THAT(Reschedule("b"), ::testing::StartsWith("parents: "));
}

}  // namespace
}  // namespace dragonfly::scheduler
