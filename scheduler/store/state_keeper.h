#pragma once

#include <chrono>
#include <cstddef>

#include "absl/status/status.h"
#include "common/async/awaitable.h"
#include "common/async/task_group.h"
#include "common/log/logger.h"
#include "scheduler/store/state_store.h"

namespace dragonfly::scheduler {

/// Brings the state of a source into a store: behind, in batches, as long as it takes. While the
/// store is away the source goes on and only notes what changed; when it is back, everything is
/// written anew, because the store may have lost what it had. Belongs to one serial executor.
class StateKeeper {
 public:
  struct Options {
    /// Between batches; what a crash of the scheduler loses.
    Duration interval = std::chrono::milliseconds(500);
    Duration longest_pause = std::chrono::seconds(5);
    std::size_t batch = 4000;
  };

  /// Both outlive Stop().
  StateKeeper(const Options& options, StateStore& store, StateSource& source,
              asio::any_io_executor executor, Logger log);

  /// Before Start(): brings back what is written down. OK also when the store is away (it is tried
  /// again after Start()); an error is one that only a change of the configuration ends.
  Awaitable<absl::Status> Load();
  /// Begins to write.
  void Start();
  /// Writes what has changed until now, if the store takes it, and ends.
  Awaitable<> Stop();

 private:
  Awaitable<absl::Status> TryToLoad();
  Awaitable<> Run();
  Awaitable<> SaveAtLast(StateChanges changes);

  const Options options_;
  StateStore& store_;
  StateSource& source_;
  const Logger log_;
  bool loaded_ = false;
  bool started_ = false;
  TaskGroup tasks_;
};

}  // namespace dragonfly::scheduler
