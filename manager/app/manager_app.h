#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "common/log/logger.h"
#include "manager/config/config.h"

namespace dragonfly::manager {

/// The running manager. Not thread-safe.
class ManagerApp {
 public:
  /// Starts everything and returns when daemons are served. Blocks; errors name what could not be
  /// started and why, and then nothing runs any more. At the very first start it prints the
  /// password of the user `root` to stdout.
  static absl::StatusOr<std::unique_ptr<ManagerApp>> Start(const Config& config, Logger log);
  /// Stop().
  virtual ~ManagerApp() = default;

  /// Lets calls end and stops everything, the last started first. Blocks; more than once is fine.
  virtual void Stop() = 0;
};

}  // namespace dragonfly::manager
