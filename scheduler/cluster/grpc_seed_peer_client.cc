#include "scheduler/cluster/grpc_seed_peer_client.h"

#include <memory>
#include <utility>

#include "common/async/with_timeout.h"
#include "common/base/status_macros.h"
#include "common/rpc/client.h"
#include "common/rpc/health.h"
#include "common/rpc/pb.h"
#include "dfdaemon.grpc.pb.h"

namespace dragonfly::scheduler {

using UploadStub = pb::dfdaemon::DfdaemonUpload::Stub;

GrpcSeedPeerClient::GrpcSeedPeerClient(Options options, const Clock& clock)
    : silence_(options.silence), clock_(clock), channels_(std::move(options.channels)) {}

GrpcSeedPeerClient::~GrpcSeedPeerClient() = default;

Awaitable<absl::StatusOr<SeedOutcome>> GrpcSeedPeerClient::Download(std::string address,
                                                                    std::string download) {
  pb::dfdaemon::DownloadTaskRequest request;
  if (!request.mutable_download()->ParseFromString(download)) {
    co_return absl::InvalidArgumentError("seed download: not a Download message");
  }
  request.mutable_download()->set_need_back_to_source(true);
  // A path of the peer that asked, not of the seed peer.
  request.mutable_download()->clear_output_path();

  CO_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel,
                      channels_.Get(address, clock_.Now()));
  const auto stub = pb::dfdaemon::DfdaemonUpload::NewStub(channel);
  auto stream = rpc::OpenReadStream(co_await asio::this_coro::executor, *stub->async(),
                                    &UploadStub::async::DownloadTask, std::move(request));
  SeedOutcome outcome;
  while (true) {
    auto message = co_await WithTimeout(stream.Read(), silence_, "hear from the seed peer");
    if (!message.ok()) co_return message.status();
    if (!message->has_value()) break;
    if (outcome.peer_id.empty()) {
      outcome.host_id = HostId((*message)->host_id());
      outcome.peer_id = PeerId((*message)->peer_id());
    }
  }
  co_return outcome;
}

Awaitable<absl::Status> GrpcSeedPeerClient::CheckHealth(std::string address, Duration timeout) {
  // Checks come at fixed intervals, also when nothing is downloaded or every download fails.
  channels_.Sweep(clock_.Now());
  CO_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel,
                      channels_.Get(address, clock_.Now()));
  co_return co_await rpc::CheckHealth(channel, "", timeout);
}

}  // namespace dragonfly::scheduler
