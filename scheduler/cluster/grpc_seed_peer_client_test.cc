#include "scheduler/cluster/grpc_seed_peer_client.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "common/async/runtime.h"
#include "common/async/sleep.h"
#include "common/base/mutex.h"
#include "common/rpc/calls.h"
#include "common/rpc/pb.h"
#include "common/rpc/serve.h"
#include "common/rpc/server.h"
#include "common/testing/end_together.h"
#include "common/testing/matchers.h"
#include "common/testing/run_coro.h"
#include "dfdaemon.grpc.pb.h"

namespace dragonfly::scheduler {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

/// A seed peer that sends `messages` answers and ends with `status`.
class FakeSeedPeer final : public pb::dfdaemon::DfdaemonUpload::CallbackService {
 public:
  explicit FakeSeedPeer(rpc::Calls& calls) : calls_(calls) {}

  grpc::ServerWriteReactor<pb::dfdaemon::DownloadTaskResponse>* DownloadTask(
      grpc::CallbackServerContext* context,
      const pb::dfdaemon::DownloadTaskRequest* request) override {
    return rpc::ServeWriter<pb::dfdaemon::DownloadTaskResponse>(
        calls_, "/dfdaemon.v2.DfdaemonUpload/DownloadTask", context, request,
        std::bind_front(&FakeSeedPeer::Serve, this));
  }

  int messages = 3;
  bool hang = false;  ///< After the messages.
  absl::Status status;

  [[nodiscard]] pb::common::Download asked() const {
    const MutexLock lock(mutex_);
    return asked_;
  }

 private:
  Awaitable<absl::Status> Serve(rpc::ServerCall&, const pb::dfdaemon::DownloadTaskRequest& request,
                                rpc::Writer<pb::dfdaemon::DownloadTaskResponse>& writer) {
    {
      const MutexLock lock(mutex_);
      asked_ = request.download();
    }
    for (int i = 0; i < messages; ++i) {
      pb::dfdaemon::DownloadTaskResponse response;
      response.set_host_id("seed-host");
      response.set_peer_id("seed-peer");
      if (!co_await writer.Write(std::move(response))) break;
    }
    if (hang) co_await SleepFor(1h);
    co_return status;
  }

  rpc::Calls& calls_;
  mutable Mutex mutex_;
  pb::common::Download asked_ ABSL_GUARDED_BY(mutex_);
};

class GrpcSeedPeerClientTest : public testing::Test {
 protected:
  GrpcSeedPeerClientTest() {
    rpc::Calls::Options options;
    options.executor = [this] { return runtime_.Next(); };
    calls_ = std::make_unique<rpc::Calls>(std::move(options));
    seed_ = std::make_unique<FakeSeedPeer>(*calls_);
    rpc::ServerOptions server;
    server.listen = {"127.0.0.1:0"};
    server_ = *rpc::Server::Start(server, {seed_.get()}, *calls_);
    address_ = "127.0.0.1:" + std::to_string(server_->port());
  }
  ~GrpcSeedPeerClientTest() override { StopServer(); }

  void StopServer() {
    if (server_ != nullptr) RunCoro(client_runtime_, server_->Drain(0s));
    server_.reset();
  }
  absl::StatusOr<SeedOutcome> Download(const std::string& bytes) {
    return RunCoro(client_runtime_, client_.Download(address_, bytes));
  }
  static std::string SomeDownload() {
    pb::common::Download download;
    download.set_url("https://example.com/f");
    download.set_tag("t");
    download.set_output_path("/tmp/out");
    return download.SerializeAsString();
  }

  Runtime runtime_{"seed", 1};
  Runtime client_runtime_{"client", 1};
  EndTogether ends_{&runtime_, &client_runtime_};
  SystemClock clock_;
  std::unique_ptr<rpc::Calls> calls_;
  std::unique_ptr<FakeSeedPeer> seed_;
  std::unique_ptr<rpc::Server> server_;
  std::string address_;
  GrpcSeedPeerClient client_{GrpcSeedPeerClient::Options{}, clock_};
};

TEST_F(GrpcSeedPeerClientTest, TheSeedReadsTheSourceAndWritesNoOutput) {
  const auto outcome = Download(SomeDownload());
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->host_id, HostId("seed-host"));
  EXPECT_EQ(outcome->peer_id, PeerId("seed-peer"));
  const pb::common::Download asked = seed_->asked();
  EXPECT_EQ(asked.url(), "https://example.com/f");
  EXPECT_EQ(asked.tag(), "t");
  EXPECT_TRUE(asked.need_back_to_source());
  EXPECT_FALSE(asked.has_output_path());
}

TEST_F(GrpcSeedPeerClientTest, AnEmptyStreamNamesNobody) {
  seed_->messages = 0;
  const auto outcome = Download(SomeDownload());
  ASSERT_THAT(outcome, IsOk());
  EXPECT_TRUE(outcome->peer_id.empty());
}

TEST_F(GrpcSeedPeerClientTest, FailuresOfTheSourceComeAsTheyAre) {
  seed_->status = absl::InternalError("source answered 404");
  EXPECT_THAT(Download(SomeDownload()), StatusIs(absl::StatusCode::kInternal, "404"));
}

TEST_F(GrpcSeedPeerClientTest, ASeedThatIsGoneIsUnavailable) {
  StopServer();
  EXPECT_THAT(Download(SomeDownload()), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_FALSE(RunCoro(client_runtime_, client_.CheckHealth(address_, 1s)).ok());
}

TEST_F(GrpcSeedPeerClientTest, ASeedThatFallsSilentIsGivenUp) {
  seed_->hang = true;
  GrpcSeedPeerClient::Options options;
  options.silence = 20ms;
  GrpcSeedPeerClient impatient(options, clock_);
  EXPECT_THAT(RunCoro(client_runtime_, impatient.Download(address_, SomeDownload())),
              StatusIs(absl::StatusCode::kDeadlineExceeded, "hear from the seed peer"));
}

TEST_F(GrpcSeedPeerClientTest, BytesThatAreNoMessageAreRefused) {
  EXPECT_THAT(Download("\xff\xff\xff"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(GrpcSeedPeerClientTest, AnsweringServingIsHealthy) {
  EXPECT_THAT(RunCoro(client_runtime_, client_.CheckHealth(address_, 2s)), IsOk());
}

}  // namespace
}  // namespace dragonfly::scheduler
