#pragma once

// What the tests of this folder talk to: manager, scheduler and parent as one real server on
// loopback, with behaviour made of functions.

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "absl/base/thread_annotations.h"
#include "common/async/runtime.h"
#include "common/base/mutex.h"
#include "common/rpc/pb.h"
#include "common/rpc/serve.h"
#include "common/rpc/server.h"
#include "common/testing/end_together.h"
#include "common/testing/process.h"
#include "common/testing/run_coro.h"
#include "common/testing/wait_for.h"
#include "dfdaemon.grpc.pb.h"
#include "dfdaemon/cluster/scheduler_list.h"
#include "manager.grpc.pb.h"
#include "scheduler.grpc.pb.h"

namespace dragonfly::dfdaemon {

using AnnounceStream =
    rpc::Bidi<pb::scheduler::AnnouncePeerRequest, pb::scheduler::AnnouncePeerResponse>;

/// Values that handlers leave and tests read.
template <class T>
class Recorded {
 public:
  void Add(T value) {
    const MutexLock lock(mutex_);
    values_.push_back(std::move(value));
  }
  [[nodiscard]] std::vector<T> all() const {
    const MutexLock lock(mutex_);
    return values_;
  }
  [[nodiscard]] std::size_t size() const { return all().size(); }

 private:
  mutable Mutex mutex_;
  std::vector<T> values_ ABSL_GUARDED_BY(mutex_);
};

class FakeManager final : public pb::manager::Manager::CallbackService {
 public:
  explicit FakeManager(rpc::Calls& calls) : calls_(calls) {}

  grpc::ServerUnaryReactor* ListSchedulers(grpc::CallbackServerContext* context,
                                           const pb::manager::ListSchedulersRequest* request,
                                           pb::manager::ListSchedulersResponse* response) override {
    return rpc::ServeUnary(calls_, "/manager.v2.Manager/ListSchedulers", context, request, response,
                           std::bind_front(&FakeManager::List, this));
  }

  Recorded<pb::manager::ListSchedulersRequest> requests;
  pb::manager::ListSchedulersResponse answer;

 private:
  Awaitable<absl::Status> List(rpc::ServerCall& /*call*/,
                               const pb::manager::ListSchedulersRequest& request,
                               pb::manager::ListSchedulersResponse& response) {
    requests.Add(request);
    response = answer;
    co_return absl::OkStatus();
  }

  rpc::Calls& calls_;
};

class FakeScheduler final : public pb::scheduler::Scheduler::CallbackService {
 public:
  explicit FakeScheduler(rpc::Calls& calls) : calls_(calls) {}

  grpc::ServerBidiReactor<pb::scheduler::AnnouncePeerRequest, pb::scheduler::AnnouncePeerResponse>*
  AnnouncePeer(grpc::CallbackServerContext* context) override {
    return rpc::ServeBidi<pb::scheduler::AnnouncePeerRequest, pb::scheduler::AnnouncePeerResponse>(
        calls_, "/scheduler.v2.Scheduler/AnnouncePeer", context,
        std::bind_front(&FakeScheduler::Announce, this));
  }
  grpc::ServerUnaryReactor* AnnounceHost(grpc::CallbackServerContext* context,
                                         const pb::scheduler::AnnounceHostRequest* request,
                                         google::protobuf::Empty* response) override {
    return rpc::ServeUnary(calls_, "/scheduler.v2.Scheduler/AnnounceHost", context, request,
                           response, std::bind_front(&FakeScheduler::TakeHost, this));
  }
  grpc::ServerUnaryReactor* DeleteHost(grpc::CallbackServerContext* context,
                                       const pb::scheduler::DeleteHostRequest* request,
                                       google::protobuf::Empty* response) override {
    return rpc::ServeUnary(calls_, "/scheduler.v2.Scheduler/DeleteHost", context, request, response,
                           std::bind_front(&FakeScheduler::LoseHost, this));
  }

  /// The conversation; `peers` holds what came before it is called for each message.
  std::function<Awaitable<absl::Status>(FakeScheduler&, AnnounceStream&)> announce;
  std::function<absl::Status(std::size_t nth)> take_host = [](std::size_t) {
    return absl::OkStatus();
  };
  Recorded<pb::scheduler::AnnouncePeerRequest> messages;
  Recorded<pb::scheduler::AnnounceHostRequest> hosts;
  Recorded<std::string> deleted_hosts;

