#pragma once

#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/rpc/channel.h"
#include "scheduler/cluster/seed_peer_client.h"

namespace dragonfly::scheduler {

/// Seed peers over gRPC: DfdaemonUpload.DownloadTask and the standard health service. Thread-safe.
class GrpcSeedPeerClient final : public SeedPeerClient {
 public:
  /// One channel per address; `channels.tls` when the configuration has seedPeer.tls.
  GrpcSeedPeerClient(rpc::ChannelOptions channels, const Clock& clock);
  ~GrpcSeedPeerClient() override;

  Awaitable<absl::StatusOr<SeedOutcome>> Download(std::string address,
                                                  std::string download) override;
  Awaitable<absl::Status> CheckHealth(std::string address, Duration timeout) override;

 private:
  const Clock& clock_;
  rpc::ChannelPool channels_;
};

}  // namespace dragonfly::scheduler
