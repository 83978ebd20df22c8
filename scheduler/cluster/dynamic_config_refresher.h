#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/async/awaitable.h"
#include "common/async/blocking_pool.h"
#include "common/async/task_group.h"
#include "common/base/clock.h"
#include "common/log/logger.h"
#include "scheduler/cluster/dynamic_config.h"

namespace dragonfly::scheduler {

/// Keeps a DynamicConfigHolder up to date from wherever the configuration comes: asks at every
/// interval, publishes what has changed, and keeps the last answer on disk. A source that does not
/// answer changes nothing. Runs on: one executor.
class DynamicConfigRefresher {
 public:
  struct Options {
    Duration interval = std::chrono::minutes(1);
    /// The last answer is kept here; empty: nowhere.
    std::string cache_path;
  };
  using Fetch = std::function<Awaitable<absl::StatusOr<DynamicConfig>>()>;

  /// References outlive Stop().
  DynamicConfigRefresher(asio::any_io_executor executor, Options options, Fetch fetch,
                         DynamicConfigHolder& holder, BlockingPool& disk, Logger log);

  /// For the start: from the source, else from the disk, else the holder keeps what it has and the
  /// source's error is returned.
  Awaitable<absl::Status> Load();
  /// One round. The source's error.
  Awaitable<absl::Status> Refresh();
  /// Refreshes in the background from now on; the first time after one interval, or soon when
  /// Load() did not reach the source.
  void Start();
  Awaitable<> Stop() { return group_.Stop(); }

 private:
  Awaitable<> Run();

  const Options options_;
  const Fetch fetch_;
  DynamicConfigHolder& holder_;
  BlockingPool& disk_;
  const Logger log_;
  bool reached_ = true;
  TaskGroup group_;
};

}  // namespace dragonfly::scheduler