 private:
  Awaitable<absl::Status> Announce(rpc::ServerCall& /*call*/, AnnounceStream& stream) {
    return announce(*this, stream);
  }
  Awaitable<absl::Status> TakeHost(rpc::ServerCall& /*call*/,
                                   const pb::scheduler::AnnounceHostRequest& request,
                                   google::protobuf::Empty& /*response*/) {
    hosts.Add(request);
    co_return take_host(hosts.size());
  }
  Awaitable<absl::Status> LoseHost(rpc::ServerCall& /*call*/,
                                   const pb::scheduler::DeleteHostRequest& request,
                                   google::protobuf::Empty& /*response*/) {
    deleted_hosts.Add(request.host_id());
    co_return absl::OkStatus();
  }

  rpc::Calls& calls_;
};

class FakeParent final : public pb::dfdaemon::DfdaemonUpload::CallbackService {
 public:
  using Offers = rpc::Writer<pb::dfdaemon::SyncPiecesResponse>;
  using Loads = rpc::Writer<pb::common::Host>;

  explicit FakeParent(rpc::Calls& calls) : calls_(calls) {}

  grpc::ServerWriteReactor<pb::dfdaemon::SyncPiecesResponse>* SyncPieces(
      grpc::CallbackServerContext* context,
      const pb::dfdaemon::SyncPiecesRequest* request) override {
    return rpc::ServeWriter<pb::dfdaemon::SyncPiecesResponse>(
        calls_, "/dfdaemon.v2.DfdaemonUpload/SyncPieces", context, request,
        [this](rpc::ServerCall&, const pb::dfdaemon::SyncPiecesRequest& asked, Offers& writer) {
          return sync_pieces(asked, writer);
        });
  }
  grpc::ServerWriteReactor<pb::common::Host>* SyncHost(
      grpc::CallbackServerContext* context, const pb::dfdaemon::SyncHostRequest* request) override {
    return rpc::ServeWriter<pb::common::Host>(
        calls_, "/dfdaemon.v2.DfdaemonUpload/SyncHost", context, request,
        [this](rpc::ServerCall&, const pb::dfdaemon::SyncHostRequest& asked, Loads& writer) {
          return sync_host(asked, writer);
        });
  }

  std::function<Awaitable<absl::Status>(const pb::dfdaemon::SyncPiecesRequest&, Offers&)>
      sync_pieces;
  std::function<Awaitable<absl::Status>(const pb::dfdaemon::SyncHostRequest&, Loads&)> sync_host;

 private:
  rpc::Calls& calls_;
};

class ClusterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    rpc::ServerOptions options;
    options.listen = {"127.0.0.1:0"};
    auto server = rpc::Server::Start(options, {&manager_, &scheduler_, &parent_}, calls_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  void TearDown() override {
    if (server_ != nullptr) Run(server_->Drain(Duration::zero()));
    server_.reset();
  }

  /// Runs a coroutine on `io` to its end.
  template <class T>
  T Run(Awaitable<T> work) {
    return RunCoro(io_, std::move(work));
  }

  [[nodiscard]] std::uint16_t port() const { return static_cast<std::uint16_t>(server_->port()); }
  [[nodiscard]] SchedulerEndpoint Live() const { return {"live", "127.0.0.1", port(), 1}; }
  static SchedulerEndpoint Dead() { return {"dead", "127.0.0.1", FreePort(), 1}; }

  Runtime handlers_{"handlers", 1};
  Runtime io_{"io", 1};
  EndTogether ends_{&handlers_, &io_};
  rpc::Calls calls_{rpc::Calls::Options{.executor = [this] { return handlers_.executor(); },
                                        .requests_per_second = 0,
                                        .burst = 0,
                                        .on_exception = {},
                                        .observer = nullptr}};
  FakeManager manager_{calls_};
  FakeScheduler scheduler_{calls_};
  FakeParent parent_{calls_};
  std::unique_ptr<rpc::Server> server_;
};

}  // namespace dragonfly::dfdaemon
