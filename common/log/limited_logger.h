#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string_view>
#include <utility>

#include "common/base/clock.h"
#include "common/log/logger.h"

namespace dragonfly {

/// For failures that can come in thousands: writes one record per interval and says in the next one
/// how many were left out (`suppressed`). One object per kind of event. Thread-safe.
class LimitedLogger {
 public:
  explicit LimitedLogger(Logger log, Duration interval = std::chrono::seconds(1))
      : log_(std::move(log)), interval_(interval) {}

  void Info(std::string_view event, Logger::Fields fields = {}) { Log(LogLevel::kInfo, event, fields); }
  void Warn(std::string_view event, Logger::Fields fields = {}) { Log(LogLevel::kWarn, event, fields); }
  void Error(std::string_view event, Logger::Fields fields = {}) { Log(LogLevel::kError, event, fields); }

  void Log(LogLevel level, std::string_view event, Logger::Fields fields,
           SteadyTime now = std::chrono::steady_clock::now());

 private:
  const Logger log_;
  const Duration interval_;
  std::atomic<Duration::rep> next_{Duration::min().count()};
  std::atomic<std::uint64_t> suppressed_{0};
};

}  // namespace dragonfly
