#pragma once

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "common/async/awaitable.h"
#include "common/rpc/serve.h"
#include "dfdaemon.pb.h"
#include "dfdaemon/rpc/service_deps.h"

namespace dragonfly::dfdaemon {

/// Tells a child which of the pieces it wants are here, now and as they arrive. OK when all of them
/// were told, or the task is finished here; Internal "task <id> not found" or "task <id> failed",
/// the words that children of the original know. With `takes_coming` pieces are told as soon as
/// they begin to come; one that is lost again is told once more when it is here.
Awaitable<absl::Status> ServeSyncPieces(const ServiceDeps& deps,
                                        const pb::dfdaemon::SyncPiecesRequest& request,
                                        bool takes_coming,
                                        rpc::Writer<pb::dfdaemon::SyncPiecesResponse>& writer);

/// The load of this host's network, once a second until the child leaves.
Awaitable<absl::Status> ServeSyncHost(const ServiceDeps& deps,
                                      rpc::Writer<pb::common::Host>& writer);

/// The pieces a child still wants to hear of.
class WantedPieces {
 public:
  /// Numbers from `piece_count` on do not exist and are ignored.
  WantedPieces(const google::protobuf::RepeatedField<std::uint32_t>& numbers,
               PieceNumber piece_count);

  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] bool Contains(PieceNumber number) const {
    return number < wanted_.size() && wanted_[number];
  }
  void Add(PieceNumber number);
  void Remove(PieceNumber number);
  /// Those left, ascending.
  [[nodiscard]] std::vector<PieceNumber> List() const;

 private:
  std::vector<bool> wanted_;
  std::size_t count_ = 0;
};

}  // namespace dragonfly::dfdaemon
