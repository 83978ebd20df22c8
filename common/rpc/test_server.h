#pragma once

// What the tests of this folder share: a real server on loopback, its services made of functions.

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>
#include <unistd.h>

#include "common/async/runtime.h"
#include "common/async/sleep.h"
#include "common/rpc/bidi_call.h"
#include "common/rpc/channel.h"
#include "common/rpc/client.h"
#include "common/rpc/pb.h"
#include "common/rpc/serve.h"
#include "common/rpc/server.h"
#include "common/testing/end_together.h"
#include "common/testing/run_coro.h"
#include "common/testing/wait_for.h"
#include "dfdaemon.grpc.pb.h"
#include "manager.grpc.pb.h"
#include "scheduler.grpc.pb.h"

namespace dragonfly::rpc {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace): a test's header

using ManagerStub = pb::manager::Manager::Stub;
using SchedulerStub = pb::scheduler::Scheduler::Stub;
using UploadStub = pb::dfdaemon::DfdaemonUpload::Stub;
using AnnounceRequest = pb::scheduler::AnnouncePeerRequest;
using AnnounceResponse = pb::scheduler::AnnouncePeerResponse;

/// unary: GetScheduler; client stream: KeepAlive.
class ManagerService final : public pb::manager::Manager::CallbackService {
 public:
  explicit ManagerService(Calls& calls) : calls_(calls) {}

  grpc::ServerUnaryReactor* GetScheduler(grpc::CallbackServerContext* context,
                                         const pb::manager::GetSchedulerRequest* request,
                                         pb::manager::Scheduler* response) override {
    return ServeUnary(calls_, "/manager.v2.Manager/GetScheduler", context, request, response,
                      get_scheduler);
  }
  grpc::ServerReadReactor<pb::manager::KeepAliveRequest>* KeepAlive(
      grpc::CallbackServerContext* context, google::protobuf::Empty* response) override {
    return ServeReader<pb::manager::KeepAliveRequest>(calls_, "/manager.v2.Manager/KeepAlive",
                                                      context, response, keep_alive);
  }

  std::function<Awaitable<absl::Status>(ServerCall&, const pb::manager::GetSchedulerRequest&,
                                        pb::manager::Scheduler&)>
      get_scheduler;
  std::function<Awaitable<absl::Status>(ServerCall&, Reader<pb::manager::KeepAliveRequest>&,
                                        google::protobuf::Empty&)>
      keep_alive;

 private:
  Calls& calls_;
};

/// server stream: SyncHost.
class UploadService final : public pb::dfdaemon::DfdaemonUpload::CallbackService {
 public:
  explicit UploadService(Calls& calls) : calls_(calls) {}

  grpc::ServerWriteReactor<pb::common::Host>* SyncHost(
      grpc::CallbackServerContext* context,
      const pb::dfdaemon::SyncHostRequest* request) override {
    return ServeWriter<pb::common::Host>(calls_, "/dfdaemon.v2.DfdaemonUpload/SyncHost", context,
                                         request, sync_host);
  }

  std::function<Awaitable<absl::Status>(ServerCall&, const pb::dfdaemon::SyncHostRequest&,
                                        Writer<pb::common::Host>&)>
      sync_host;

 private:
  Calls& calls_;
};

/// bidi: AnnouncePeer as a coroutine, AnnouncePersistentPeer by callbacks.
class SchedulerService final : public pb::scheduler::Scheduler::CallbackService {
 public:
  using PersistentRequest = pb::scheduler::AnnouncePersistentPeerRequest;
  using PersistentResponse = pb::scheduler::AnnouncePersistentPeerResponse;
  using PersistentCall = BidiCall<PersistentRequest, PersistentResponse>;

  explicit SchedulerService(Calls& calls) : calls_(calls) {}

  grpc::ServerBidiReactor<AnnounceRequest, AnnounceResponse>* AnnouncePeer(
      grpc::CallbackServerContext* context) override {
    return ServeBidi<AnnounceRequest, AnnounceResponse>(
        calls_, "/scheduler.v2.Scheduler/AnnouncePeer", context, announce);
  }
  grpc::ServerBidiReactor<PersistentRequest, PersistentResponse>* AnnouncePersistentPeer(
      grpc::CallbackServerContext* context) override {
    return ServeBidiCallback<PersistentRequest, PersistentResponse>(
        calls_, "/scheduler.v2.Scheduler/AnnouncePersistentPeer", context, 8, observe);
  }

  std::function<Awaitable<absl::Status>(ServerCall&, Bidi<AnnounceRequest, AnnounceResponse>&)>
      announce;
  std::function<std::shared_ptr<BidiObserver<PersistentRequest>>(std::shared_ptr<PersistentCall>)>
      observe;

 private:
  Calls& calls_;
};

/// A server with all three; handlers run on `handlers`, callers on `callers`.
class RpcTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("dragonfly-rpc-" + std::to_string(getpid()) + "-" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
    MakeCalls({});
  }
  void TearDown() override {
    if (server_ != nullptr) RunCoro(callers_, server_->Drain(0s));
    server_.reset();
    std::filesystem::remove_all(folder_);
  }

  void MakeCalls(Calls::Options options) {
    options.executor = [this] { return handlers_.Next(); };
    options.on_exception = [this](std::string_view, std::string_view what) {
      exception_ = std::string(what);
    };
    calls_ = std::make_unique<Calls>(std::move(options));
    manager_ = std::make_unique<ManagerService>(*calls_);
    upload_ = std::make_unique<UploadService>(*calls_);
    scheduler_ = std::make_unique<SchedulerService>(*calls_);
  }
  absl::Status StartServer(ServerOptions options) {
    auto server =
        Server::Start(options, {manager_.get(), upload_.get(), scheduler_.get()}, *calls_);
    if (!server.ok()) return server.status();
    server_ = *std::move(server);
    return absl::OkStatus();
  }
  /// Starts on a free port and returns a channel to it.
  std::shared_ptr<grpc::Channel> StartAndConnect() {
    ServerOptions options;
    options.listen = {"127.0.0.1:0"};
    EXPECT_EQ(StartServer(options), absl::OkStatus());
    return *Connect(Address());
  }
  [[nodiscard]] std::string Address() const {
    return "127.0.0.1:" + std::to_string(server_->port());
  }
  [[nodiscard]] std::string Path(const std::string& name) const { return (folder_ / name).string(); }

  Runtime handlers_{"handlers", 2};
  Runtime callers_{"callers", 1};
  EndTogether ends_{&handlers_, &callers_};
  std::filesystem::path folder_;
  std::string exception_;
  std::unique_ptr<Calls> calls_;
  std::unique_ptr<ManagerService> manager_;
  std::unique_ptr<UploadService> upload_;
  std::unique_ptr<SchedulerService> scheduler_;
  std::unique_ptr<Server> server_;
};

}  // namespace dragonfly::rpc
