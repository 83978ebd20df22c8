#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/log/logger.h"

namespace dragonfly {

struct LogOptions {
  /// Directory of the files, made with mode 0700 when missing. Empty: no files.
  std::string dir = {};
  std::string file = "core.log";
  /// Files beside it by name, for Logger::Channel: `grpc` is `<dir>/grpc.log`.
  std::vector<std::string> channels = {};
  /// Write to stdout, too.
  bool console = false;
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kText;
  std::uint64_t max_file_size = 1024ULL * 1024 * 1024;  ///< Bytes; then a new file begins. 0 = no limit.
  std::size_t max_old_files = 20;                       ///< Older files kept per file; 0 = all.
  std::chrono::hours max_age{0};                        ///< Older files are deleted; 0 = never.
};

/// Opens the log of a process; `app` does so once. Records pass a queue of 4096 to one thread that
/// writes each with one system call, so nothing written is lost with the process. When the queue is
/// full the oldest records are lost, and a warning tells how many. The end of the last Logger waits
/// until the queue is written. Old files are named `core-2026-01-31T23-59-59.000.log`, local time.
/// Errors name the directory or file and the reason.
[[nodiscard]] absl::StatusOr<Logger> OpenLog(const LogOptions& options);

/// Sends what libraries and crashes print to `<dir>/stdout.log` and `<dir>/stderr.log` from now on.
[[nodiscard]] absl::Status RedirectStandardStreams(const std::string& dir);

}  // namespace dragonfly
