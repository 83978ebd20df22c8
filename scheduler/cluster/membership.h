#pragma once

#include <chrono>

#include "absl/status/status.h"
#include "common/async/awaitable.h"
#include "common/async/task_group.h"
#include "common/base/clock.h"
#include "common/log/logger.h"
#include "scheduler/cluster/manager_link.h"

namespace dragonfly::scheduler {

/// Keeps this scheduler registered and alive at the manager, for ever: a manager that is away is
/// tried again, and one that forgot us is told again. Runs on: one executor.
class Membership {
 public:
  struct Options {
    /// Pause after a failure; doubles up to `retry_max`.
    Duration retry_min = std::chrono::milliseconds(500);
    Duration retry_max = std::chrono::seconds(5);
  };

  /// `link` outlives Stop().
  Membership(asio::any_io_executor executor, Options options, ManagerLink& link, Logger log);

  /// One try, for the start: a known scheduler gets its configuration at once. Not needed for
  /// Start().
  Awaitable<absl::Status> Register();
  /// From now on the manager sends clients here.
  void Start();
  /// Ends the keepalive stream, so that the manager sends nobody here any more.
  Awaitable<> Stop() { return group_.Stop(); }

 private:
  Awaitable<> Run();

  const Options options_;
  ManagerLink& link_;
  const Logger log_;
  bool registered_ = false;
  TaskGroup group_;
};

}  // namespace dragonfly::scheduler
