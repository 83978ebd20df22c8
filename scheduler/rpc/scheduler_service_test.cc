#include "scheduler/rpc/scheduler_service.h"

#include <atomic>
#include <thread>

#include <gmock/gmock.h>

#include "common/testing/matchers.h"
#include "scheduler/rpc/test_scheduler.h"

namespace dragonfly::scheduler {
namespace {

using testing::SizeIs;
using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

constexpr char kFlagged[] = "source: peer's NeedBackToSource is true";
constexpr char kLimitReached[] = "source: scheduling exceeded RetryBackToSourceLimit";

TEST_F(SchedulerServiceTest, AFileTravelsFromTheSourceOverTheSeedToAPeer) {
  ASSERT_THAT(AnnounceHost(HostMessage("h-seed", true)), IsOk());
  ASSERT_THAT(AnnounceHost(HostMessage("h-a")), IsOk());

  Conversation a(*this, "a");
  a.Register();
  ASSERT_TRUE(WaitFor([&] { return !seed_client_.downloads().empty(); }));
  const auto [address, download] = seed_client_.downloads().front();
  EXPECT_EQ(address, "127.0.0.1:4000");
  pb::common::Download sent;
  ASSERT_TRUE(sent.ParseFromString(download));
  EXPECT_EQ(sent.url(), "https://example.com/f");

  Conversation seed(*this, "seed");
  seed.Register(100ULL << 20U, true);
  EXPECT_EQ(seed.Hear(), kFlagged);
  seed.BackToSourceStarted();
  EXPECT_EQ(a.Hear(), "parents: seed");
  a.Started();
  for (std::uint32_t i = 0; i < 25; ++i) seed.PieceFromSource(i);
  seed.BackToSourceFinished();
  EXPECT_EQ(seed.Hear(), "end");
  seed_client_.Answer(SeedOutcome{HostId("h-seed"), PeerId("seed")});
  for (std::uint32_t i = 0; i < 25; ++i) a.PieceFrom("seed", i);
  a.Finished();
  EXPECT_EQ(a.Hear(), "end");

  const auto peer = StatPeer("task", "a");
  ASSERT_THAT(peer, IsOk());
  EXPECT_EQ(peer->state(), "Succeeded");
  EXPECT_THAT(peer->task().pieces(), SizeIs(25));
  EXPECT_EQ(peer->task().pieces(3).digest(), "crc32:123");
  EXPECT_EQ(peer->host().hostname(), "name-of-h-a");
  EXPECT_EQ(metrics_.failed, 0);
}

TEST_F(SchedulerServiceTest, ParentsAreDescribedWithTaskAndHost) {
  ASSERT_THAT(AnnounceHost(HostMessage("h-seed", true)), IsOk());
  ASSERT_THAT(AnnounceHost(HostMessage("h-a")), IsOk());
  Conversation seed(*this, "seed");
  seed.Register(100ULL << 20U, true);
  EXPECT_EQ(seed.Hear(), kFlagged);
  seed.BackToSourceStarted();
  Conversation a(*this, "a");
  a.Register();
  const auto response = a.Read();
  ASSERT_THAT(response, IsOk());
  ASSERT_TRUE(response->has_value());
  const auto& parents = (*response)->normal_task_response().candidate_parents();
  ASSERT_THAT(parents, SizeIs(1));
  EXPECT_EQ(parents[0].host().port(), 4000);
  EXPECT_EQ(parents[0].host().network().idc(), "idc-a");
  EXPECT_EQ(parents[0].host().scheduler_cluster_id(), 0U);
  EXPECT_EQ(parents[0].task().content_length(), 100ULL << 20U);
  EXPECT_EQ(parents[0].task().piece_count(), 25U);
  EXPECT_THAT(parents[0].task().pieces(), SizeIs(0));
  EXPECT_THAT(parents[0].task().request_header(), SizeIs(0));
  EXPECT_EQ(parents[0].state(), "BackToSource");
  EXPECT_EQ(parents[0].concurrent_piece_count(), 8U);
  EXPECT_TRUE(parents[0].need_back_to_source());
}

TEST_F(SchedulerServiceTest, AnEmptyFileNeedsNoParents) {
  ASSERT_THAT(AnnounceHost(HostMessage("h-a")), IsOk());
  Conversation a(*this, "a");
  a.Register(0);
  EXPECT_EQ(a.Hear(), "empty");
  a.Started();
  a.Finished();
  EXPECT_EQ(a.Hear(), "end");
}

TEST_F(SchedulerServiceTest, MetadataOnlyIsAnsweredAtOnce) {
  ASSERT_THAT(AnnounceHost(HostMessage("h-a")), IsOk());
  Conversation a(*this, "a");
  AnnounceRequest request;
  auto& download = *request.mutable_register_peer_request()->mutable_download();
  download.set_url("https://example.com/f");
  download.set_metadata_only(true);
  a.Say(request);
  EXPECT_EQ(a.Hear(), "metadata");
}

TEST_F(SchedulerServiceTest, AnUnknownHostIsToldNotFound) {
  Conversation a(*this, "a");
  a.Register();
  EXPECT_EQ(a.Hear(), "NOT_FOUND: peer a not found");
  ASSERT_TRUE(WaitFor([&] { return metrics_.closed == 1; }));
  EXPECT_EQ(metrics_.failed, 1);
}

class ShortRoundsTest : public SchedulerServiceTest {
 protected:
  ShortRoundsTest() : SchedulerServiceTest(5ms) {}
};

TEST_F(ShortRoundsTest, ARescheduledPeerGetsOtherParentsOrTheSource) {
  for (const char* id : {"h-p", "h-q", "h-a"}) ASSERT_THAT(AnnounceHost(HostMessage(id)), IsOk());
  Conversation p(*this, "p");
  p.Register(100ULL << 20U, true);
  EXPECT_EQ(p.Hear(), kFlagged);
  p.BackToSourceStarted();
  Conversation a(*this, "a");
  a.Register();
  EXPECT_EQ(a.Hear(), "parents: p");
  a.Started();
  a.PieceFailed("p");

  Conversation q(*this, "q");
  q.Register(100ULL << 20U, true);
  EXPECT_EQ(q.Hear(), kFlagged);
  q.BackToSourceStarted();
  ASSERT_TRUE(WaitFor([&] { return StatPeer("task", "q")->state() == "BackToSource"; }));
  a.Reschedule({"p"});
  EXPECT_EQ(a.Hear(), "parents: q");
  a.Reschedule({"q"});
  EXPECT_EQ(a.Hear(), kLimitReached);
  a.BackToSourceStarted();
  a.BackToSourceFinished();
  EXPECT_EQ(a.Hear(), "end");
}

TEST_F(SchedulerServiceTest, AFailedPeerEndsItsConversationWithOk) {
  ASSERT_THAT(AnnounceHost(HostMessage("h-a")), IsOk());
  Conversation a(*this, "a");
  a.Register(100ULL << 20U, true);
  EXPECT_EQ(a.Hear(), kFlagged);
  a.Failed();
  EXPECT_EQ(a.Hear(), "end");
  EXPECT_EQ(StatPeer("task", "a")->state(), "Failed");
}

TEST_F(SchedulerServiceTest, WhenTheSourceFailsForTheSeedOnePeerAsksItself) {
  ASSERT_THAT(AnnounceHost(HostMessage("h-seed", true)), IsOk());
  ASSERT_THAT(AnnounceHost(HostMessage("h-a")), IsOk());
  Conversation a(*this, "a");
  a.Register();
  ASSERT_TRUE(WaitFor([&] { return !seed_client_.downloads().empty(); }));
  seed_client_.Answer(absl::InternalError("source answered 404"));
  EXPECT_EQ(a.Hear(), kLimitReached);
  a.BackToSourceStarted();
  a.BackToSourceFailed();
  EXPECT_EQ(a.Hear(), "end");
  pb::scheduler::StatTaskRequest request;
  request.set_host_id("h");
  request.set_task_id("task");
  const auto task = Call(&SchedulerStub::async::StatTask, request);
  ASSERT_THAT(task, IsOk());
  EXPECT_EQ(task->state(), "Failed");
  EXPECT_EQ(task->content_length(), ~std::uint64_t{0});
}

TEST_F(SchedulerServiceTest, APeerIdIsRegisteredOnlyOnce) {
  ASSERT_THAT(AnnounceHost(HostMessage("h-a")), IsOk());
  Conversation a(*this, "a");
  a.Register(100ULL << 20U, true);
  EXPECT_EQ(a.Hear(), kFlagged);
  a.Register();
  EXPECT_EQ(a.Hear(),
            "INTERNAL: event RegisterNormal inappropriate in current state ReceivedNormal");
}

TEST_F(SchedulerServiceTest, MessagesOfWrongFormEndTheConversation) {
  ASSERT_THAT(AnnounceHost(HostMessage("h-a")), IsOk());
  Conversation without_request(*this, "a");
  without_request.Say({});
  EXPECT_THAT(without_request.Hear(), testing::StartsWith("INVALID_ARGUMENT"));

  Conversation bad_digest(*this, "a");
  AnnounceRequest request;
  auto& download = *request.mutable_register_peer_request()->mutable_download();
  download.set_url("https://example.com/f");
  download.set_digest("md5:zz");
  bad_digest.Say(request);
  EXPECT_THAT(bad_digest.Hear(), testing::HasSubstr("Digest"));

  Conversation other_ids(*this, "a");
  other_ids.Register(100ULL << 20U, true);
  EXPECT_EQ(other_ids.Hear(), kFlagged);
  AnnounceRequest stray;
  stray.set_host_id("h-a");
  stray.set_task_id("other");
  stray.set_peer_id("a");
  stray.mutable_download_peer_started_request();
  other_ids.SayAsItIs(stray);
  EXPECT_THAT(other_ids.Hear(), testing::StartsWith("INVALID_ARGUMENT"));
  EXPECT_EQ(StatPeer("task", "a")->state(), "Leave");
}

TEST_F(SchedulerServiceTest, APieceReportWithoutCostEndsTheConversation) {
  ASSERT_THAT(AnnounceHost(HostMessage("h-a")), IsOk());
  Conversation a(*this, "a");
  a.Register(100ULL << 20U, true);
  EXPECT_EQ(a.Hear(), kFlagged);
  AnnounceRequest request;
  *request.mutable_download_piece_finished_request()->mutable_piece() = Conversation::Piece(1);
  request.mutable_download_piece_finished_request()->mutable_piece()->clear_cost();
  a.Say(request);
  EXPECT_THAT(a.Hear(), testing::HasSubstr("Cost"));
}

TEST_F(SchedulerServiceTest, AHalfClosedConversationEndsWithOkAndThePeerStays) {
  ASSERT_THAT(AnnounceHost(HostMessage("h-a")), IsOk());
  Conversation a(*this, "a");
  a.Register(100ULL << 20U, true);
  a.HalfClose();
  EXPECT_EQ(a.Hear(), kFlagged);
  EXPECT_EQ(a.Hear(), "end");
  EXPECT_EQ(StatPeer("task", "a")->state(), "ReceivedNormal");
}

TEST_F(SchedulerServiceTest, AClientThatGoesAwayWhileItWaitsFails) {
  ASSERT_THAT(AnnounceHost(HostMessage("h-seed", true)), IsOk());
  ASSERT_THAT(AnnounceHost(HostMessage("h-a")), IsOk());
  Conversation a(*this, "a");
  a.Register();
  ASSERT_TRUE(WaitFor([&] { return !seed_client_.downloads().empty(); }));
  a.Cancel();
  EXPECT_TRUE(WaitFor([&] { return StatPeer("task", "a")->state() == "Failed"; }));
}

TEST_F(SchedulerServiceTest, HostsAreListedKeptAndDeleted) {
  ASSERT_THAT(AnnounceHost(HostMessage("h-seed", true)), IsOk());
  ASSERT_THAT(AnnounceHost(HostMessage("h-a")), IsOk());
  // Without the load figures: those of the first announcement stay.
  auto bare = HostMessage("h-a");
  bare.mutable_host()->clear_network();
  ASSERT_THAT(AnnounceHost(bare), IsOk());
  EXPECT_EQ(metrics_.hosts_announced, 3);

  const auto all = Call(&SchedulerStub::async::ListHosts, {});
  ASSERT_THAT(all, IsOk());
  EXPECT_THAT(all->hosts(), SizeIs(2));
  pb::scheduler::ListHostsRequest normal;
  normal.set_type(0);
  const auto some = Call(&SchedulerStub::async::ListHosts, normal);
  ASSERT_THAT(some->hosts(), SizeIs(1));
  EXPECT_EQ(some->hosts(0).id(), "h-a");
  EXPECT_EQ(some->hosts(0).network().idc(), "idc-a");
  EXPECT_EQ(some->hosts(0).scheduler_cluster_id(), 7U);

  Conversation a(*this, "a");
  a.Register(100ULL << 20U, true);
  pb::scheduler::DeleteHostRequest gone;
  gone.set_host_id("h-a");
  EXPECT_THAT(Call(&SchedulerStub::async::DeleteHost, gone), IsOk());
  EXPECT_THAT(Call(&SchedulerStub::async::DeleteHost, gone),
              StatusIs(absl::StatusCode::kNotFound, "host h-a not found"));
  EXPECT_TRUE(WaitFor([&] {
    return StatPeer("task", "a").status().code() == absl::StatusCode::kNotFound;
  }));
}

TEST_F(SchedulerServiceTest, AnnouncementsOfWrongFormAreRefused) {
  const auto refused = [&](const std::function<void(pb::common::Host&)>& spoil) {
    auto request = HostMessage("h");
    spoil(*request.mutable_host());
    return AnnounceHost(request).code() == absl::StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused([](auto& host) { host.clear_id(); }));
  EXPECT_TRUE(refused([](auto& host) { host.clear_hostname(); }));
  EXPECT_TRUE(refused([](auto& host) { host.set_ip("node-1"); }));
  EXPECT_TRUE(refused([](auto& host) { host.set_port(1023); }));
  EXPECT_TRUE(refused([](auto& host) { host.set_download_port(65535); }));
  EXPECT_TRUE(refused([](auto& host) { host.set_type(4); }));
  EXPECT_TRUE(refused([](auto& host) { host.mutable_memory()->set_used_percent(101); }));
  EXPECT_TRUE(refused([](auto& host) { host.mutable_cpu()->set_percent(-1); }));
  EXPECT_FALSE(refused([](auto& host) { host.set_ip("2001:db8::1"); }));
}

TEST_F(SchedulerServiceTest, PeersAndTasksAreDeleted) {
  ASSERT_THAT(AnnounceHost(HostMessage("h-a")), IsOk());
  Conversation a(*this, "a");
  a.Register(100ULL << 20U, true);
  EXPECT_EQ(a.Hear(), kFlagged);
  pb::scheduler::DeletePeerRequest peer;
  peer.set_host_id("h-a");
  peer.set_task_id("task");
  peer.set_peer_id("a");
  EXPECT_THAT(Call(&SchedulerStub::async::DeletePeer, peer), IsOk());
  EXPECT_THAT(StatPeer("task", "a"), StatusIs(absl::StatusCode::kNotFound, "peer a not found"));
  EXPECT_THAT(Call(&SchedulerStub::async::DeletePeer, peer), IsOk());

  pb::scheduler::DeleteTaskRequest task;
  task.set_host_id("h-x");
  task.set_task_id("task");
  EXPECT_THAT(Call(&SchedulerStub::async::DeleteTask, task),
              StatusIs(absl::StatusCode::kNotFound, "host h-x not found"));
  task.set_host_id("h-a");
  EXPECT_THAT(Call(&SchedulerStub::async::DeleteTask, task), IsOk());
  // A task without peers goes with the next sweep.
  service_->SweepTasks();
  pb::scheduler::StatTaskRequest stat;
  stat.set_host_id("h-a");
  stat.set_task_id("task");
  EXPECT_TRUE(WaitFor([&] {
    return Call(&SchedulerStub::async::StatTask, stat).status().code() ==
           absl::StatusCode::kNotFound;
  }));
}

TEST_F(SchedulerServiceTest, OtherKindsAreRefusedWithAReason) {
  EXPECT_THAT(Call(&SchedulerStub::async::StatPersistentTask, {}),
              StatusIs(absl::StatusCode::kUnimplemented, "persistent tasks are not supported"));
  EXPECT_THAT(Call(&SchedulerStub::async::PreheatImage, {}),
              StatusIs(absl::StatusCode::kUnimplemented, "image and file calls"));
  auto stream = rpc::OpenBidi(client_.executor(), *stub_->async(),
                              &SchedulerStub::async::AnnouncePersistentCachePeer);
  EXPECT_THAT(RunCoro(client_, stream.Read()),
              StatusIs(absl::StatusCode::kUnimplemented, "persistent cache tasks"));
}

/// Sends registrations and reports as fast as it can and returns how many streams ended well.
Awaitable<int> Storm(SchedulerStub& stub, asio::any_io_executor executor, int peer, int pieces) {
  auto stream = rpc::OpenBidi(executor, *stub.async(), &SchedulerStub::async::AnnouncePeer);
  AnnounceRequest request;
  request.set_host_id("h-" + std::to_string(peer % 10));
  request.set_task_id("task-" + std::to_string(peer % 4));
  request.set_peer_id("p" + std::to_string(peer));
  auto& download = *request.mutable_register_peer_request()->mutable_download();
  download.set_url("https://example.com/f");
  download.set_actual_piece_length(4U << 20U);
  download.set_actual_content_length(100U << 20U);
  download.set_actual_piece_count(25);
  download.set_need_back_to_source(true);
  if (!co_await stream.Write(request)) co_return 0;
  const auto answer = co_await stream.Read();
  if (!answer.ok() || !answer->has_value()) co_return 0;
  request.mutable_download_peer_back_to_source_started_request();
  if (!co_await stream.Write(request)) co_return 0;
  for (int i = 0; i < pieces; ++i) {
    auto& piece = *request.mutable_download_piece_finished_request()->mutable_piece();
    piece.set_number(static_cast<std::uint32_t>(i));
    piece.set_parent_id("p0");
    piece.set_length(1);
    piece.mutable_cost()->set_nanos(1);
    piece.mutable_created_at()->set_seconds(1);
    if (!co_await stream.Write(request)) co_return 0;
  }
  request.mutable_download_peer_back_to_source_finished_request();
  if (!co_await stream.Write(request)) co_return 0;
  const auto end = co_await stream.Read();
  co_return end.ok() && !end->has_value() ? 1 : 0;
}

Awaitable<> CountStorm(SchedulerStub& stub, asio::any_io_executor executor, int peer, int pieces,
                       std::atomic<int>& good) {
  good += co_await Storm(stub, executor, peer, pieces);
}

TEST_F(SchedulerServiceTest, AStormOfReportsLosesNothingAndHoldsUpNoRegistration) {
  constexpr int kPeers = 200;
  constexpr int kPieces = 1000;
  for (int i = 0; i < 10; ++i) {
    ASSERT_THAT(AnnounceHost(HostMessage("h-" + std::to_string(i))), IsOk());
  }
  ASSERT_THAT(AnnounceHost(HostMessage("h-late")), IsOk());
  Runtime senders("senders", 2);
  std::atomic<int> good = 0;
  TaskGroup even(senders.executor(0));
  TaskGroup odd(senders.executor(1));
  for (int i = 0; i < kPeers; ++i) {
    TaskGroup& group = i % 2 == 0 ? even : odd;
    group.Spawn(CountStorm(*stub_, group.executor(), i, kPieces, good));
  }
  ASSERT_TRUE(WaitFor([&] { return StatPeer("task-0", "p0").ok(); }));
  int registered = 0;
  while (good < kPeers && registered < 20) {
    Conversation late(*this, "late", "late-" + std::to_string(registered));
    late.Register(100ULL << 20U, true);
    EXPECT_EQ(late.Hear(), kFlagged);
    ++registered;
  }
  EXPECT_TRUE(WaitFor([&] { return even.running() + odd.running() == 0; }, 60s));
  EXPECT_EQ(good, kPeers);
  for (const char* peer : {"p0", "p199"}) {
    const std::string task = peer == std::string("p0") ? "task-0" : "task-3";
    EXPECT_EQ(StatPeer(task, peer)->state(), "Succeeded");
  }
  RunCoro(client_, even.Stop());
  RunCoro(client_, odd.Stop());
}

}  // namespace
}  // namespace dragonfly::scheduler
