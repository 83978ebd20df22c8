// The program as a process beside a real Redis: what it knows again after it was killed, and what
// happens while Redis is away.

#include <chrono>
#include <csignal>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/strings.h"
#include "common/redis/connection.h"
#include "common/rpc/channel.h"
#include "common/rpc/health.h"
#include "common/testing/matchers.h"
#include "common/testing/process.h"
#include "common/testing/run_coro.h"
#include "common/testing/temp_dir.h"
#include "common/testing/wait_for.h"
#include "scheduler/rpc/test_peer.h"

namespace dragonfly::scheduler {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::StartsWith;

class SchedulerRestartTest : public testing::Test {
 protected:
  void SetUp() override {
    auto redis = StartRedis(dir_.path());
    if (absl::IsNotFound(redis.status())) GTEST_SKIP() << redis.status();
    ASSERT_THAT(redis, IsOk());
    redis_.emplace(*std::move(redis));
  }

  void StartScheduler(const std::string& more_redis = "") {
    WriteFile(dir_.File("scheduler.yaml"),
              StrCat("server: {listenIP: 127.0.0.1, advertiseIP: 127.0.0.1, host: test, port: ",
                     port_, ", logDir: ", dir_.path(), ", cacheDir: ", dir_.path(), "}\n",
                     "database: {redis: {addrs: ['", redis_->address(), "']", more_redis, "}}\n"));
    ProcessOptions options;
    options.argv = {StrCat(std::getenv("DF_BIN_DIR"), "/scheduler"),
                    "--config",
                    dir_.File("scheduler.yaml"),
                    "--dynconfig",
                    dir_.File("dynconfig.yaml"),
                    "--console"};
    options.output_file = dir_.File("output");
    auto process = Process::Start(options);
    ASSERT_THAT(process, IsOk());
    scheduler_.emplace(*std::move(process));
  }
  void StartAndWait() {
    StartScheduler();
    ASSERT_TRUE(WaitFor([this] {
      channel_ = rpc::Connect(StrCat("127.0.0.1:", port_)).value_or(nullptr);
      return channel_ != nullptr && RunCoro(rpc::CheckHealth(channel_, "", milliseconds(500))).ok();
    })) << Output();
    stub_ = pb::scheduler::Scheduler::NewStub(channel_);
  }
  void KillAndRestart() {
    scheduler_->Kill();
    StartAndWait();
  }

  template <class Request, class Response>
  absl::StatusOr<Response> Call(void (SchedulerStub::async::*method)(
                                    grpc::ClientContext*, const Request*, Response*,
                                    std::function<void(grpc::Status)>),
                                std::type_identity_t<Request> request) {
    return RunCoro(client_,
                   rpc::Unary(*stub_->async(), method, std::move(request), seconds(10)));
  }
  absl::Status Announce(const std::string& host) {
    return Call(&SchedulerStub::async::AnnounceHost, HostMessage(host)).status();
  }
  std::string StateOf(const std::string& peer) {
    pb::scheduler::StatPeerRequest request;
    request.set_host_id("h");
    request.set_task_id("task");
    request.set_peer_id(peer);
    const auto answer = Call(&SchedulerStub::async::StatPeer, std::move(request));
    return answer.ok() ? answer->state() : "unknown";
  }
  /// Has read all of the task from the source.
  void FetchFromSource(const std::string& id) {
    ASSERT_THAT(Announce("h-" + id), IsOk());
    TestPeer peer(client_, *stub_, id);
    peer.Register(8U << 20U, /*back_to_source=*/true);
    ASSERT_THAT(peer.Hear(), StartsWith("source"));
    peer.BackToSourceStarted();
    peer.PieceFromSource(0);
    peer.PieceFromSource(1);
    peer.BackToSourceFinished();
    ASSERT_EQ(peer.Hear(), "end");
  }
  /// A new peer's answer.
  std::string Ask(const std::string& id) {
    EXPECT_THAT(Announce("h-" + id), IsOk());
    TestPeer peer(client_, *stub_, id);
    peer.Register(8U << 20U);
    return peer.Hear();
  }
  std::size_t PeersInRedis() {
    redis::Options options;
    options.addresses = {redis_->address()};
    auto connection = redis::Connection::Open(options);
    if (!connection.ok()) return 0;
    const std::string key =
        StrCat("scheduler:scheduler-clusters:1:standard-peers:{test:", port_, "}");
    const auto count = (*connection)->Run({"HLEN", key});
    return count.ok() ? static_cast<std::size_t>(count->integer) : 0;
  }
  std::string Output() { return ReadFile(dir_.File("output")).value_or(""); }

