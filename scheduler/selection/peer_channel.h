#pragma once

#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "scheduler/selection/parent_finder.h"

namespace dragonfly::scheduler {

/// Where the answers of one conversation go. Called on the shard, inside calls of the Dispatcher:
/// an implementation must not call the Dispatcher back from here.
class PeerChannel {
 public:
  virtual ~PeerChannel() = default;

  /// False from the Send functions: the client is gone or reads too slowly.
  virtual bool SendEmptyTask() = 0;
  virtual bool SendMetadataOnly() = 0;
  virtual bool SendParents(const Peer& child, std::span<const ParentFinder::Candidate> parents) = 0;
  virtual bool SendBackToSource(std::string_view description) = 0;

  /// A Register() or Reschedule() is over: OK after one of the above, else what the conversation
  /// ends with. Until then later messages of the conversation wait.
  virtual void Settled(absl::Status status) = 0;
};

}  // namespace dragonfly::scheduler
