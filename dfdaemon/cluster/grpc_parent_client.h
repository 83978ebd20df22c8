#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/async/task_group.h"
#include "common/rpc/channel.h"
#include "dfdaemon/cluster/scheduler_client.h"

namespace dragonfly::dfdaemon {

struct ParentClientOptions {
  /// A parent that sends no load for so long is asked anew. It sends every second.
  std::chrono::milliseconds load_timeout{10'000};
  std::chrono::milliseconds first_retry{1000};
};

/// A header of SyncPieces: the child also takes pieces that are only coming, which are sent to it
/// as they come. Children of the original do not say so, and are told only of pieces that are
/// whole.
inline constexpr char kTakesComingPieces[] = "dragonfly-takes-coming-pieces";

/// Runs on: the `io` executor.
class GrpcParentClient final : public ParentClient {
 public:
  GrpcParentClient(asio::any_io_executor executor, ParentClientOptions options,
                   rpc::ChannelPool& channels);

  std::unique_ptr<PieceOffers> SyncPieces(const CandidateParent& parent, TaskKind kind,
                                          const PeerIdentity& self,
                                          std::vector<PieceNumber> interested) override;
  std::shared_ptr<LoadWatch> WatchLoad(const CandidateParent& parent,
                                       const PeerIdentity& self) override;

  Awaitable<> Stop();

 private:
  class HostWatch;

  const asio::any_io_executor executor_;
  const ParentClientOptions options_;
  rpc::ChannelPool& channels_;
  absl::flat_hash_map<HostId, std::weak_ptr<HostWatch>> watches_;
  TaskGroup group_;
};

}  // namespace dragonfly::dfdaemon
