#pragma once

#include <chrono>

#include "common/async/awaitable.h"
#include "common/async/task_group.h"
#include "common/base/clock.h"
#include "common/log/logger.h"

namespace dragonfly::scheduler {

/// What is swept. Called on the sweeper's executor; returns at once, the work is done by the owners
/// of the state.
class SweepTarget {
 public:
  virtual ~SweepTarget() = default;
  virtual void SweepHosts() = 0;
  virtual void SweepPeers() = 0;
  virtual void SweepTasks() = 0;
};

/// Calls its target at fixed intervals. Belongs to one serial executor.
class Sweeper {
 public:
  struct Options {
    Duration host_interval = std::chrono::minutes(5);
    Duration peer_interval = std::chrono::seconds(10);
    Duration task_interval = std::chrono::minutes(30);
  };

  /// `target` outlives the sweeper's Stop().
  Sweeper(const Options& options, SweepTarget& target, asio::any_io_executor executor, Logger log);

  /// Once; the first sweeps come after one interval.
  void Start();
  /// Also before Start(), and more than once.
  Awaitable<> Stop() { return tasks_.Stop(); }

 private:
  using Sweep = void (SweepTarget::*)();
  Awaitable<> Run(Sweep sweep, Duration interval);

  const Options options_;
  SweepTarget& target_;
  Logger log_;
  TaskGroup tasks_;
};

}  // namespace dragonfly::scheduler
