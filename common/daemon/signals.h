#pragma once

#include "common/log/logger.h"

namespace dragonfly {

/// Signals of a daemon as something to wait for, instead of something that interrupts. Make it in
/// main() before any thread: threads inherit that SIGINT, SIGQUIT, SIGTERM and SIGUSR1 are held
/// back. SIGPIPE is ignored from then on.
class Signals {
 public:
  Signals();

  /// Returns at the first SIGINT, SIGQUIT or SIGTERM, with its number. SIGUSR1 meanwhile makes the
  /// log one step more talkative, and quiet again after the last: info, debug, error, warn, info.
  int WaitForStop(const Logger& log) const;
};

/// The step that SIGUSR1 makes.
[[nodiscard]] LogLevel NextLevel(LogLevel level);

}  // namespace dragonfly
