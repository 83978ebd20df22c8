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

namespace dragonfly::scheduler {

using SchedulerStub = pb::scheduler::Scheduler::Stub;
using AnnounceRequest = pb::scheduler::AnnouncePeerRequest;
using AnnounceResponse = pb::scheduler::AnnouncePeerResponse;

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

  static pb::scheduler::AnnounceHostRequest HostMessage(const std::string& id, bool seed = false) {
    pb::scheduler::AnnounceHostRequest request;
    pb::common::Host& host = *request.mutable_host();
    host.set_id(id);
    host.set_type(seed ? 1 : 0);
    host.set_hostname("name-of-" + id);
    host.set_ip("127.0.0.1");
    host.set_port(4000);
    host.set_download_port(4000);
    host.set_os("linux");
    host.mutable_network()->set_max_tx_bandwidth(10'000'000'000);
    host.mutable_network()->set_idc("idc-a");
    request.mutable_interval()->set_seconds(300);
    return request;
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
  class Conversation {
   public:
    Conversation(SchedulerServiceTest& test, std::string id, std::string task = "task")
        : test_(test),
          id_(std::move(id)),
          task_(std::move(task)),
          stream_(rpc::OpenBidi(test.client_.executor(), *test.stub_->async(),
                                &SchedulerStub::async::AnnouncePeer)) {}

    void Say(AnnounceRequest request) {
      request.set_host_id("h-" + id_);
      request.set_task_id(task_);
      request.set_peer_id(id_);
      SayAsItIs(std::move(request));
    }
    void SayAsItIs(AnnounceRequest request) {
      RunCoro(test_.client_, stream_.Write(std::move(request)));
    }
    void Register(std::uint64_t length = 100ULL << 20U, bool back_to_source = false) {
      AnnounceRequest request;
      pb::common::Download& download =
          *request.mutable_register_peer_request()->mutable_download();
      download.set_url("https://example.com/f");
      download.set_actual_piece_length(4U << 20U);
      download.set_actual_content_length(length);
      download.set_actual_piece_count((length + (4U << 20U) - 1) >> 22U);
      download.set_need_back_to_source(back_to_source);
      download.set_output_path("/tmp/out");
      (*download.mutable_request_header())["Authorization"] = "Bearer secret";
      Say(std::move(request));
    }
    void Started() {
      AnnounceRequest request;
      request.mutable_download_peer_started_request();
      Say(std::move(request));
    }
    void BackToSourceStarted() {
      AnnounceRequest request;
      request.mutable_download_peer_back_to_source_started_request();
      Say(std::move(request));
    }
    void Finished() {
      AnnounceRequest request;
      request.mutable_download_peer_finished_request();
      Say(std::move(request));
    }
    void BackToSourceFinished() {
      AnnounceRequest request;
      request.mutable_download_peer_back_to_source_finished_request();
      Say(std::move(request));
    }
    void Failed() {
      AnnounceRequest request;
      request.mutable_download_peer_failed_request();
      Say(std::move(request));
    }
    void BackToSourceFailed() {
      AnnounceRequest request;
      request.mutable_download_peer_back_to_source_failed_request();
      Say(std::move(request));
    }
    static pb::common::Piece Piece(std::uint32_t number) {
      pb::common::Piece piece;
      piece.set_number(number);
      piece.set_offset(number * (4ULL << 20U));
      piece.set_length(4U << 20U);
      piece.set_digest("crc32:123");
      piece.mutable_cost()->set_nanos(1000000);
      piece.mutable_created_at()->set_seconds(1);
      return piece;
    }
    void PieceFrom(const std::string& parent, std::uint32_t number) {
      AnnounceRequest request;
      pb::common::Piece& piece =
          *request.mutable_download_piece_finished_request()->mutable_piece();
      piece = Piece(number);
      piece.set_parent_id(parent);
      piece.set_traffic_type(pb::common::REMOTE_PEER);
      Say(std::move(request));
    }
    void PieceFromSource(std::uint32_t number) {
      AnnounceRequest request;
      *request.mutable_download_piece_back_to_source_finished_request()->mutable_piece() =
          Piece(number);
      Say(std::move(request));
    }
    void PieceFailed(const std::string& parent) {
      AnnounceRequest request;
      request.mutable_download_piece_failed_request()->set_parent_id(parent);
      request.mutable_download_piece_failed_request()->set_temporary(true);
      Say(std::move(request));
    }
    void Reschedule(const std::vector<std::string>& parents) {
      AnnounceRequest request;
      request.mutable_reschedule_peer_request();
      for (const std::string& parent : parents) {
        request.mutable_reschedule_peer_request()->add_candidate_parents()->set_id(parent);
      }
      Say(std::move(request));
    }
    void HalfClose() { RunCoro(test_.client_, stream_.WritesDone()); }
    void Cancel() { stream_.Cancel(); }

    absl::StatusOr<std::optional<AnnounceResponse>> Read() {
      return RunCoro(test_.client_, stream_.Read());
    }
    /// "empty", "metadata", "source: …", "parents: a,b" (in order), "end" or the status.
    std::string Hear() {
      const auto response = Read();
      if (!response.ok()) {
        return StrCat(absl::StatusCodeToString(response.status().code()), ": ",
                      response.status().message());
      }
      if (!response->has_value()) return "end";
      switch ((*response)->response_case()) {
        case AnnounceResponse::kEmptyTaskResponse: return "empty";
        case AnnounceResponse::kMetadataOnlyResponse: return "metadata";
        case AnnounceResponse::kNeedBackToSourceResponse:
          return "source: " + (*response)->need_back_to_source_response().description();
        case AnnounceResponse::kNormalTaskResponse: break;
        default: return "nothing";
      }
      std::string text = "parents: ";
      for (const auto& parent : (*response)->normal_task_response().candidate_parents()) {
        if (!text.ends_with(' ')) text += ',';
        text += parent.id();
      }
      return text;
    }

   private:
    SchedulerServiceTest& test_;
    const std::string id_;
    const std::string task_;
    rpc::ClientBidi<AnnounceRequest, AnnounceResponse> stream_;
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
