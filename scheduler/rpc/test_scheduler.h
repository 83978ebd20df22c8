#pragma once

// A real server with the whole service, a fake seed peer client, and a client that speaks
// AnnouncePeer as a daemon does.

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "common/async/notifier.h"
#include "common/async/runtime.h"
#include "common/async/with_timeout.h"
#include "common/base/mutex.h"
#include "common/rpc/channel.h"
#include "common/rpc/client.h"
#include "common/rpc/server.h"
#include "common/rpc/time.h"
#include "common/testing/end_together.h"
#include "common/testing/run_coro.h"
#include "common/testing/wait_for.h"
#include "scheduler/rpc/scheduler_service.h"
#include "scheduler/rpc/test_peer.h"

namespace dragonfly::scheduler {

/// Does not answer a Download() before Answer(). Thread-safe.
class FakeSeedClient final : public SeedPeerClient {
 public:
  explicit FakeSeedClient(asio::any_io_executor executor) : executor_(executor), told_(executor) {}

  Awaitable<absl::StatusOr<SeedOutcome>> Download(std::string address,
                                                  std::string download) override {
    {
      const MutexLock lock(mutex_);
      downloads_.emplace_back(std::move(address), std::move(download));
    }
    while (true) {
      const auto seen = told_.version();
      {
        const MutexLock lock(mutex_);
        if (answer_.has_value()) co_return *answer_;
      }
      co_await told_.WaitPast(seen);
    }
  }
  Awaitable<absl::Status> CheckHealth(std::string, Duration) override {
    co_return absl::OkStatus();
  }

  void Answer(absl::StatusOr<SeedOutcome> answer) {
    {
      const MutexLock lock(mutex_);
      answer_ = std::move(answer);
    }
    told_.NotifyFromAnyThread();
  }
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> downloads() const {
    const MutexLock lock(mutex_);
    return downloads_;
  }

 private:
  const asio::any_io_executor executor_;
  Notifier told_;
  mutable Mutex mutex_;
  std::vector<std::pair<std::string, std::string>> downloads_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::StatusOr<SeedOutcome>> answer_ ABSL_GUARDED_BY(mutex_);
};

/// Counts what the tests ask for.
class CountingMetrics final : public NullSchedulerMetrics {
 public:
  void ConversationOpened() override { ++opened; }
  void ConversationClosed(bool has_failed) override {
    ++closed;
    if (has_failed) ++failed;
  }
  void HostAnnounced(const AnnounceLabels&) override { ++hosts_announced; }
  std::atomic<int> opened = 0;
  std::atomic<int> closed = 0;
  std::atomic<int> failed = 0;
  std::atomic<int> hosts_announced = 0;
};

class SchedulerServiceTest : public testing::Test {
 protected:
  /// Peers wait as long as a test may need, unless it is about the end of their patience.
  explicit SchedulerServiceTest(Duration retry_interval = std::chrono::seconds(10)) {
    rpc::Calls::Options calls;
    calls.executor = [this] { return shards_.Next(); };
    calls_ = std::make_unique<rpc::Calls>(std::move(calls));
    SchedulerService::Options options;
    options.scheduler_cluster_id = 7;
    options.scheduling.waiting.retry.retry_interval = retry_interval;
    service_ = *SchedulerService::Create(
        options,
        SchedulerService::Collaborators{*calls_, {shards_.executor(0), shards_.executor(1)},
                                        hosts_, seeds_, config_, scheduling_metrics_, metrics_,
                                        clock_, Logger()});
    rpc::ServerOptions server;
    server.listen = {"127.0.0.1:0"};
    server_ = *rpc::Server::Start(server, {service_.get()}, *calls_);
    channel_ = *rpc::Connect("127.0.0.1:" + std::to_string(server_->port()));
    stub_ = pb::scheduler::Scheduler::NewStub(channel_);
  }
  ~SchedulerServiceTest() override {
    RunCoro(client_, server_->Drain(std::chrono::seconds(0)));
    server_.reset();
    RunCoro(client_, seeds_.Stop());
    RunCoro(client_, service_->Stop());
    ends_.Now();
  }

  absl::Status AnnounceHost(pb::scheduler::AnnounceHostRequest request) {
    return Call(&SchedulerStub::async::AnnounceHost, std::move(request)).status();
  }
  template <class Request, class Response>
  absl::StatusOr<Response> Call(void (SchedulerStub::async::*method)(
                                    grpc::ClientContext*, const Request*, Response*,
                                    std::function<void(grpc::Status)>),
                                std::type_identity_t<Request> request) {
    return RunCoro(client_, rpc::Unary(*stub_->async(), method, std::move(request),
                                       std::chrono::seconds(10)));
  }
  absl::StatusOr<pb::common::Peer> StatPeer(const std::string& task, const std::string& peer) {
    pb::scheduler::StatPeerRequest request;
    request.set_host_id("h");
    request.set_task_id(task);
    request.set_peer_id(peer);
    return Call(&SchedulerStub::async::StatPeer, request);
  }

  /// One AnnouncePeer stream of peer `id` on host `h-<id>`.
  class Conversation : public TestPeer {
   public:
    Conversation(SchedulerServiceTest& test, std::string id, std::string task = "task")
        : TestPeer(test.client_, *test.stub_, std::move(id), std::move(task)) {}
  };

  Runtime shards_{"shard", 2};
  Runtime client_{"client", 1};
  EndTogether ends_{&shards_, &client_};
  SystemClock clock_;
  HostTable hosts_;
  DynamicConfigHolder config_;
  NullSchedulingMetrics scheduling_metrics_;
  CountingMetrics metrics_;
  FakeSeedClient seed_client_{client_.executor()};
  SeedPeers seeds_{SeedPeers::Options{}, hosts_, seed_client_, client_.executor(), Logger()};
  std::unique_ptr<rpc::Calls> calls_;
  std::unique_ptr<SchedulerService> service_;
  std::unique_ptr<rpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<SchedulerStub> stub_;
};

}  // namespace dragonfly::scheduler
