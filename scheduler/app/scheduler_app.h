#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/log/logger.h"
#include "scheduler/config/config.h"

namespace dragonfly::scheduler {

/// The running scheduler. Not thread-safe.
class SchedulerApp {
 public:
  /// Starts everything and returns when peers are served. Blocks; errors name what could not be
  /// started and why, and then nothing runs any more. A manager that is away is no error: the last
  /// dynamic configuration counts until it comes back. `dynconfig` is the file of the dynamic
  /// configuration, for a scheduler without a manager.
  static absl::StatusOr<std::unique_ptr<SchedulerApp>> Start(const Config& config,
                                                             const std::string& dynconfig,
                                                             Logger log);
  /// Stop().
  virtual ~SchedulerApp() = default;

  /// Tells the manager, lets calls end and stops everything, the last started first. Blocks; more
  /// than once is fine.
  virtual void Stop() = 0;
};

}  // namespace dragonfly::scheduler
