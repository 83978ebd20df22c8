#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/types.h"
#include "scheduler/swarm/task.h"

namespace dragonfly::scheduler {

// What outlives a scheduler, so that the next one can offer what the hosts of the cluster still have.

struct TaskRecord {
  TaskId id;
  TaskSpec spec;
  TaskState state = TaskState::kPending;
  WallTime created;
  WallTime updated;
};

/// A peer that has pieces.
struct PeerRecord {
  TaskId task_id;
  HostId host_id;
  PeerSpec spec;
  /// Succeeded; every other one was on its way.
  bool succeeded = false;
  PieceSet pieces;
  Duration cost{};
  WallTime created;
  WallTime updated;
};

/// Records that are new or different, and the keys of those that are gone.
struct StateChanges {
  std::vector<HostInfo> hosts;
  std::vector<TaskRecord> tasks;
  std::vector<PeerRecord> peers;
  std::vector<HostId> gone_hosts;
  std::vector<TaskId> gone_tasks;
  std::vector<std::pair<TaskId, PeerId>> gone_peers;

  [[nodiscard]] std::size_t size() const {
    return hosts.size() + tasks.size() + peers.size() + gone_hosts.size() + gone_tasks.size() +
           gone_peers.size();
  }
};

}  // namespace dragonfly::scheduler