  Runtime client_{"client", 1};
  TempDir dir_;
  const std::uint16_t port_ = FreePort();
  std::optional<RealServer> redis_;
  std::optional<Process> scheduler_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<SchedulerStub> stub_;
};

TEST_F(SchedulerRestartTest, KnowsWhatHostsHaveAfterItWasKilled) {
  StartAndWait();
  FetchFromSource("a");
  // One more is on its way when the scheduler dies: it has a piece.
  ASSERT_THAT(Announce("h-b"), IsOk());
  TestPeer b(client_, *stub_, "b");
  b.Register(8U << 20U);
  ASSERT_EQ(b.Hear(), "parents: a");
  b.Started();
  b.PieceFrom("a", 1);
  ASSERT_TRUE(WaitFor([this] { return PeersInRedis() == 2; })) << Output();

  const auto begun = std::chrono::steady_clock::now();
  KillAndRestart();
  EXPECT_EQ(StateOf("a"), "Succeeded");
  EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds(5));
  EXPECT_EQ(StateOf("b"), "Running");
  EXPECT_THAT(Output(), HasSubstr("state restored"));

  // Daemons of the original announce their hosts again and nothing else.
  ASSERT_THAT(Announce("h-a"), IsOk());
  EXPECT_EQ(Ask("c"), "parents: a,b");
}

TEST_F(SchedulerRestartTest, ForgetsWhatWasDeletedBefore) {
  StartAndWait();
  FetchFromSource("a");
  ASSERT_TRUE(WaitFor([this] { return PeersInRedis() == 1; })) << Output();
  pb::scheduler::DeleteHostRequest request;
  request.set_host_id("h-a");
  ASSERT_THAT(Call(&SchedulerStub::async::DeleteHost, request), IsOk());
  ASSERT_TRUE(WaitFor([this] { return PeersInRedis() == 0; })) << Output();
  KillAndRestart();
  EXPECT_EQ(StateOf("a"), "unknown");
  EXPECT_THAT(Ask("b"), StartsWith("source"));
}

TEST_F(SchedulerRestartTest, AStopWritesTheLastChanges) {
  StartAndWait();
  FetchFromSource("a");
  scheduler_->Signal(SIGTERM);
  EXPECT_THAT(scheduler_->Wait(), IsOkAndHolds(0)) << Output();
  StartAndWait();
  EXPECT_EQ(StateOf("a"), "Succeeded");
}

TEST_F(SchedulerRestartTest, SchedulesWhileRedisIsAwayAndWritesEverythingAnew) {
  StartAndWait();
  FetchFromSource("a");
  ASSERT_TRUE(WaitFor([this] { return PeersInRedis() == 1; })) << Output();

  // It comes back empty.
  redis_->process().Kill();
  EXPECT_EQ(Ask("b"), "parents: a");
  FetchFromSource("c");
  ASSERT_TRUE(WaitFor([this] { return Output().find("cannot be written") != std::string::npos; }));
  ASSERT_THAT(redis_->Restart(), IsOk());
  ASSERT_TRUE(WaitFor([this] { return PeersInRedis() == 2; })) << Output();
  KillAndRestart();
  EXPECT_EQ(StateOf("a"), "Succeeded");
  EXPECT_EQ(StateOf("c"), "Succeeded");
}

TEST_F(SchedulerRestartTest, StartsWithoutRedisAndReadsItLater) {
  StartAndWait();
  FetchFromSource("a");
  ASSERT_TRUE(WaitFor([this] { return PeersInRedis() == 1; })) << Output();
  scheduler_->Kill();

  // Stopped, it takes connections and answers nothing.
  redis_->process().Signal(SIGSTOP);
  StartAndWait();
  FetchFromSource("c");
  EXPECT_EQ(StateOf("a"), "unknown");
  redis_->process().Signal(SIGCONT);
  ASSERT_TRUE(WaitFor([this] { return StateOf("a") == "Succeeded"; })) << Output();
  ASSERT_TRUE(WaitFor([this] { return PeersInRedis() == 2; })) << Output();
}

TEST_F(SchedulerRestartTest, NamesAWrongPassword) {
  redis::Options options;
  options.addresses = {redis_->address()};
  auto connection = redis::Connection::Open(options);
  ASSERT_THAT(connection, IsOk());
  ASSERT_THAT((*connection)->Run({"CONFIG", "SET", "requirepass", "right"}), IsOk());
  StartScheduler(", password: wrong");
  EXPECT_THAT(scheduler_->Wait(), IsOkAndHolds(1)) << Output();
  EXPECT_THAT(Output(), HasSubstr("database.redis: "));
  EXPECT_THAT(Output(), HasSubstr("WRONGPASS"));
  StartScheduler(", password: right");
  EXPECT_TRUE(WaitFor([this] { return Output().find("state restored") != std::string::npos; }));
}

}  // namespace
}  // namespace dragonfly::scheduler
