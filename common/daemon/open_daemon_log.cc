#include "common/daemon/open_daemon_log.h"

#include "common/base/status_macros.h"
#include "common/log/open_log.h"

namespace dragonfly {

absl::StatusOr<Logger> OpenDaemonLog(const DaemonLogOptions& options) {
  LogOptions log;
  log.console = options.console;
  if (!options.console) log.dir = options.dir;
  log.channels = options.channels;
  log.format = options.console ? LogFormat::kText : LogFormat::kJson;
  const auto level = ParseLogLevel(options.level);
  log.level = level.value_or(LogLevel::kInfo);
  log.max_file_size = options.max_size_mib * 1024 * 1024;
  log.max_old_files = options.max_backups;
  log.max_age = std::chrono::hours(24 * options.max_age_days);
  ASSIGN_OR_RETURN(Logger result, OpenLog(log));
  if (!level.has_value()) result.Warn("unknown log level, using info", {{"level", options.level}});
  return result;
}

}  // namespace dragonfly
