#pragma once

#include <chrono>
#include <string>

#include "common/base/clock.h"
#include "common/rpc/channel.h"
#include "scheduler/cluster/seed_peer_client.h"

namespace dragonfly::scheduler {

/// Seed peers over gRPC: DfdaemonUpload.DownloadTask and the standard health service. Thread-safe.
class GrpcSeedPeerClient final : public SeedPeerClient {
 public:
  struct Options {
    /// `tls` when the configuration has seedPeer.tls. There is one channel per address.
    rpc::ChannelOptions channels;
    /// A seed peer that fetches and says nothing for so long has got stuck.
    Duration silence = std::chrono::minutes(30);
  };

  GrpcSeedPeerClient(Options options, const Clock& clock);
  ~GrpcSeedPeerClient() override;

  Awaitable<absl::StatusOr<SeedOutcome>> Download(std::string address,
                                                  std::string download) override;
  Awaitable<absl::Status> CheckHealth(std::string address, Duration timeout) override;

 private:
  const Duration silence_;
  const Clock& clock_;
  rpc::ChannelPool channels_;
};

}  // namespace dragonfly::scheduler
