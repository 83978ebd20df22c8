#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/log/logger.h"

namespace dragonfly {

struct DaemonLogOptions {
  std::string dir;  ///< `<logDir>/<program>`.
  std::vector<std::string> channels;
  bool console = false;
  /// debug, info, warn, error; another one means info, with a warning.
  std::string level = "info";
  std::uint64_t max_size_mib = 1024;
  std::uint64_t max_age_days = 7;
  std::uint64_t max_backups = 20;
};

/// The log of manager or scheduler as the original keeps it: JSON lines in `<dir>/core.log` and its
/// sisters, or text on the terminal and no files at all. Blocks.
absl::StatusOr<Logger> OpenDaemonLog(const DaemonLogOptions& options);

}  // namespace dragonfly
