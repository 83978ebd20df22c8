#pragma once

#include <cstddef>
#include <functional>

#include "absl/status/status.h"
#include "common/async/awaitable.h"
#include "scheduler/swarm/state_changes.h"

namespace dragonfly::scheduler {

/// Where the state of the swarm is written to, so that it outlives the scheduler.
class StateStore {
 public:
  /// Records as they come: hosts before tasks before peers.
  using Sink = std::function<void(StateChanges records)>;

  virtual ~StateStore() = default;
  /// Tells `sink` everything that is written down, on a thread of the store's; it must not block
  /// for long. Unauthenticated, PermissionDenied, InvalidArgument, FailedPrecondition: not before
  /// somebody changes the configuration; Unavailable: perhaps the next time. What was told by then
  /// is good.
  virtual Awaitable<absl::Status> Load(Sink sink) = 0;
  /// Returns when all of it is written. The same changes may be written again after an error.
  virtual Awaitable<absl::Status> Save(const StateChanges& changes) = 0;
};

/// Whose state it is. On the keeper's executor.
class StateSource {
 public:
  virtual ~StateSource() = default;
  /// Some of what changed since the last call, with `budget` records or a few times as many; less
  /// than `budget` means that it is all.
  virtual Awaitable<StateChanges> TakeChanges(std::size_t budget) = 0;
  /// What was taken may be written nowhere: everything counts as changed.
  virtual void ChangesLost() = 0;
  /// Adds what is not known. Any thread; returns at once.
  virtual void Restore(StateChanges records) = 0;
};

}  // namespace dragonfly::scheduler
